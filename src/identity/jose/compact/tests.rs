//! What is a compact JWS, and what is none.

use proptest::prelude::*;

use super::*;

/// `{"alg":"x"}`
const HEADER: &str = "eyJhbGciOiJ4In0";

fn wrong(token: &str) -> String {
    match Jws::parse(token) {
        Ok(jws) => format!("{jws:?}"),
        Err(InvalidJws::Parts) => "parts".to_owned(),
        Err(InvalidJws::Base64(part)) => part.to_owned(),
        Err(InvalidJws::Header(_)) => "json".to_owned(),
    }
}

#[test]
fn a_token_is_taken_apart() {
    let token = format!("{HEADER}.e30.AAEC");
    let jws = Jws::parse(&token).unwrap();
    assert_eq!(jws.header["alg"], "x");
    assert_eq!(jws.header_json, br#"{"alg":"x"}"#);
    assert_eq!(jws.payload, b"{}");
    assert_eq!(jws.signing_input, format!("{HEADER}.e30").as_bytes());
    assert_eq!(jws.signature, [0, 1, 2]);
}

#[test]
fn a_payload_is_any_bytes_and_a_signature_may_be_empty() {
    let jws_of = |rest: &str| {
        let token = format!("{HEADER}.{rest}");
        let jws = Jws::parse(&token).unwrap();
        (jws.payload, jws.signature)
    };
    assert_eq!(jws_of("."), (vec![], vec![]));
    assert_eq!(jws_of("_w."), (vec![0xff], vec![]));
    assert_eq!(jws_of("-_8.AA"), (vec![0xfb, 0xff], vec![0]));
}

#[test]
fn a_token_has_three_parts() {
    for token in [
        "",
        ".",
        HEADER,
        &format!("{HEADER}.e30"),
        &format!("{HEADER}.e30.AA."),
        &format!("{HEADER}.e30.AA.AA"),
        &format!(".{HEADER}.e30.AA"),
        &format!("{HEADER}.AA.AA.AA.AA"),
        "....",
    ] {
        assert_eq!(wrong(token), "parts", "{token}");
    }
    assert!(Jws::parse(&format!("{HEADER}.e30.AA")).is_ok());
}

/// Each text in the place of each part.
#[test]
fn base64_has_one_form() {
    for bad in [
        "AA==", "AAA=", "A", "AAAAA", // padding, and lengths that no bytes have
        "AB", "AAB", // bits behind the last byte
        "+_8", "-/8", "++++", "////", // the standard alphabet
        " AA", "AA ", "A A", "AA\n", "\tAA", "AA\r\n", "A\0", // white space
        "AA%3D", "ÄÄ", "AA,A", "AA:",
    ] {
        assert_eq!(wrong(&format!("{bad}.e30.AA")), "header", "{bad:?}");
        assert_eq!(wrong(&format!("{HEADER}.{bad}.AA")), "payload", "{bad:?}");
        assert_eq!(
            wrong(&format!("{HEADER}.e30.{bad}")),
            "signature",
            "{bad:?}"
        );
    }
}

#[test]
fn a_header_is_one_object_with_unique_names() {
    for header in [
        "",
        "null",
        "[]",
        "\"alg\"",
        "{",
        "{}{}",
        r#"{"alg":"none","alg":"RS256"}"#,
        r#"{"alg":1e400}"#,
    ] {
        let part = URL_SAFE_NO_PAD.encode(header);
        assert_eq!(wrong(&format!("{part}.e30.AA")), "json", "{header}");
    }
    let bare = URL_SAFE_NO_PAD.encode("{}");
    assert!(Jws::parse(&format!("{bare}.e30.AA")).is_ok());
}

proptest! {
    #[test]
    fn no_text_panics(token in any::<String>()) {
        prop_assert!(Jws::parse(&token).is_err());
    }

    #[test]
    fn nothing_like_a_token_panics(
        token in "(eyJhbGciOiJ4In0|e30|[A-Za-z0-9_=+/-]{0,20})(\\.[A-Za-z0-9_=-]{0,40}){0,5}",
    ) {
        if let Ok(jws) = Jws::parse(&token) {
            // What was read is the one text for it.
            let parts = [&jws.header_json, &jws.payload, &jws.signature];
            prop_assert_eq!(parts.map(|part| URL_SAFE_NO_PAD.encode(part)).join("."), token);
        }
    }

    #[test]
    fn what_was_joined_is_taken_apart(
        payload in proptest::collection::vec(any::<u8>(), 0..40),
        signature in proptest::collection::vec(any::<u8>(), 0..40),
    ) {
        let [p, s] = [&payload, &signature].map(|part| URL_SAFE_NO_PAD.encode(part));
        let token = format!("{HEADER}.{p}.{s}");
        let jws = Jws::parse(&token).unwrap();
        prop_assert_eq!(jws.payload, payload);
        prop_assert_eq!(jws.signature, signature);
    }
}
