//! Texts that are no token in its one strict form, and texts of any shape at all.

use proptest::prelude::*;

use super::*;
use issuer::encode;

const MALFORMED: Result<(), JwtError> = Err(JwtError::Malformed);

#[test]
fn a_token_has_three_parts_of_strict_base64url() {
    let good = token_with(&[]);
    assert_eq!(code(provider(), &good), Ok(()));
    let parts: Vec<_> = good.split('.').collect();
    let [header, payload, signature] = parts[..] else {
        panic!("{good}");
    };
    // A `-` or `_` at least, so that the standard alphabet differs.
    let special = token_with(&[("sub", r#""???>>>~~~""#)]);
    assert!(special.contains('_') && code(provider(), &special) == Ok(()));
    for bad in [
        special.replace('-', "+").replace('_', "/"),
        format!("{header}=.{payload}.{signature}"),
        format!("{header}.{payload}=.{signature}"),
        format!("{header}.{payload}.{signature}="),
        format!("{header}.{payload}.{signature}=="),
        format!("{header}.{payload}.{signature} "),
        format!("{header}.{payload}.{signature}\t"),
        format!("{header}.{payload}.{signature}\n"),
        format!("{header}. {payload}.{signature}"),
        format!("{header}.{payload}.{signature}."),
        format!(".{header}.{payload}.{signature}"),
        format!("{header}.{payload}.{signature}.{payload}.{signature}"),
        format!("{header}.{payload}.{signature}~"),
        format!("{header}.{payload}"),
        format!("{header}..{signature}"),
        format!(".{payload}.{signature}"),
        header.to_owned(),
        "..".to_owned(),
        "....".to_owned(),
        ".".to_owned(),
        "x".to_owned(),
        "é.é.é".to_owned(),
        "eyJhbGciOiJkaXIiLCJlbmMiOiJBMjU2R0NNIn0..AAAA.AAAA.AAAA".to_owned(),
    ] {
        assert_eq!(code(provider(), &bad), MALFORMED, "{bad}");
    }
    let unsigned = format!("{header}.{payload}.");
    assert_eq!(code(provider(), &unsigned), Err(JwtError::BadSignature));
}

#[test]
fn the_last_character_has_one_form() {
    // A part whose bytes are no multiple of three ends with bits that mean nothing.
    let good = token(
        Kind::Ed25519,
        r#"{"alg":"EdDSA","kid":"ed" }"#,
        &claims(&[]),
    );
    let dots = good.match_indices('.').map(|(at, _)| at);
    for at in dots.chain([good.len()]).map(|end| end.saturating_sub(1)) {
        for other in "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_".chars() {
            let mut varied = good.clone();
            varied.replace_range(at..=at, other.encode_utf8(&mut [0; 4]));
            assert_eq!(
                code(provider(), &varied) == Ok(()),
                varied == good,
                "{varied}"
            );
        }
    }
}

#[test]
fn the_payload_is_one_object_without_a_name_twice() {
    let header = r#"{"alg":"EdDSA","kid":"ed"}"#;
    let good = claims(&[]);
    let rest = good.trim_start_matches('{');
    let nested =
        |depth: usize| format!("{{\"a\":{}{},{rest}", "[".repeat(depth), "]".repeat(depth));
    for (payload, expected) in [
        (good.clone(), Ok(())),
        (format!(" {good}\n"), Ok(())),
        (nested(100), Ok(())),
        (nested(1_000), MALFORMED),
        (nested(5_000), MALFORMED),
        (format!("{{\"iss\":{ISSUER:?},{rest}"), MALFORMED),
        (format!("{{\"a\":1,\"a\":1,{rest}"), MALFORMED),
        (format!("{{\"a\":{{\"b\":1,\"b\":2}},{rest}"), MALFORMED),
        (format!("{{\"a\":1,\"\\u0061\":2,{rest}"), MALFORMED),
        (format!("{good}{good}"), MALFORMED),
        (format!("[{good}]"), MALFORMED),
        (token_with(&[]), MALFORMED),
        (format!("{:?}", token_with(&[])), MALFORMED),
        (String::new(), MALFORMED),
        ("null".to_owned(), MALFORMED),
        ("{".to_owned(), MALFORMED),
    ] {
        let token = token(Kind::Ed25519, header, &payload);
        let shown: String = payload.chars().take(80).collect();
        assert_eq!(code(provider(), &token), expected, "{shown}");
    }
    let not_utf8 = sign(
        Kind::Ed25519,
        &format!("{}.{}", encode(header), encode(b"{\"a\":\"\xff\"}")),
    );
    assert_eq!(code(provider(), &not_utf8), MALFORMED);
}

#[test]
fn a_token_is_bounded_in_length() {
    let of_length = |wanted: usize| {
        let short = token_with(&[("pad", "\"\"")]).len();
        let pad = (wanted - short) / 4 * 3;
        let pad = (pad..pad + 8).find_map(|pad| {
            let token = token_with(&[("pad", &format!("{:?}", "x".repeat(pad)))]);
            (token.len() >= wanted).then_some(token)
        });
        pad.unwrap()
    };
    let longest = Verifier::<Shown>::MAX_TOKEN;
    let fits = of_length(longest - 1);
    assert!(fits.len() <= longest);
    assert_eq!(code(provider(), &fits), Ok(()));
    assert_eq!(code(provider(), &of_length(longest + 1)), MALFORMED);
    assert_eq!(code(provider(), &of_length(1 << 20)), MALFORMED);
    assert_eq!(code(provider(), &"a".repeat(1 << 20)), MALFORMED);
}

fn arbitrary_json() -> impl Strategy<Value = String> {
    let leaf = prop_oneof![
        Just("null".to_owned()),
        any::<bool>().prop_map(|value| value.to_string()),
        any::<i64>().prop_map(|value| value.to_string()),
        any::<u64>().prop_map(|value| value.to_string()),
        any::<f64>().prop_map(|value| format!("{value:e}")),
        "[a-zA-Z0-9+/ ]{0,12}".prop_map(|text| format!("{text:?}")),
    ];
    leaf.prop_recursive(3, 16, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4)
                .prop_map(|list| format!("[{}]", list.join(","))),
            prop::collection::vec(("[a-z]{1,3}", inner), 0..4).prop_map(|members| {
                let members: Vec<_> = members.iter().map(|(k, v)| format!("{k:?}:{v}")).collect();
                format!("{{{}}}", members.join(","))
            }),
        ]
    })
}

