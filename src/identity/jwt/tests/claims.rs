//! Every abuse of a claim has its exact code, and its twin without the defect verifies.

use super::*;

/// Each claim as JSON, and the code.
fn assert_codes(provider: &Provider, cases: &[(&str, &str, Result<(), JwtError>)]) {
    for (name, json, expected) in cases {
        let token = token_with(&[(name, json)]);
        assert_eq!(code(provider.clone(), &token), *expected, "{name}: {json}");
    }
}

const CLAIM: Result<(), JwtError> = Err(JwtError::Claim);
const MALFORMED: Result<(), JwtError> = Err(JwtError::Malformed);

#[test]
fn a_time_of_the_wrong_type_is_never_the_same_as_none() {
    let lax = Provider {
        require_exp: false,
        ..provider()
    };
    for name in ["exp", "nbf", "iat"] {
        for provider in [&provider(), &lax] {
            assert_codes(
                provider,
                &[
                    (name, r#""1800000000""#, CLAIM),
                    (name, r#""""#, CLAIM),
                    (name, "null", CLAIM),
                    (name, "true", CLAIM),
                    (name, "[1800000000]", CLAIM),
                    (name, r#"{"at":1800000000}"#, CLAIM),
                    (name, "-1", CLAIM),
                    (name, "-0.5", CLAIM),
                    (name, "-9223372036854775808", CLAIM),
                    (name, "-1e300", CLAIM),
                    // No number of JSON as we read it.
                    (name, "1e400", MALFORMED),
                    (name, "NaN", MALFORMED),
                ],
            );
        }
    }
}

#[test]
fn an_end_is_compared_without_overflow() {
    let expired = Err(JwtError::Expired);
    assert_codes(
        &provider(),
        &[
            ("exp", "1700000000", Ok(())),
            ("exp", "1700000000.5", Ok(())),
            ("exp", "1.7e9", Ok(())),
            ("exp", "1000000000000000000", Ok(())),
            ("exp", "18446744073709551615", Ok(())),
            ("exp", "18446744073709551616", Ok(())),
            ("exp", "1e300", Ok(())),
            // 30 seconds of skew: the last second, and the first too late.
            ("exp", "1699999971", Ok(())),
            ("exp", "1699999970.25", Ok(())),
            ("exp", "1699999970", expired),
            ("exp", "1699999969.75", expired),
            ("exp", "0", expired),
            ("exp", "0.0", expired),
            ("exp", "-0.0", expired),
            ("exp", "1e-300", expired),
        ],
    );
}

#[test]
fn a_begin_is_compared_without_overflow() {
    let early = Err(JwtError::NotYetValid);
    for name in ["nbf", "iat"] {
        assert_codes(
            &provider(),
            &[
                (name, ABSENT, Ok(())),
                (name, "0", Ok(())),
                (name, "1.5", Ok(())),
                (name, "1700000000", Ok(())),
                (name, "1700000030", Ok(())),
                (name, "1700000030.5", early),
                (name, "1700000031", early),
                (name, "18446744073709551615", early),
                (name, "1e300", early),
            ],
        );
    }
}

#[test]
fn skew_may_be_larger_than_any_time() {
    for clock_skew in [Duration::MAX, Duration::from_secs(NOW + 1)] {
        let provider = Provider {
            clock_skew,
            ..provider()
        };
        assert_codes(
            &provider,
            &[
                ("exp", "0", Ok(())),
                ("exp", "1e300", Ok(())),
                ("nbf", "1700000001", Ok(())),
            ],
        );
    }
}

#[test]
fn a_token_without_an_end_verifies_only_where_none_is_asked_for() {
    assert_codes(&provider(), &[("exp", ABSENT, CLAIM)]);
    let lax = Provider {
        require_exp: false,
        ..provider()
    };
    assert_codes(&lax, &[("exp", ABSENT, Ok(()))]);
    let presented = verifier(vec![lax]);
    let presented = present(&presented, &token_with(&[("exp", ABSENT)]), at(0));
    assert_eq!(presented.token.unwrap().token.expires_at, None);
}

#[test]
fn a_life_longer_than_allowed_is_refused() {
    let provider = Provider {
        max_lifetime: Some(Duration::from_mins(5)),
        ..provider()
    };
    let end = (NOW + 300).to_string();
    for (iat, exp, expected) in [
        ("1700000000", &*end, Ok(())),
        ("1699999999", &end, CLAIM),
        ("1699999999.5", &end, CLAIM),
        (ABSENT, &end, CLAIM),
        ("1700000000", ABSENT, CLAIM),
        ("1700000000", "18446744073709551615", CLAIM),
        ("1700000000", "1e300", CLAIM),
        ("0", "1e300", CLAIM),
        // Issued after its end: no life at all, and over.
        ("1700000000", "1600000000", Err(JwtError::Expired)),
    ] {
        let token = token_with(&[("iat", iat), ("exp", exp)]);
        assert_eq!(code(provider.clone(), &token), expected, "{iat} to {exp}");
    }
    let lax = Provider {
        require_exp: false,
        ..provider
    };
    let endless = token_with(&[("iat", "1700000000"), ("exp", ABSENT)]);
    assert_eq!(code(lax, &endless), CLAIM);
}

#[test]
fn one_of_the_audiences_must_be_the_providers() {
    let audience = Err(JwtError::Audience);
    let cases = [
        (r#""api""#, Ok(()), Ok(())),
        (r#"["api"]"#, Ok(()), Ok(())),
        (r#"["other","web"]"#, Ok(()), Ok(())),
        (r#""other""#, audience, Ok(())),
        (r#""API""#, audience, Ok(())),
        (r#""api ""#, audience, Ok(())),
        (r#""""#, audience, Ok(())),
        (r#"["other"]"#, audience, Ok(())),
        ("[]", audience, Ok(())),
        (ABSENT, audience, Ok(())),
        (r#"["api",1]"#, CLAIM, CLAIM),
        (r#"["api",null]"#, CLAIM, CLAIM),
        (r#"[["api"]]"#, CLAIM, CLAIM),
        (r#"{"api":true}"#, CLAIM, CLAIM),
        ("null", CLAIM, CLAIM),
        ("1", CLAIM, CLAIM),
        ("true", CLAIM, CLAIM),
    ];
    let strict = Provider {
        audiences: vec!["api".to_owned(), "web".to_owned()],
        ..provider()
    };
    for (aud, with_ours, with_none) in cases {
        assert_codes(&strict, &[("aud", aud, with_ours)]);
        assert_codes(&provider(), &[("aud", aud, with_none)]);
    }
}

#[test]
fn the_issuer_is_compared_as_it_is() {
    let unknown = Err(JwtError::UnknownIssuer);
    assert_codes(
        &provider(),
        &[
            ("iss", r#""https://issuer.example""#, Ok(())),
            ("iss", r#""https:\/\/issuer.example""#, Ok(())),
            ("iss", r#""https://issuer.example/""#, unknown),
            ("iss", r#""https://ISSUER.example""#, unknown),
            ("iss", r#""https://issuer.example ""#, unknown),
            ("iss", r#""""#, unknown),
            ("iss", ABSENT, unknown),
            ("iss", "1", MALFORMED),
            ("iss", "null", MALFORMED),
            ("iss", r#"["https://issuer.example"]"#, MALFORMED),
            ("iss", r#"{"a":1}"#, MALFORMED),
        ],
    );
    let slash = Provider {
        issuer: format!("{ISSUER}/").into(),
        ..provider()
    };
    assert_codes(
        &slash,
        &[
            ("iss", r#""https://issuer.example/""#, Ok(())),
            ("iss", r#""https://issuer.example""#, unknown),
        ],
    );
}

#[test]
fn the_subject_is_text_if_it_is_there() {
    assert_codes(
        &provider(),
        &[
            ("sub", r#""""#, Ok(())),
            ("sub", ABSENT, Ok(())),
            ("sub", "null", CLAIM),
            ("sub", "7", CLAIM),
            ("sub", "[]", CLAIM),
        ],
    );
}

#[test]
fn a_required_claim_is_there_and_not_null() {
    let provider = Provider {
        required_claims: vec!["tenant".to_owned(), "sub".to_owned()],
        ..provider()
    };
    assert_codes(
        &provider,
        &[
            ("tenant", r#""a""#, Ok(())),
            ("tenant", "false", Ok(())),
            ("tenant", "[]", Ok(())),
            ("tenant", "null", CLAIM),
            ("tenant", ABSENT, CLAIM),
            ("Tenant", r#""a""#, CLAIM),
        ],
    );
    let without_sub = token_with(&[("tenant", "1"), ("sub", ABSENT)]);
    assert_eq!(code(provider, &without_sub), CLAIM);
}

#[test]
fn claims_are_looked_at_only_behind_a_good_signature() {
    let bad = claims(&[("exp", "null"), ("aud", "7"), ("sub", "{}")]);
    let header = r#"{"alg":"EdDSA","kid":"ed"}"#;
    let forged = token(Kind::Stranger, header, &bad);
    assert_eq!(code(provider(), &forged), Err(JwtError::BadSignature));
    assert_eq!(code(provider(), &token(Kind::Ed25519, header, &bad)), CLAIM);
}

#[test]
fn what_is_verified_is_what_the_token_says() {
    let verifier = verifier(vec![Provider {
        space_delimited_claims: Arc::from(["scope".to_owned()]),
        ..provider()
    }]);
    let token = token_with(&[("aud", r#"["a","b"]"#), ("exp", "1700000100.75")]);
    let presented = present(&verifier, &token, at(0));
    let verified = presented.token.unwrap();
    let token = &verified.token;
    assert_eq!((&*token.provider, &*token.issuer), ("main", ISSUER));
    assert_eq!(token.subject.as_deref(), Some("alice"));
    assert_eq!(token.audiences, ["a", "b"]);
    assert_eq!(token.expires_at, Some(NOW + 100));
    assert_eq!(token.header, br#"{"alg":"EdDSA","kid":"ed"}"#);
    assert_eq!(verified.document.0.as_bytes(), token.claims);
    assert!(verified.document.0.contains("1700000100.75"));
    assert_eq!(*token.space_delimited, ["scope".to_owned()]);
    assert_eq!(presented.provider.unwrap().name, token.provider);
    assert!(!presented.denied && !presented.cached && presented.nudge.is_none());
    let shown = format!("{verified:?}");
    assert!(!shown.contains("alice"), "{shown}");
}

#[test]
fn claims_that_cannot_be_shown_are_malformed() {
    let token = token_with(&[("unshowable", "1")]);
    assert_eq!(code(provider(), &token), MALFORMED);
}
