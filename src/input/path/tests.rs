//! The reference's table, and the ways in which path readers were tricked before.

use proptest::prelude::*;

use super::*;

fn json(value: &Value) -> String {
    value.to_string()
}

fn read(target: &str) -> Result<(String, String), InvalidPath> {
    Target::parse("GET", target, false)
        .map(|target| (json(&target.parsed_path()), json(&target.parsed_query())))
}

#[test]
fn paths_split_as_the_reference_splits_them() {
    for (target, path) in [
        ("/", r#"[""]"#),
        ("//", r#"[""]"#),
        ("///a", r#"["a"]"#),
        ("/a/", r#"["a",""]"#),
        ("/a//b", r#"["a","","b"]"#),
        ("/a%2fb/c", r#"["a","b","c"]"#),
        ("/a%2Fb/c", r#"["a","b","c"]"#),
        ("*", r#"["*"]"#),
        ("/a/../b", r#"["a","..","b"]"#),
        ("/./a/%2e%2e/b", r#"[".","a","..","b"]"#),
        ("/a%5cb", r#"["a\\b"]"#),
        ("/a;b=c/d", r#"["a;b=c","d"]"#),
        ("/a#f?x=1", r#"["a#f"]"#),
        ("http://h/a?x=1", r#"["http:","","h","a"]"#),
        ("HTTPS://h/a", r#"["HTTPS:","","h","a"]"#),
        ("/a+b", r#"["a+b"]"#),
        ("/a%20b", r#"["a b"]"#),
        ("/%2f%2fa", r#"["a"]"#),
        ("/caf%C3%A9", r#"["café"]"#),
        ("/caf%e9", "[\"caf\u{fffd}\"]"),
        ("/a%00b", r#"["a\u0000b"]"#),
    ] {
        assert_eq!(read(target).unwrap().0, path, "{target}");
    }
    assert_eq!(json(&Target::NONE.parsed_path()), r#"[""]"#);
    assert_eq!(json(&Target::NONE.parsed_query()), "{}");
}

#[test]
fn queries_split_as_the_reference_splits_them() {
    for (target, query) in [
        ("/a", "{}"),
        ("/a?", "{}"),
        ("/a?x", r#"{"x":[""]}"#),
        ("/a?=1", r#"{"":["1"]}"#),
        ("/a+b?c+d=e+f", r#"{"c d":["e f"]}"#),
        ("/a?x=1&&y=2&", r#"{"x":["1"],"y":["2"]}"#),
        ("/a?x=1&x=2", r#"{"x":["1","2"]}"#),
        ("/a?x=1#f", r#"{"x":["1#f"]}"#),
        ("/a#f?x=1", r#"{"x":["1"]}"#),
        ("/a?x=a=b", r#"{"x":["a=b"]}"#),
        ("/a?x?y=1", r#"{"x?y":["1"]}"#),
        ("/a?%78=%31%2b1", r#"{"x":["1+1"]}"#),
        ("/a?x=%ff", "{\"x\":[\"\u{fffd}\"]}"),
    ] {
        assert_eq!(read(target).unwrap().1, query, "{target}");
    }
}

#[test]
fn bad_escapes_and_semicolons_are_refused_with_their_rule() {
    let escape = |text: &str| InvalidPath::Escape(text.to_owned());
    for (target, rule) in [
        ("/a%zz", escape("%zz")),
        ("/a%2", escape("%2")),
        ("/a%", escape("%")),
        ("/a%2/b", escape("%2/")),
        ("/%%%", escape("%%%")),
        ("/%\n1", escape(r"%\n1")),
        ("/%é", escape("%é")),
        ("/a?x=%zz", escape("%zz")),
        ("/a?%=1", escape("%")),
        ("/a?x=1;y=2", InvalidPath::Semicolon),
        ("/a?;", InvalidPath::Semicolon),
        ("/a?x=1&y;", InvalidPath::Semicolon),
    ] {
        assert_eq!(read(target), Err(rule), "{target}");
    }
    assert_eq!(
        read("/a%zz").unwrap_err().to_string(),
        "invalid URL escape `%zz`"
    );
}

#[test]
fn a_lenient_query_drops_bad_pairs_but_never_a_bad_path() {
    let lenient =
        |target| Target::parse("GET", target, true).map(|target| json(&target.parsed_query()));
    assert_eq!(
        lenient("/a?x=1;y=2&z=%zz&ok=1&%&a;b=c").unwrap(),
        r#"{"ok":["1"]}"#
    );
    assert_eq!(lenient("/a?x=1").unwrap(), r#"{"x":["1"]}"#);
    assert_eq!(lenient("/a%zz"), Err(InvalidPath::Escape("%zz".to_owned())));
    assert_eq!(lenient("a?x=1"), Err(InvalidPath::Form));
}

#[test]
fn a_path_without_a_leading_slash_is_refused() {
    for path in [
        "",
        "svc/Method",
        "admin",
        "?x=1",
        "%2fadmin",
        "**",
        "ftp://h/a",
        "http:/a",
        " /a",
    ] {
        assert_eq!(read(path), Err(InvalidPath::Form), "{path}");
    }
}

#[test]
fn connect_names_an_authority_and_only_connect_does() {
    for target in ["", "example.com:443"] {
        assert!(Target::parse("CONNECT", target, false).is_ok(), "{target}");
        for method in ["GET", "connect", "OPTIONS", ""] {
            let refused = Target::parse(method, target, false).unwrap_err();
            assert_eq!(refused, InvalidPath::Form, "{method} {target}");
        }
    }
}

#[test]
fn two_slashes_do_not_make_an_authority() {
    // CVE-2026-26205: `//admin/x` lost its first segment.
    assert_eq!(read("//admin/x").unwrap().0, r#"["admin","x"]"#);
    assert_eq!(read("/admin/x").unwrap().0, r#"["admin","x"]"#);
    assert_eq!(read("///admin//x").unwrap().0, r#"["admin","","x"]"#);
}

/// What a client may put into a path, the characters that matter to a parser more often.
fn any_path() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        Just("/".to_owned()),
        "[a-z.;:@=&+#*\\\\é]{1,3}",
        "%[0-9a-fA-F]{2}",
        Just("%2f".to_owned()),
        Just("%3f".to_owned()),
        Just("..".to_owned()),
    ];
    prop::collection::vec(piece, 0..12).prop_map(|pieces| format!("/{}", pieces.concat()))
}

proptest! {
    #[test]
    fn the_segments_rejoined_are_the_decoded_path(path in any_path()) {
        let target = Target::parse("GET", &path, false).unwrap();
        let segments = target.parsed_path();
        let segments = segments.as_array().unwrap();
        let joined: Vec<_> = segments.iter().map(|s| s.as_string().unwrap().to_string()).collect();
        let decoded = percent_encoding::percent_decode_str(&path).decode_utf8_lossy();
        prop_assert_eq!(joined.join("/"), decoded.trim_start_matches('/'));
        prop_assert!(!segments.is_empty());
    }

    #[test]
    fn a_query_never_changes_the_path(path in any_path(), query in "[a-z=&+/?#*.]{0,12}") {
        // CVE-2026-32811: rules on paths must not depend on a query.
        let with_query = format!("{path}?{query}");
        let alone = Target::parse("GET", &path, false).unwrap().parsed_path();
        let both = Target::parse("GET", &with_query, false).unwrap().parsed_path();
        prop_assert_eq!(alone, both);
    }

    #[test]
    fn any_target_is_read_or_refused(target in "\\PC{0,40}", lenient in any::<bool>()) {
        if let Ok(target) = Target::parse("GET", &target, lenient) {
            target.parsed_path();
            target.parsed_query();
        }
    }
}
