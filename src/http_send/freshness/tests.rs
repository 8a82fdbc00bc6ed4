//! How long responses live, whatever they say.

use http::HeaderValue;
use proptest::prelude::*;

use super::*;

const MINUTE: Duration = Duration::from_mins(1);
/// Sun, 06 Nov 1994 08:49:37 GMT.
const DATE_OF_TEST: Duration = Duration::from_secs(784_111_777);

fn now() -> Now {
    Now {
        unix: DATE_OF_TEST,
        instant: Instant::now(),
    }
}

fn headers(fields: &[(&str, &str)]) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for (name, value) in fields {
        let name: HeaderName = name.parse().unwrap();
        headers.append(name, value.parse().unwrap());
    }
    headers
}

/// For how long it is fresh, and then usable.
fn life(fields: &[(&str, &str)], stale: Option<Duration>) -> Option<(Duration, Duration)> {
    let now = now();
    let life = Life::of(StatusCode::OK, &headers(fields), now, None, stale)?;
    Some((
        life.fresh_until.duration_since(now.instant),
        life.usable_until.duration_since(life.fresh_until),
    ))
}

fn fresh(fields: &[(&str, &str)]) -> Option<Duration> {
    life(fields, None).map(|(fresh, _)| fresh)
}

#[test]
fn the_dates_of_a_response_tell_its_age_in_each_of_their_forms() {
    let at = [
        "Sun, 06 Nov 1994 08:50:37 GMT",
        "Sunday, 06-Nov-94 08:50:37 GMT",
        "Sun Nov  6 08:50:37 1994",
    ];
    for expires in at {
        let date = ("date", "Sun, 06 Nov 1994 08:49:37 GMT");
        assert_eq!(
            fresh(&[("expires", expires), date]),
            Some(MINUTE),
            "{expires}"
        );
        assert_eq!(fresh(&[("expires", expires)]), Some(MINUTE), "{expires}");
    }
    let half = ("date", "Sun, 06 Nov 1994 08:49:07 GMT");
    assert_eq!(
        fresh(&[("cache-control", "max-age=60"), half]),
        Some(MINUTE / 2)
    );
    let tomorrow = ("date", "Mon, 07 Nov 1994 08:49:07 GMT");
    assert_eq!(
        fresh(&[("cache-control", "max-age=60"), tomorrow]),
        Some(MINUTE)
    );
    let both = [("cache-control", "max-age=60"), half, ("age", "50")];
    assert_eq!(fresh(&both), Some(MINUTE / 6));
}

#[test]
fn max_age_counts_before_expires() {
    let expires = ("expires", "Sun, 06 Nov 1994 09:49:37 GMT");
    assert_eq!(
        fresh(&[expires, ("cache-control", "max-age=60")]),
        Some(MINUTE)
    );
    assert_eq!(fresh(&[expires, ("cache-control", "max-age=0")]), None);
    assert_eq!(fresh(&[expires, ("cache-control", "max-age=")]), None);
}

#[test]
fn a_response_without_a_life_is_kept_only_to_be_confirmed() {
    assert_eq!(fresh(&[]), None);
    assert_eq!(fresh(&[("etag", "\"a\"")]), Some(Duration::ZERO));
    let modified = ("last-modified", "Sun, 06 Nov 1994 08:49:37 GMT");
    assert_eq!(fresh(&[modified]), Some(Duration::ZERO));
    assert_eq!(fresh(&[modified, ("cache-control", "no-store")]), None);
}

#[test]
fn who_says_what_about_stale_responses() {
    let said = [("cache-control", "max-age=60, stale-if-error=30")];
    let half = MINUTE / 2;
    assert_eq!(life(&said, None), Some((MINUTE, half)));
    assert_eq!(life(&said, Some(MINUTE)), Some((MINUTE, half)));
    assert_eq!(life(&said, Some(MINUTE / 4)), Some((MINUTE, MINUTE / 4)));
    let silent = [("cache-control", "max-age=60")];
    assert_eq!(life(&silent, None), Some((MINUTE, Duration::ZERO)));
    assert_eq!(
        life(&silent, Some(10 * MINUTE)),
        Some((MINUTE, 10 * MINUTE))
    );
}

#[test]
fn a_304_replaces_what_is_not_about_the_body() {
    let old = headers(&[
        ("age", "9"),
        ("etag", "a"),
        ("content-length", "5"),
        ("x", "1"),
        ("x", "2"),
    ]);
    let newer = headers(&[
        ("etag", "b"),
        ("content-length", "0"),
        ("x", "3"),
        ("y", "4"),
    ]);
    let want = headers(&[
        ("etag", "b"),
        ("content-length", "5"),
        ("x", "3"),
        ("y", "4"),
    ]);
    assert_eq!(confirmed(old, &newer), want);
}

#[test]
fn a_word_counts_beside_what_cannot_be_read() {
    let now = now();
    let of = |control: &[u8]| {
        let control = HeaderValue::from_bytes(control).unwrap();
        let given = HeaderMap::from_iter([(CACHE_CONTROL, control)]);
        Life::of(
            StatusCode::OK,
            &given,
            now,
            None,
            Some(Duration::from_secs(1)),
        )
    };
    assert!(of(b"\xc3\xa4,no-store").is_none());
    assert!(of(b"\xc3\xa4,max-age=5").is_some());
}

fn value() -> impl Strategy<Value = HeaderValue> {
    let words = prop::sample::select(vec![
        "max-age=",
        "60",
        "no-store",
        "no-cache",
        "stale-if-error=",
        ",",
        " ",
        "\"",
        "=",
        "x",
        "18446744073709551616",
        "must-revalidate",
        "Sun, 06 Nov 1994 08:49:37 GMT",
        "-1",
        "\u{e4}",
    ]);
    let words = prop::collection::vec(words, 0..6);
    words.prop_map(|words| HeaderValue::from_bytes(words.concat().as_bytes()).unwrap())
}

proptest! {
    #[test]
    fn whatever_a_response_says_its_life_is_bounded_by_the_words_for_it(
        controls in prop::collection::vec(value(), 0..3),
        age in prop::option::of(value()),
        expires in prop::option::of(value()),
        date in prop::option::of(value()),
        operator in prop::option::of(0..1000_u64),
    ) {
        let mut given = HeaderMap::new();
        for control in &controls {
            given.append(CACHE_CONTROL, control.clone());
        }
        for (name, value) in [(AGE, age), (EXPIRES, expires), (DATE, date)] {
            given.extend(value.map(|value| (name, value)));
        }
        let operator = operator.map(Duration::from_secs);
        let now = now();
        let life = Life::of(StatusCode::OK, &given, now, None, operator);
        let said: Vec<u8> = controls.iter().flat_map(|value| value.as_bytes().to_vec()).collect();
        let said = String::from_utf8_lossy(&said).into_owned();
        if let Some(life) = life {
            prop_assert!(!said.split(',').any(|word| word.trim() == "no-store"));
            let stale = life.usable_until.duration_since(life.fresh_until);
            prop_assert!(stale <= operator.unwrap_or(MOST_STALE));
            let fresh = life.fresh_until.duration_since(now.instant);
            prop_assert!(fresh == Duration::ZERO || said.contains("max-age") || given.contains_key(EXPIRES));
        }
    }
}
