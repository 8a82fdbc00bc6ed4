//! What is remembered never says anything but what verification would say.

use std::collections::HashMap;

use proptest::prelude::*;

use super::*;
use crate::identity::jwt::cache::{Digest, Digests};

fn not_remembering(providers: Vec<Provider>) -> Verifier<Shown> {
    with_options(Options {
        providers,
        cache: CacheOptions {
            max_entries: 0,
            ..CacheOptions::default()
        },
        ..Options::default()
    })
}

fn is_cached(verifier: &Verifier<Shown>, token: &str, now: Now) -> bool {
    present(verifier, token, now).cached
}

fn forged() -> String {
    token(
        Kind::Stranger,
        r#"{"alg":"EdDSA","kid":"ed"}"#,
        &claims(&[]),
    )
}

#[test]
fn a_verified_token_is_remembered_until_its_end() {
    let verifier = verifier(vec![provider()]);
    let token = token_with(&[("exp", &(NOW + 100).to_string())]);
    assert!(!is_cached(&verifier, &token, at(0)));
    let first = present(&verifier, &token, at(1)).token.unwrap();
    for seconds in [2, 129] {
        let presented = present(&verifier, &token, at(seconds));
        assert!(presented.cached && Arc::ptr_eq(&presented.token.unwrap(), &first));
    }
    let presented = present(&verifier, &token, at(130));
    assert_eq!(presented.token.unwrap_err(), JwtError::Expired);
    assert!(!presented.cached);
}

#[test]
fn a_verified_token_is_remembered_no_longer_than_told() {
    let verifier = verifier(vec![provider()]);
    let token = token_with(&[("exp", "1e300")]);
    assert!(!is_cached(&verifier, &token, at(0)));
    assert!(is_cached(&verifier, &token, at(299)));
    assert!(!is_cached(&verifier, &token, at(300)));
    assert!(is_cached(&verifier, &token, at(599)));
}

#[test]
fn a_clock_that_goes_back_finds_no_token_before_its_begin() {
    let verifier = verifier(vec![provider()]);
    let token = token_with(&[("nbf", &NOW.to_string())]);
    assert!(!is_cached(&verifier, &token, at(0)));
    let earlier = Now {
        unix: Duration::from_secs(NOW - 31),
        ..at(1)
    };
    let presented = present(&verifier, &token, earlier);
    assert_eq!(presented.token.unwrap_err(), JwtError::NotYetValid);
    assert!(!presented.cached);
}

