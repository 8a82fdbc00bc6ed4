//! The grammar, the bounds, and agreement with `serde_json` on what both read.

use proptest::prelude::*;

use super::*;

fn rule(text: &[u8]) -> Rule {
    parse(text).unwrap_err().rule
}

#[test]
fn values_of_every_kind_are_read() {
    for (text, value) in [
        ("null", "null"),
        (" true ", "true"),
        ("\t\r\nfalse", "false"),
        (r#""""#, r#""""#),
        (r#""\"\\\/\b\f\n\r\t""#, r#""\"\\/\b\f\n\r\t""#),
        (r#""\u00e9\u20ac""#, r#""é€""#),
        (r#""\ud83d\ude00""#, r#""😀""#),
        ("[]", "[]"),
        ("{}", "{}"),
        ("[1, [2] ,3 ]", "[1,[2],3]"),
        (r#"{ "a" : {"b":[ ]} , "c":0 }"#, r#"{"a":{"b":[]},"c":0}"#),
        ("-0", "0"),
        ("1.5", "1.5"),
        ("1.0", "1"),
        ("1e3", "1000"),
        ("1.5E+2", "150"),
        ("0e999", "0"),
        ("0.000", "0"),
    ] {
        let parsed = parse(text.as_bytes()).unwrap();
        assert_eq!(parsed.to_string(), value, "{text}");
    }
}

#[test]
fn of_equal_keys_the_last_counts() {
    let parsed = parse(br#"{"role":"user","role":"admin"}"#).unwrap();
    assert_eq!(parsed.to_string(), r#"{"role":"admin"}"#);
}

#[test]
fn whole_numbers_of_any_size_keep_their_value() {
    for text in [
        "9007199254740993",
        "9223372036854775807",
        "-9223372036854775808",
        "18446744073709551616",
        "123456789012345678901234567890",
    ] {
        let parsed = parse(text.as_bytes()).unwrap();
        assert_eq!(parsed, Value::from_numeric_string(text).unwrap());
        let Value::Number(number) = parsed else {
            panic!("{text} is a number");
        };
        assert_eq!(number.format_decimal(), text);
    }
}

#[test]
fn what_is_no_character_becomes_the_replacement_character() {
    for (text, value) in [
        (&b"\"caf\xe9\""[..], "caf\u{fffd}"),
        (br#""\ud800""#, "\u{fffd}"),
        (br#""\udc00x""#, "\u{fffd}x"),
        (br#""\ud800\u0041""#, "\u{fffd}A"),
        (br#""\ud800\ud83d\ude00""#, "\u{fffd}😀"),
        (br#""\ud800\n""#, "\u{fffd}\n"),
    ] {
        assert_eq!(parse(text).unwrap(), Value::from(value), "{value}");
    }
}

#[test]
fn every_broken_rule_is_named() {
    for (text, expected) in [
        (&b""[..], Rule::End),
        (b"  \n", Rule::End),
        (b"\xef\xbb\xbf{}", Rule::Byte),
        (b"{} {}", Rule::Trailing),
        (b"1 2", Rule::Trailing),
        (b"01", Rule::Trailing),
        (b"{", Rule::End),
        (b"[1", Rule::End),
        (b"\"a", Rule::End),
        (b"\"a\\", Rule::End),
        (b"\"\\u12", Rule::End),
        (b"[1,]", Rule::Byte),
        (b"{\"a\":1,}", Rule::Byte),
        (b"{a:1}", Rule::Byte),
        (b"{\"a\" 1}", Rule::Byte),
        (b"'a'", Rule::Byte),
        (b"nul", Rule::Byte),
        (b"NaN", Rule::Byte),
        (b"+1", Rule::Byte),
        (b"-", Rule::Number),
        (b"1.", Rule::Number),
        (b".5", Rule::Byte),
        (b"1e", Rule::Number),
        (b"\"\\x\"", Rule::Escape),
        (b"\"\\u+123\"", Rule::Escape),
        (b"\"a\nb\"", Rule::Control),
        (b"\"a\0b\"", Rule::Control),
        (b"1e1025", Rule::Range),
        (b"1e99999999999", Rule::Range),
        (b"-1e-2000", Rule::Range),
        (b"1e-400", Rule::Range),
    ] {
        assert_eq!(rule(text), expected, "{}", text.escape_ascii());
    }
    assert_eq!(
        parse(b"[1,x]").unwrap_err().to_string(),
        "unexpected byte at byte 3"
    );
}

#[test]
fn nesting_and_numbers_are_bounded() {
    let nested = |depth| [vec![b'['; depth], vec![b']'; depth]].concat();
    assert!(parse(&nested(MAX_DEPTH)).is_ok());
    assert_eq!(rule(&nested(MAX_DEPTH + 1)), Rule::Depth);
    assert_eq!(rule(&vec![b'['; 1_000_000]), Rule::Depth);
    assert_eq!(rule(&"{\"a\":".repeat(100_000).into_bytes()), Rule::Depth);
    assert!(parse(&[b'9'; MAX_NUMBER]).is_ok());
    assert_eq!(rule(&[b'9'; MAX_NUMBER + 1]), Rule::Range);
    assert_eq!(rule(&vec![b'9'; 1_000_000]), Rule::Range);
}

proptest! {
    #[test]
    fn any_bytes_are_read_or_refused(text in prop::collection::vec(any::<u8>(), 0..64)) {
        drop(parse(&text));
    }

    #[test]
    fn near_json_is_judged_as_serde_json_does(text in r#"[\[\]{}:,"0-9a.eE+ \\nutrls-]{0,24}"#) {
        let theirs = serde_json::from_str::<serde_json::Value>(&text);
        match parse(text.as_bytes()) {
            Ok(value) => {
                // Lone surrogates and numbers beyond a double are ours alone.
                if let Ok(theirs) = theirs {
                    prop_assert_eq!(value, Value::from(theirs));
                }
            }
            Err(InvalidJson { rule: Rule::Range, .. }) => {}
            Err(_) => prop_assert!(theirs.is_err()),
        }
    }

    #[test]
    fn what_serde_json_writes_is_read_back(text in "\\PC{0,20}", number in any::<i64>(), flag in any::<bool>()) {
        let written = serde_json::json!({ text.clone(): [number, flag, null_or(&text)], "n": { "x": number } });
        let ours = parse(&serde_json::to_vec(&written).unwrap()).unwrap();
        prop_assert_eq!(ours, Value::from(written));
    }
}

fn null_or(text: &str) -> Option<&str> {
    text.len().is_multiple_of(2).then_some(text)
}
