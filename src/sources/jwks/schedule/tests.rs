//! When to come back.

use super::*;

fn seconds(seconds: u32) -> Duration {
    Duration::from_secs(seconds.into())
}

fn schedule() -> Schedule {
    Schedule::new(seconds(10), seconds(300), seconds(3600))
}

/// Whether `wait` is `expected` seconds, up to a tenth more or less.
fn about(wait: Duration, expected: u32) -> bool {
    (wait.as_secs_f64() / f64::from(expected) - 1.0).abs() <= 0.100_001
}

#[test]
fn what_the_server_says_counts_within_bounds() {
    let cases = [
        (None, 300),
        (Some(600), 600),
        (Some(20), 20),
        (Some(0), 10),
        (Some(1), 10),
        (Some(86_400), 3600),
        (Some(u64::MAX), 3600),
    ];
    for (max_age, expected) in cases {
        for _ in 0..100 {
            let wait = schedule().after_success(max_age.map(Duration::from_secs));
            assert!(about(wait, expected), "{max_age:?}: {wait:?}");
            assert!(wait >= seconds(10), "{max_age:?}: {wait:?}");
            assert!(wait <= seconds(3600), "{max_age:?}: {wait:?}");
        }
    }
}

#[test]
fn failures_double_the_wait_up_to_the_usual_and_a_success_ends_that() {
    let mut schedule = schedule();
    for expected in [10, 20, 40, 80, 160, 300, 300] {
        let wait = schedule.after_failure();
        assert!(about(wait, expected), "{expected}: {wait:?}");
    }
    for _ in 0..100 {
        assert!(about(schedule.after_failure(), 300));
    }
    assert!(about(schedule.after_success(None), 300));
    assert!(about(schedule.after_failure(), 10));
}

#[test]
fn waits_differ_and_never_fall_below_the_least() {
    let waits: std::collections::BTreeSet<_> =
        (0..100).map(|_| schedule().after_success(None)).collect();
    assert!(waits.len() > 50, "{waits:?}");
    let mut tight = Schedule::new(seconds(10), seconds(1), seconds(1));
    for _ in 0..100 {
        assert!(tight.after_success(None) >= seconds(10));
        assert!(tight.after_failure() >= seconds(10));
    }
    let mut endless = Schedule::new(Duration::ZERO, Duration::MAX, Duration::MAX);
    assert!(endless.after_success(Some(Duration::MAX)) > seconds(3600));
}

#[test]
fn the_headers_tell_how_long_an_answer_is_good() {
    let cases: [(&[&str], Option<&str>, Option<u64>); 18] = [
        (&[], None, None),
        (&["max-age=60"], None, Some(60)),
        (&["public, MAX-AGE=60, must-revalidate"], None, Some(60)),
        (&["max-age=\"60\""], None, Some(60)),
        (&["max-age=0"], None, Some(0)),
        (&["max-age=60, max-age=30"], None, Some(30)),
        (&["max-age=60", "max-age=30"], None, Some(30)),
        (&["max-age=99999999999999999999"], None, Some(u64::MAX)),
        (&["s-maxage=60"], None, None),
        (&["no-store, max-age=60"], None, None),
        (&["max-age=60", "no-cache"], None, None),
        (&["max-age"], None, None),
        (&["max-age=-1"], None, None),
        (&["max-age=1e9"], None, None),
        (&["max-age=60, max-age=x"], None, None),
        (&["max-age=60"], Some("20"), Some(40)),
        (&["max-age=60"], Some("90"), Some(0)),
        (&["max-age=60"], Some("-90"), Some(60)),
    ];
    for (cache_control, age, expected) in cases {
        let mut headers = HeaderMap::new();
        for value in cache_control {
            headers.append(CACHE_CONTROL, value.parse().unwrap());
        }
        if let Some(age) = age {
            headers.insert(AGE, age.parse().unwrap());
        }
        let expected = expected.map(Duration::from_secs);
        assert_eq!(max_age(&headers), expected, "{cache_control:?} {age:?}");
    }
}