#[test]
fn any_change_of_the_keys_revokes_what_is_remembered_at_once() {
    let verifier = verifier(vec![provider()]);
    let token = token_with(&[]);
    assert!(!is_cached(&verifier, &token, at(0)));
    assert!(is_cached(&verifier, &token, at(0)));
    publish(&verifier, 0, &issuer::key_set());
    assert!(is_cached(&verifier, &token, at(0)), "the same keys");

    publish(
        &verifier,
        0,
        &format!(r#"{{"keys":[{}]}}"#, issuer::stranger_jwk("new")),
    );
    let presented = present(&verifier, &token, at(0));
    assert_eq!(presented.token.unwrap_err(), JwtError::UnknownKey);
    // The same `kid` with another key.
    publish(
        &verifier,
        0,
        &format!(r#"{{"keys":[{}]}}"#, issuer::stranger_jwk("ed")),
    );
    let presented = present(&verifier, &token, at(0));
    assert_eq!(presented.token.unwrap_err(), JwtError::BadSignature);

    publish(&verifier, 0, &issuer::key_set());
    let presented = present(&verifier, &token, at(0));
    assert!(presented.token.is_ok() && !presented.cached);
}

#[test]
fn only_failures_that_cost_a_signature_and_stay_are_remembered_briefly() {
    let verifier = verifier(vec![Provider {
        audiences: vec!["api".to_owned()],
        ..provider()
    }]);
    let good = [("aud", r#""api""#)];
    let with = |change| token_with(&[good[0], change]);
    let unknown = token(
        Kind::Ed25519,
        r#"{"alg":"EdDSA","kid":"x"}"#,
        &claims(&good),
    );
    for (token, error, remembered) in [
        (forged(), JwtError::BadSignature, true),
        (with(("exp", "1")), JwtError::Expired, true),
        (with(("aud", r#""other""#)), JwtError::Audience, true),
        (with(("exp", "null")), JwtError::Claim, true),
        (with(("unshowable", "1")), JwtError::Malformed, true),
        (with(("nbf", "1e300")), JwtError::NotYetValid, false),
        (with(("iss", r#""x""#)), JwtError::UnknownIssuer, false),
        (unknown, JwtError::UnknownKey, false),
        ("garbage".to_owned(), JwtError::Malformed, false),
    ] {
        for (seconds, cached) in [(0, false), (1, remembered), (4, remembered), (5, false)] {
            let presented = present(&verifier, &token, at(seconds));
            assert_eq!(presented.token.unwrap_err(), error);
            assert_eq!(presented.cached, cached, "{error} at {seconds}");
        }
    }
}

#[test]
fn nothing_is_remembered_when_that_is_turned_off() {
    let off = |change: fn(&mut CacheOptions)| {
        let mut cache = CacheOptions::default();
        change(&mut cache);
        let verifier = with_options(Options {
            providers: vec![provider()],
            cache,
            ..Options::default()
        });
        [token_with(&[]), forged()].map(|token| {
            assert!(!is_cached(&verifier, &token, at(0)));
            is_cached(&verifier, &token, at(0))
        })
    };
    assert_eq!(off(|_| {}), [true, true]);
    assert_eq!(off(|cache| cache.max_entries = 0), [false, false]);
    assert_eq!(off(|cache| cache.max_failures = 0), [true, false]);
    assert_eq!(off(|cache| cache.max_ttl = Duration::ZERO), [false, true]);
    assert_eq!(
        off(|cache| cache.failure_ttl = Duration::ZERO),
        [true, false]
    );
    assert_eq!(off(|cache| cache.max_bytes = 0), [false, true]);
    // Larger than moka takes.
    let most = |cache: &mut CacheOptions| {
        *cache = CacheOptions {
            max_entries: u64::MAX,
            max_bytes: u64::MAX,
            max_ttl: Duration::MAX,
            max_failures: u64::MAX,
            failure_ttl: Duration::MAX,
        };
    };
    assert_eq!(off(most), [true, true]);
}

fn of_subject(number: usize) -> String {
    token_with(&[("sub", &format!("\"subject-{number}\""))])
}

#[test]
fn what_is_remembered_is_bounded_in_entries_and_in_bytes() {
    let few = CacheOptions {
        max_entries: 10,
        ..CacheOptions::default()
    };
    let small = CacheOptions {
        max_bytes: 10_000,
        ..CacheOptions::default()
    };
    for cache in [few, small] {
        let verifier = with_options(Options {
            providers: vec![provider()],
            cache,
            ..Options::default()
        });
        for number in 0..200 {
            present(&verifier, &of_subject(number), at(0));
        }
        let (entries, bytes) = verifier.remembered_size();
        assert!(
            (1..=cache.max_entries.min(20)).contains(&entries),
            "{entries}"
        );
        assert!(bytes <= cache.max_bytes, "{bytes}");
    }
}

#[test]
fn a_flood_of_garbage_evicts_no_good_token() {
    let verifier = with_options(Options {
        providers: vec![provider()],
        cache: CacheOptions {
            max_entries: 50,
            max_failures: 50,
            ..CacheOptions::default()
        },
        ..Options::default()
    });
    let good: Vec<_> = (0..40).map(of_subject).collect();
    for token in &good {
        assert!(!is_cached(&verifier, token, at(0)));
    }
    let input = forged();
    let (input, _) = input.rsplit_once('.').unwrap();
    for number in 0_u64..5_000 {
        let signature = issuer::encode([number.to_le_bytes(); 8].concat());
        let presented = present(&verifier, &format!("{input}.{signature}"), at(0));
        assert_eq!(presented.token.unwrap_err(), JwtError::BadSignature);
        assert!(!presented.cached);
    }
    for token in &good {
        assert!(is_cached(&verifier, token, at(1)));
    }
}

#[test]
fn no_two_configurations_generations_places_or_tokens_share_a_digest() {
    let mut seen: HashMap<String, Digest> = HashMap::new();
    let mut add = |what: String, digest: Digest| {
        for (other, known) in &seen {
            assert_ne!(*known, digest, "{what} and {other}");
        }
        seen.insert(what, digest);
    };
    for (at, change) in CHANGES.iter().enumerate() {
        let mut changed = provider();
        change(&mut changed);
        add(
            format!("change {at}"),
            Digests::of(&[changed.clone()]).of_token(0, 0, "t"),
        );
        add(
            format!("change {at} of a second"),
            Digests::of(&[provider(), changed]).of_token(0, 0, "t"),
        );
    }
    let digests = Digests::of(&[provider()]);
    for (generation, place, token) in [
        (1, 0, "t"),
        (0, 1, "t"),
        (0, 0, "u"),
        (0, 0, ""),
        (256, 0, "t"),
    ] {
        let digest = digests.of_token(generation, place, token);
        add(format!("{generation} {place} {token}"), digest);
    }
    add("none".to_owned(), Digests::of(&[]).of_token(0, 0, "t"));
    assert_eq!(seen.len(), 2 * CHANGES.len() + 6);
}

/// The configuration as it is, and with every field changed.
const CHANGES: &[fn(&mut Provider)] = &[
    |_| {},
    |provider| provider.name = "other".into(),
    |provider| provider.issuer = "other".into(),
    |provider| provider.audiences = vec!["ab".to_owned(), "c".to_owned()],
    |provider| provider.audiences = vec!["a".to_owned(), "bc".to_owned()],
    |provider| provider.audiences = vec!["abc".to_owned()],
    |provider| provider.audiences = vec!["abc".to_owned(), String::new()],
    |provider| provider.algorithms = vec![Algorithm::Rs256],
    |provider| provider.algorithms.reverse(),
    |provider| provider.secret = Some(Secret::new(b"a".to_vec())),
    |provider| provider.secret = Some(Secret::new(b"b".to_vec())),
    |provider| provider.secret = Some(Secret::new(Vec::new())),
    |provider| provider.locations = vec![Location::Cookie("a".into())],
    |provider| provider.locations = vec![Location::Param("a".into())],
    |provider| provider.locations.push(Location::Param("a".into())),
    |provider| {
        provider.locations = vec![Location::Header {
            name: "authorization".into(),
            prefix: "".into(),
        }];
    },
    |provider| provider.clock_skew = Duration::from_secs(31),
    |provider| provider.clock_skew = Duration::new(30, 1),
    |provider| provider.max_lifetime = Some(Duration::ZERO),
    |provider| provider.max_lifetime = Some(Duration::MAX),
    |provider| provider.require_exp = false,
    |provider| provider.required_claims = vec!["a".to_owned()],
    |provider| provider.typ = Some("a".to_owned()),
    |provider| provider.typ = Some(String::new()),
    |provider| provider.space_delimited_claims = Arc::from(["a".to_owned()]),
    |provider| provider.on_missing = OnFailure::Deny,
    |provider| provider.on_invalid = OnFailure::Deny,
    |provider| provider.strip_on_allow = true,
    |provider| provider.wait_for_key = Duration::from_secs(1),
    |provider| provider.min_refresh = Duration::from_secs(1),
];

/// What happens in between.
#[derive(Clone, Debug)]
enum Event {
    Pass(u64),
    Present(usize, &'static str),
    Keys(Option<usize>),
}

fn event() -> impl Strategy<Value = Event> {
    prop_oneof![
        2 => (0_u64..150).prop_map(Event::Pass),
        6 => (0_usize..9, prop::sample::select(&["authorization", "x-second"][..]))
            .prop_map(|(token, place)| Event::Present(token, place)),
        1 => prop::option::of(0_usize..3).prop_map(Event::Keys),
    ]
}

/// Tokens of all kinds, some of which end or begin on the way.
fn tokens() -> Vec<String> {
    let time = |seconds: u64| NOW.saturating_add(seconds).to_string();
    let kid = |kid: &str| format!(r#"{{"alg":"EdDSA","kid":{kid:?}}}"#);
    vec![
        token_with(&[("exp", "1e300")]),
        token_with(&[]),
        token_with(&[("exp", &time(100)), ("sub", r#""b""#)]),
        token_with(&[("nbf", &time(200)), ("exp", &time(700))]),
        token_with(&[("aud", r#""x""#), ("iss", r#""https://second.example""#)]),
        token_with(&[("iss", r#""https://second.example""#)]),
        token(Kind::Stranger, &kid("new"), &claims(&[])),
        token(Kind::Stranger, &kid("ed"), &claims(&[])),
        token(Kind::Secret(SECRET), r#"{"alg":"HS256"}"#, &claims(&[])),
    ]
}

fn two_providers() -> Vec<Provider> {
    let second = Location::Header {
        name: "x-second".into(),
        prefix: "Bearer ".into(),
    };
    let both = vec![Location::bearer(), second];
    vec![
        Provider {
            algorithms: vec![Algorithm::EdDsa, Algorithm::Hs256],
            ..symmetric()
        },
        Provider {
            name: "second".into(),
            issuer: "https://second.example".into(),
            audiences: vec!["x".to_owned()],
            locations: both,
            on_invalid: OnFailure::Deny,
            ..provider()
        },
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn what_is_remembered_is_what_verification_says(events in prop::collection::vec(event(), 1..60)) {
        let remembering = verifier(two_providers());
        let plain = not_remembering(two_providers());
        let tokens = tokens();
        let new = issuer::stranger_jwk("new");
        let sets = [
            issuer::key_set(),
            format!(r#"{{"keys":[{new}]}}"#),
            format!(r#"{{"keys":[{},{new}]}}"#, issuer::ed_jwk()),
        ];
        let mut seconds = 0;
        for event in events {
            match event {
                Event::Pass(more) => seconds = u64::saturating_add(seconds, more),
                Event::Keys(Some(set)) => {
                    publish(&remembering, 0, &sets[set]);
                    publish(&plain, 0, &sets[set]);
                }
                Event::Keys(None) => {
                    remembering.keys().set(0, ProviderKeys::default());
                    plain.keys().set(0, ProviderKeys::default());
                }
                Event::Present(token, place) => {
                    let bearer = format!("Bearer {}", tokens[token]);
                    let request = request("/", &[(place, &bearer)]);
                    let outcome = |verifier: &Verifier<Shown>| {
                        let presented = verifier.present(&request, at(seconds));
                        let token = presented.token.map(|verified| verified.document.0.clone());
                        let provider = presented.provider.map(|provider| provider.name.clone());
                        (token, provider, presented.denied)
                    };
                    prop_assert_eq!(outcome(&remembering), outcome(&plain));
                }
            }
        }
    }

    #[test]
    fn tokens_share_a_digest_only_when_all_of_them_is_equal(
        one in (any::<u64>(), 0_usize..3, "[a-c]{0,3}"),
        other in (any::<u64>(), 0_usize..3, "[a-c]{0,3}"),
        audiences in prop::collection::vec("[ab]{0,2}", 0..3),
        other_audiences in prop::collection::vec("[ab]{0,2}", 0..3),
    ) {
        let digest = |(generation, place, token): &(u64, usize, String), audiences: &Vec<String>| {
            let provider = Provider { audiences: audiences.clone(), ..provider() };
            Digests::of(&[provider]).of_token(*generation, *place, token)
        };
        prop_assert_eq!(
            digest(&one, &audiences) == digest(&other, &audiences),
            one == other
        );
        prop_assert_eq!(
            digest(&one, &audiences) == digest(&one, &other_audiences),
            audiences == other_audiences
        );
    }
}
