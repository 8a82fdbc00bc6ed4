//! Which failures are denied by configuration, and which tokens do not go upstream.

use super::*;

/// Two providers that share `authorization`; the second has `x-second` for itself.
fn two(change: impl Fn(usize, &mut Provider)) -> Verifier<Shown> {
    let second = Location::Header {
        name: "x-second".into(),
        prefix: "".into(),
    };
    let mut providers = vec![
        provider(),
        Provider {
            name: "second".into(),
            issuer: "https://second.example".into(),
            locations: vec![Location::bearer(), second],
            ..provider()
        },
    ];
    for (at, provider) in providers.iter_mut().enumerate() {
        change(at, provider);
    }
    verifier(providers)
}

/// A header's name and value.
type Sent = (&'static str, String);

fn sent(name: &'static str, token: &str) -> Sent {
    match name {
        "authorization" => (name, format!("Bearer {token}")),
        _ => (name, token.to_owned()),
    }
}

fn requests() -> [(&'static str, Vec<Sent>); 8] {
    let bearer = "authorization";
    let ours = token_with(&[]);
    let second = token_with(&[("iss", r#""https://second.example""#)]);
    let expired = token_with(&[("exp", "1")]);
    let expired_second = token_with(&[("exp", "1"), ("iss", r#""https://second.example""#)]);
    [
        ("none", vec![]),
        ("ours", vec![sent(bearer, &ours)]),
        ("second's", vec![sent(bearer, &second)]),
        ("ours expired", vec![sent(bearer, &expired)]),
        ("second's expired", vec![sent(bearer, &expired_second)]),
        ("garbage", vec![sent(bearer, "garbage")]),
        ("garbage at x-second", vec![sent("x-second", "garbage")]),
        ("two", vec![sent(bearer, &ours), sent("x-second", &second)]),
    ]
}

/// The names of the requests for which `is` holds.
fn which(
    verifier: &Verifier<Shown>,
    is: impl Fn(&Presented<'_, Shown>) -> bool,
) -> Vec<&'static str> {
    let mut names = Vec::new();
    for (name, headers) in requests() {
        let headers: Vec<_> = headers
            .iter()
            .map(|(name, value)| (*name, &**value))
            .collect();
        let request = request("/", &headers);
        // Once computed and once remembered.
        let both = [(); 2].map(|()| is(&verifier.present(&request, at(0))));
        assert_eq!(both[0], both[1], "{name}");
        if both[0] {
            names.push(name);
        }
    }
    names
}

#[test]
fn a_missing_token_is_denied_when_any_provider_says_so() {
    // What stands at another provider's place is no token of the first.
    for (who, expected) in [(0, vec!["none", "garbage at x-second"]), (1, vec!["none"])] {
        let verifier = two(|at, provider| {
            if at == who {
                provider.on_missing = OnFailure::Deny;
            }
        });
        assert_eq!(which(&verifier, |presented| presented.denied), expected);
        assert!(verifier.acts_alone());
    }
    let neither = two(|_, _| {});
    assert!(which(&neither, |presented| presented.denied).is_empty());
    assert!(!neither.acts_alone());
}

#[test]
fn a_bad_token_is_denied_when_its_provider_says_so_or_any_while_there_is_none() {
    for (who, expected) in [
        (0, vec!["ours expired", "garbage", "two"]),
        (
            1,
            vec!["second's expired", "garbage", "garbage at x-second", "two"],
        ),
    ] {
        let verifier = two(|at, provider| {
            if at == who {
                provider.on_invalid = OnFailure::Deny;
            }
        });
        assert_eq!(which(&verifier, |presented| presented.denied), expected);
        assert!(verifier.acts_alone());
    }
}

#[test]
fn a_token_is_taken_out_where_its_provider_says_so_or_any_while_there_is_none() {
    let bearer = Location::bearer();
    for (who, at_bearer, elsewhere) in [
        (0, vec!["ours", "ours expired", "garbage", "two"], vec![]),
        (
            1,
            vec!["second's", "second's expired", "garbage", "two"],
            vec!["garbage at x-second", "two"],
        ),
    ] {
        let verifier = two(|at, provider| provider.strip_on_allow = at == who);
        let bearers = which(&verifier, |presented| presented.strip.contains(&&bearer));
        let others = which(&verifier, |presented| {
            presented.strip.iter().any(|location| **location != bearer)
        });
        assert_eq!((bearers, others), (at_bearer, elsewhere), "{who}");
        assert!(verifier.acts_alone());
    }
}

#[test]
fn the_first_of_several_tokens_is_taken_out_by_its_provider_and_each_place_comes_once() {
    let strips = two(|_, provider| provider.strip_on_allow = true);
    let verifier = with_options(Options {
        providers: strips.providers().to_vec(),
        several_tokens: SeveralTokens::First,
        ..Options::default()
    });
    let ours = token_with(&[]);
    let twice = format!("Bearer {ours},Bearer {ours}");
    let request = request("/", &[("authorization", &twice), ("x-second", "b,c")]);
    let presented = verifier.present(&request, at(0));
    assert!(presented.token.is_ok());
    let places: Vec<_> = presented.strip.into_iter().map(name_of).collect();
    assert_eq!(places, ["authorization", "x-second"]);
}

fn name_of(location: &Location) -> &str {
    match location {
        Location::Header { name, prefix: _ } | Location::Cookie(name) | Location::Param(name) => {
            name
        }
    }
}
