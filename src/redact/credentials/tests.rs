//! What is taken for a credential, what is not, and that equal ones stay equal.

use proptest::prelude::*;

use super::*;

fn redactor() -> Redactor {
    Redactor::new(&Options {
        headers: vec!["X-Partner".to_owned()],
        parameters: vec!["voucher".to_owned()],
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
        ("voucher=1", Some("voucher=#")),
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
        (
            "x eyJhbGciOi.eyJzdWIi.c, y eyJhbGciOi.eyJzdWIi.d",
            Some("x #, y #"),
        ),
        ("t=eyJhbGciOi.eyJzdWIi.c2ln&token=z", Some("t=#&token=#")),
        ("heyJhbGciOi.eyJzdWIi.c2ln", Some("h#")),
    ] {
        assert_eq!(shown(redactor.text(text)).as_deref(), expected, "{text}");
    }
}

#[test]
fn credentials_are_known_in_every_spelling_and_others_are_not_taken_for_them() {
    let redactor = redactor();
    for (text, expected) in [
        ("eyJ,eyJ,eyJhbGciOi,eyJ.", None),
        ("eyJhbGciOieyJhbGciOieyJhbGciOi", None),
        ("?user[password]=S&a[b]=c", Some("?user[password]=#&a[b]=c")),
        ("?user%5Bpassword%5D=S", Some("?user%5Bpassword%5D=#")),
        ("?token[]=S", Some("?token[]=#")),
        (
            "?redirect=https%3A%2F%2Fx%2F%3Faccess_token%3DS&a=b%20c",
            Some("?redirect=#&a=b%20c"),
        ),
        (
            "/go/https%253A%252F%252Fx%253Ftoken%253DS/on",
            Some("/go/#/on"),
        ),
        ("?q=%7B%22password%22%3A%22S%22%7D", Some("?q=#")),
        ("?t=%65yJhbGciOi.eyJzdWIi.c2ln", Some("?t=#")),
        ("?u=https%3A%2F%2Fu%3Ap%40h%2F", Some("?u=#")),
        ("/a%20b?c=%3D", None),
        ("/a;jsessionid=S", Some("/a;jsessionid=#")),
        ("?jsessionid=S", Some("?jsessionid=#")),
        ("?new_password=S", Some("?new_password=#")),
        ("?old-password=S", Some("?old-password=#")),
        ("?currentPassword=S", Some("?currentPassword=#")),
        ("?subject_token=S", Some("?subject_token=#")),
        ("?actorToken=S", Some("?actorToken=#")),
        ("?webhook_secret=S", Some("?webhook_secret=#")),
        ("?access_key=S&ticket=S", Some("?access_key=#&ticket=#")),
        ("?code=S&signature=S", Some("?code=#&signature=#")),
        ("failed with code=403", None),
        ("//u:p@h/x", Some("//#@h/x")),
        ("JJey", None),
    ] {
        assert_eq!(shown(redactor.text(text)).as_deref(), expected, "{text}");
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
        ("x-authorization", "Bearer S", Some("Bearer #")),
        ("x-original-authorization", "Basic S", Some("Basic #")),
        ("x-forwarded-authorization", "S", Some("#")),
        ("x-auth-request", "Bearer S", Some("Bearer #")),
        ("x-anything", "dpop S", Some("dpop #")),
        ("x-tier", "basic", None),
        ("www-authenticate", "Bearer realm=\"a\"", None),
        ("x-token", "S", Some("#")),
        ("x-session-token", "S", Some("#")),
        ("x-auth-request-access-token", "S", Some("#")),
        (
            "x-context",
            r#"{"a":1,"password":"S"}"#,
            Some(r##"{"a":1,"password":"#"}"##),
        ),
        ("referer", "https://u:p@h/", Some("https://#@h/")),
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
fn a_body_of_json_loses_its_credentials_and_nothing_else() {
    let redactor = redactor();
    for (body, expected) in [
        (
            r#"{"user":"a", "password" : "b" }"#,
            Some(r##"{"user":"a", "password" : "#" }"##),
        ),
        (
            r#"{"password":["S",{"a":"S]}"}],"b":[1]}"#,
            Some(r##"{"password":"#","b":[1]}"##),
        ),
        (r#"[{"otp":123456}, 1]"#, Some(r##"[{"otp":"#"}, 1]"##)),
        (r#"{"otp":1,"otp":2}"#, Some(r##"{"otp":"#","otp":"#"}"##)),
        (
            r#"{"p\u0061ssword":"S"}"#,
            Some(r##"{"p\u0061ssword":"#"}"##),
        ),
        (
            r#"{"t":"\u0065yJhbGciOi.eyJzdWIi.c2ln","n":"\n"}"#,
            Some(r##"{"t":"#","n":"\n"}"##),
        ),
        (
            r#"{"note":"eyJhbGciOi.eyJzdWIi.c2ln"}"#,
            Some(r##"{"note":"#"}"##),
        ),
        (r#"{"eyJhbGciOi.eyJzdWIi.c2ln":1}"#, Some(r##"{"#":1}"##)),
        (
            r#"{"in":"{\"password\":\"S\"}"}"#,
            Some(r##"{"in":"{\"password\":\"#\"}"}"##),
        ),
        (r#"{"error":"token"}"#, None),
        (r#"{"code":403,"signature":"x","message":"no"}"#, None),
        (r#"{"password":null,"secret":""}"#, None),
        (r#"{"user":"a"}"#, None),
        ("[]", None),
    ] {
        assert_eq!(shown(redactor.body(body)).as_deref(), expected, "{body}");
    }
}

#[test]
fn another_body_that_names_a_credential_is_not_shown_at_all() {
    let redactor = redactor();
    for body in [
        r#"{"user":"a","password":"b","#,
        "{'password': 'b'}",
        r#"x {\"password\": \"b\"}"#,
        "user=a&password=b",
        "code=b",
        "name=\"password\"\r\n\r\nb",
        "form-data; name=password\r\n\r\nb",
        "<a><password>b</password></a>",
        "<a><x:apiKey y='1'>b</x:apiKey></a>",
        "<user password='a b'/>",
        "user: a\npassword: b",
    ] {
        assert_eq!(shown(redactor.body(body)).as_deref(), Some("#"), "{body}");
    }
    for body in [
        "the password is not here",
        r#""token" is wrong"#,
        "<b>token</b>",
        "name=\"a\"\r\n\r\npassword",
    ] {
        assert_eq!(redactor.body(body), None, "{body}");
    }
}

#[test]
fn json_deep_within_json_is_not_shown() {
    let mut body = r#"{"password":"SECRET"}"#.to_owned();
    for _ in 0..8 {
        body = serde_json::json!({ "in": body }).to_string();
        let shown = redactor().body(&body).unwrap();
        assert!(!shown.contains("SECRET"), "{shown}");
    }
    let arrays = format!("{}\"SECRET\"{}", "[".repeat(500), "]".repeat(500));
    let body = format!(r#"{{"password":{arrays}}}"#);
    assert!(!redactor().body(&body).unwrap().contains("SECRET"));
}

#[test]
fn of_many_credentials_in_one_text_the_rest_is_one() {
    let redactor = redactor();
    for (one, last) in [("sig=1&", 1), ("eyJhbGciOi.eyJzdWIi.c,", 1), ("//u@h ", 1)] {
        let found = redactor.text(&one.repeat(10_000)).unwrap();
        let hashes = found.matches(PREFIX).count();
        assert!(hashes >= 64 && hashes <= 64 + last, "{one}: {hashes}");
        assert!(found.len() < 10_000, "{one}: {}", found.len());
    }
}

#[test]
fn for_people_there_is_a_mask_and_no_way_to_switch_it_off() {
    let redactor = Redactor::masking(&Options {
        off: true,
        ..Options::default()
    });
    assert_eq!(redactor.text("token=S").as_deref(), Some("token=****"));
    assert_eq!(
        redactor.found("/a?token=S&x=//u:p@h"),
        ["S", "u:p"].map(str::to_owned)
    );
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
            format!("{before} eyJhbGciOi.eyJzdWIi.{secret} {after}"),
        ] {
            let shown = redactor.text(&text).unwrap_or(text);
            prop_assert!(!shown.contains("SECRET"), "{}", shown);
        }
    }

    #[test]
    fn json_stays_json_and_without_credentials_stays_as_it_is(
        keys in prop::collection::vec("[a-z\"\\\\{]{0,4}|password|apiKey", 0..5),
        values in prop::collection::vec("[ -~é]{0,8}|\\{\"secret\":\"SECRET\"\\}", 5),
    ) {
        let fields = keys.iter().zip(&values).map(|(key, value)| {
            let nested = serde_json::json!([value, {"in": value}]);
            (key.clone(), nested)
        });
        let body = serde_json::Value::Object(fields.collect()).to_string();
        if let Some(shown) = redactor().body(&body) {
            prop_assert!(serde_json::from_str::<serde_json::Value>(&shown).is_ok(), "{}", shown);
            prop_assert!(!shown.contains("SECRET"), "{}", shown);
        } else {
            prop_assert!(!body.contains("SECRET") && !body.contains("password"), "{}", body);
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
