//! What is taken for a credential, what is not, and that equal ones stay equal.

use proptest::prelude::*;

use super::*;

fn redactor() -> Redactor {
    Redactor::new(&Options {
        headers: vec!["X-Partner".to_owned()],
        parameters: vec!["ticket".to_owned()],
        key: Some(Secret::new(b"key".to_vec())),
        off: false,
    })
}

/// With every hash written as `#`.
fn shown(text: Option<String>) -> Option<String> {
    let text = text?;
    let mut out = String::new();
    let mut parts = text.split(PREFIX);
    out.push_str(parts.next().unwrap_or_default());
    for part in parts {
        let (hash, rest) = part.split_at(16);
        assert!(hash.bytes().all(|b| b.is_ascii_hexdigit()), "{text}");
        out.push('#');
        out.push_str(rest);
    }
    Some(out)
}

#[test]
fn the_hash_is_the_beginning_of_an_hmac_with_the_configured_key() {
    // printf abc | openssl dgst -sha256 -hmac key
    assert_eq!(redactor().hash(b"abc"), "sha256:9c196e32dc0175f8");
}

#[test]
fn without_a_key_two_redactors_have_nothing_in_common() {
    let [one, other] = [(); 2].map(|()| Redactor::new(&Options::default()));
    assert_ne!(one.hash(b"abc"), other.hash(b"abc"));
    assert_eq!(one.hash(b"abc"), one.hash(b"abc"));
}

#[test]
fn credentials_are_taken_out_of_texts_and_the_rest_is_left() {
    let redactor = redactor();
    for (text, expected) in [
        (
            "/a?x=1&access_token=abc&y=2#f",
            Some("/a?x=1&access_token=#&y=2#f"),
        ),
        ("/a?token=a=b==&x", Some("/a?token=#&x")),
        ("/a?Access%5FToken=abc", Some("/a?Access%5FToken=#")),
        ("/a?accessToken=abc", Some("/a?accessToken=#")),
        (
            "https://h/p?sig=x&X-Amz-Signature=y",
            Some("https://h/p?sig=#&X-Amz-Signature=#"),
        ),
        ("#id_token=abc&state=1", Some("#id_token=#&state=1")),
        ("ticket=1", Some("ticket=#")),
        ("code=1;x", Some("code=#")),
        ("a password=hunter2 b", Some("a password=# b")),
        ("token=", None),
        ("token=&sig=x", Some("token=&sig=#")),
        ("https://u:p@h/x?token=y", Some("https://#@h/x?token=#")),
        (
            "a https://u@v@h b http://w@i",
            Some("a https://#@h b http://#@i"),
        ),
        ("https://h/@x", None),
        ("spiffe://cluster.local/ns/a/sa/b", None),
        ("a@b", None),
        ("/a?x=1&tokens=2&notoken=3", None),
        ("By=spiffe://a;Hash=0f", None),
        ("a=b=c", None),
        ("=", None),
        ("", None),
        ("eyJhbGciOi.eyJzdWIi.c2ln", Some("#")),
        ("x eyJhbGciOi, y eyJ2", Some("x #, y #")),
        ("t=eyJhbGciOi&token=z", Some("t=#&token=#")),
        ("heyJ", Some("h#")),
        ("JJey", None),
    ] {
        let found = redactor.text(text).filter(|found| found != text);
        let expected = expected.filter(|expected| *expected != text);
        assert_eq!(shown(found).as_deref(), expected, "{text}");
    }
}

#[test]
fn headers_are_known_by_name_and_keep_their_scheme() {
    let redactor = redactor();
    for (name, value, expected) in [
        ("authorization", "Bearer abc", Some("Bearer #")),
        ("Authorization", "basic abc", Some("basic #")),
        ("authorization", "abc def", Some("#")),
        ("authorization", "", None),
        ("cookie", "a=b; c=d", Some("#")),
        ("x-partner", "abc", Some("#")),
        ("X-API-Key", "abc", Some("#")),
        ("x-forwarded-client-cert", "By=a;URI=b", Some("#")),
        (
            "referer",
            "https://h/?token=abc",
            Some("https://h/?token=#"),
        ),
        ("x-request-id", "abc", None),
        ("authorization-hint", "abc", None),
    ] {
        let found = redactor.header(name, value);
        assert_eq!(shown(found).as_deref(), expected, "{name}: {value}");
    }
}

#[test]
fn equal_credentials_have_equal_hashes_wherever_they_stand() {
    let redactor = redactor();
    let token = "eyJhbGciOi.eyJzdWIi.c2ln";
    let hash = redactor.hash(token.as_bytes());
    let places = [
        redactor.header("authorization", &format!("Bearer {token}")),
        redactor.header("x-other", token),
        redactor.text(&format!("/a?access_token={token}&x=1")),
        redactor.text(&format!("it was `{token}`")),
    ];
    for place in places {
        assert!(
            place.as_ref().is_some_and(|shown| shown.contains(&hash)),
            "{place:?}"
        );
    }
}

#[test]
fn a_body_that_names_a_credential_is_not_shown_and_another_is() {
    let redactor = redactor();
    for (body, expected) in [
        (r#"{"user":"a","password":"b"}"#, Some("#")),
        ("user=a&password=b", Some("#")),
        ("name=\"password\"\r\n\r\nb", Some("#")),
        (r#"{"note":"eyJhbGciOi"}"#, Some(r##"{"note":"#"}"##)),
        (r#"{"user":"a"}"#, None),
        ("the password is not here", None),
    ] {
        assert_eq!(shown(redactor.body(body)).as_deref(), expected, "{body}");
    }
}

#[test]
fn a_text_of_nothing_but_parameters_is_read_once() {
    // Hours, if each of them had the rest of the text read.
    let redactor = redactor();
    for part in ["a=", "token=", "://", "eyJ", "\"=;"] {
        let text = part.repeat(300_000);
        let shown = redactor.body(&text).unwrap_or(text);
        assert!(shown.len() > 20, "{part}");
    }
}

#[test]
fn switched_off_nothing_is_taken_out() {
    let redactor = Redactor::new(&Options {
        off: true,
        ..Options::default()
    });
    assert_eq!(redactor.header("authorization", "Bearer abc"), None);
    assert_eq!(redactor.text("token=abc eyJhbGciOi"), None);
    assert_eq!(redactor.body(r#"{"password":"b"}"#), None);
    assert!(!redactor.hides("password"));
}

proptest! {
    #[test]
    fn no_secret_is_left_in_any_text(
        before in "[ -~]{0,20}",
        name in prop::sample::select(&["token", "access_token", "apiKey", "password", "X-Amz-Signature"][..]),
        secret in "[A-Za-z0-9_=.-]{1,10}SECRET[A-Za-z0-9_=.-]{0,10}",
        after in "[ -~]{0,20}",
    ) {
        let redactor = redactor();
        for text in [
            format!("{before}?{name}={secret}"),
            format!("{before}&{name}={secret}&{after}"),
            format!("{before} eyJ{secret} {after}"),
        ] {
            let shown = redactor.text(&text).unwrap_or(text);
            prop_assert!(!shown.contains("SECRET"), "{}", shown);
        }
    }

    #[test]
    fn any_text_is_redacted_without_a_panic_and_only_once(text in "\\PC{0,60}") {
        let redactor = redactor();
        if let Some(once) = redactor.text(&text) {
            prop_assert_eq!(shown(redactor.text(&once)).map(|s| s.matches('#').count()),
                shown(Some(once)).map(|s| s.matches('#').count()));
        }
    }
}