fn member(names: &'static [&'static str]) -> impl Strategy<Value = (String, String)> {
    let name = prop::sample::select(names).prop_map(str::to_owned);
    (name, arbitrary_json())
}

proptest! {
    #[test]
    fn a_token_of_any_shape_never_panics_and_never_verifies(text in ".{0,200}") {
        prop_assert!(code(provider(), &text).is_err());
    }

    #[test]
    fn a_varied_token_never_verifies(
        at in any::<prop::sample::Index>(),
        with in prop_oneof![Just(String::new()), "[ -~]{1,3}", Just(".".to_owned())],
        length in 0_usize..4,
    ) {
        let good = token_with(&[]);
        let start = at.index(good.len());
        let end = start.saturating_add(length).min(good.len());
        let mut varied = good.clone();
        varied.replace_range(start..end, &with);
        // Spaces before a token belong to the scheme, and a comma at its end to the list.
        let same = varied.trim_start_matches(' ').trim_end_matches(',') == good;
        prop_assert_eq!(code(provider(), &varied).is_ok(), same, "{}", varied);
    }

    #[test]
    fn signed_claims_and_headers_of_any_shape_never_panic(
        header in member(&["alg", "kid", "typ", "cty", "crit", "zip"]),
        claim in member(&["iss", "sub", "aud", "exp", "nbf", "iat"]),
    ) {
        let members = [("alg", r#""EdDSA""#), ("kid", r#""ed""#)];
        let members: Vec<_> = members
            .into_iter()
            .filter(|(name, _)| *name != header.0)
            .chain([(&*header.0, &*header.1)])
            .map(|(name, json)| format!("{name:?}:{json}"))
            .collect();
        let header = format!("{{{}}}", members.join(","));
        let token = token(Kind::Ed25519, &header, &claims(&[(&claim.0, &claim.1)]));
        let verifier = verifier(vec![provider()]);
        let first = present(&verifier, &token, at(0)).token.map(drop);
        let again = present(&verifier, &token, at(0)).token.map(drop);
        prop_assert_eq!(first, again);
    }
}
