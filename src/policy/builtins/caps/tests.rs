//! The caps as such: what they let through, what they do not, and what they answer themselves.

use super::*;

fn json(text: &str) -> Value {
    Value::from_json_str(text).unwrap()
}

fn number(text: &str) -> Value {
    Value::from_numeric_string(text).unwrap()
}

#[test]
fn sizes_count_what_is_shared_as_often_as_it_occurs() {
    let inner = json(r#"["ab", 1]"#);
    let outer = Value::from(vec![inner.clone(), inner]);
    let size = size(&[outer]).unwrap();
    assert_eq!(size.elements, 6);
    assert_eq!(size.text, 2 * (2 + I128));
    assert_eq!(size.depth, 2);
    let mut shared = json("[]");
    for _ in 0..60 {
        shared = Value::from(vec![shared.clone(), shared]);
    }
    assert!(matches!(plain(&[shared]), Err(Instead::Excess(_))));
}

#[test]
fn depth_ends_where_functions_would_run_out_of_stack() {
    let deep = |depth: usize| {
        let mut value = Value::Null;
        for _ in 0..depth {
            value = Value::from(vec![value]);
        }
        value
    };
    assert_eq!(plain(&[deep(MAX_DEPTH)]), Ok(()));
    assert!(plain(&[deep(MAX_DEPTH + 1)]).is_err());
}

#[test]
fn ranges_are_counted_whatever_their_numbers_are() {
    let range = |from: &str, to: &str| numbers::range(&[number(from), number(to)]);
    let big = "170141183460469231731687303715884105800";
    for (from, to) in [
        ("1", "100000"),
        ("100000", "1"),
        ("-5", "5"),
        ("1", "1.5"),
        ("18446744073709551615", "18446744073709551620"),
    ] {
        assert_eq!(range(from, to), Ok(()), "{from} to {to}");
    }
    for (from, to) in [
        ("1", "100001"),
        ("0", big),
        (big, big),
        ("-9223372036854775808", "9223372036854775807"),
    ] {
        assert!(
            matches!(range(from, to), Err(Instead::Excess(_))),
            "{from} to {to}"
        );
    }
    // Adding one to it changes nothing.
    let float = Value::from(1e17_f64);
    assert!(matches!(
        numbers::range(&[float.clone(), float]),
        Err(Instead::Excess(_))
    ));
    let step = |step: &str| numbers::range_step(&[number("1"), number("1000000"), number(step)]);
    assert_eq!(step("10"), Ok(()));
    assert!(matches!(step("9"), Err(Instead::Excess(_))));
    assert!(matches!(step("0"), Err(Instead::Error(_))));
    assert!(matches!(step("-1"), Err(Instead::Error(_))));
    assert_eq!(step("1.5"), Ok(()));
}

#[test]
fn networks_are_counted() {
    let expand = |network: &str| net::expand(&[Value::from(network)]);
    for network in [
        "10.0.0.0/18",
        "2001:db8::/114",
        "10.0.0.1/32",
        "10.0.0.0",
        "x/8",
        "10.0.0.0/99",
    ] {
        assert_eq!(expand(network), Ok(()), "{network}");
    }
    for network in ["10.0.0.0/8", "0.0.0.0/0", "::/0", "2001:db8::/64"] {
        assert!(
            matches!(expand(network), Err(Instead::Excess(_))),
            "{network}"
        );
    }
}

#[test]
fn open_places_count_what_is_repeated_and_not_what_is_inside_of_classes() {
    for (pattern, open) in [
        ("", 0),
        ("abc", 0),
        ("a*b+c?", 3),
        ("[a-z0-9]", 1),
        ("[^]a.]x", 1),
        ("[[:alpha:]&&[^x]]", 1),
        (r"\p{Greek}\d\x{41}\.", 2),
        (".{3}", 3),
        (".{2,5}b", 10),
        ("(a.){4}", 4),
        ("((.{10}){10}){10}", 1_000),
        ("(a|bc)d", 1),
        ("(aa?){9}", 9),
        (".{9999999999999999999999}", 1),
        ("((((", 0),
        ("))))", 0),
        ("[abc", 1),
        (r"^[0-9a-f]{8}-([0-9a-f]{4}-){3}[0-9a-f]{12}$", 32),
    ] {
        assert_eq!(patterns::open_places(pattern), open, "{pattern}");
    }
}

#[test]
fn classes_that_take_long_to_compile_are_counted() {
    let compiles = |pattern: String| patterns::compiles(&pattern);
    for pattern in [
        "(?i)^/api/[a-z]+$".to_owned(),
        r"\w+@\w+\.\w+".to_owned(),
        "a".repeat(2_048),
    ] {
        assert_eq!(compiles(pattern), Ok(()));
    }
    for pattern in [
        r"[\w&&\pL]".repeat(9),
        format!("(?i){}", r"\pL".repeat(17)),
        format!("(?s-i:{})", r"\pL".repeat(17)),
        "a".repeat(2_049),
    ] {
        assert!(matches!(compiles(pattern), Err(Instead::Excess(_))));
    }
}

fn answer(result: Result<(), Instead>) -> Value {
    match result {
        Err(Instead::Answer(value)) => value,
        other => panic!("{other:?}"),
    }
}

#[test]
fn templates_match_as_far_as_the_text_goes() {
    let matched = |template: &str, text: &str| {
        let arguments = [template, text, "{", "}"].map(Value::from);
        answer(patterns::template(&arguments))
    };
    for (template, text, expected) in [
        ("urn:{.*}", "urn:a", true),
        ("abcdef{x}", "ab", false),
        ("a{[0-9]+}b{c+}", "a12bcc", true),
        ("a{[0-9]+}b", "a12c", false),
        ("é{x}", "e", false),
        ("plain", "plain", true),
    ] {
        assert_eq!(
            matched(template, text),
            Value::from(expected),
            "{template} on {text}"
        );
    }
    assert_eq!(matched("}{", "x"), Value::Undefined);
}

#[test]
fn what_is_answered_here_is_what_the_function_would_say() {
    let set = |items: &[u64]| {
        Value::from(
            items
                .iter()
                .map(|item| Value::from(*item))
                .collect::<std::collections::BTreeSet<_>>(),
        )
    };
    let sets = Value::from(
        [set(&[1, 2]), set(&[2, 3])]
            .into_iter()
            .collect::<std::collections::BTreeSet<_>>(),
    );
    assert_eq!(answer(collections::union(&[sets])), set(&[1, 2, 3]));
    let objects = json(r#"[{"a":{"b":1,"c":1}},{"a":{"b":2}},{"d":1}]"#);
    assert_eq!(
        answer(collections::union_n(&[objects])),
        json(r#"{"a":{"b":2,"c":1},"d":1}"#)
    );
    for (whole, part, expected) in [
        (r#"{"a":[1,2,3]}"#, r#"{"a":[2,3]}"#, true),
        (r#"{"a":[1,2,3]}"#, r#"{"a":[3,2]}"#, false),
        (r#"{"a":[1,2,3]}"#, r#"{"a":[]}"#, true),
        (r#"{"a":{"b":1}}"#, r#"{"a":{}}"#, true),
        (r#"{"a":1}"#, r#"{"b":1}"#, false),
        ("[1]", "[1,1]", false),
        ("1", "1", true),
    ] {
        let result = answer(collections::subset(&[json(whole), json(part)]));
        assert_eq!(result, Value::from(expected), "{part} in {whole}");
    }
    let replaced = strings::replace_n(&[json(r#"{"<":"&lt;","&lt;":"("}"#), Value::from("a<b")]);
    assert_eq!(answer(replaced), Value::from("a&lt;b"));
    assert_eq!(
        answer(strings::count(&[Value::from("cheese"), Value::from("")])),
        Value::from(7)
    );
    assert_eq!(
        strings::count(&[Value::from("cheese"), Value::from("e")]),
        Ok(())
    );
}

#[test]
fn yaml_does_not_grow() {
    let yaml = |text: String| encodings::yaml(&[Value::from(text)]);
    assert_eq!(yaml("a: &a [1]\nb: [*a, *a]\n".to_owned()), Ok(()));
    assert_eq!(yaml("\"*\"\n".repeat(100)), Ok(()));
    for text in [
        "[".repeat(65),
        "x".repeat(16_385),
        format!("a: &a 1\nb: [{}1]", "*a,".repeat(20)),
    ] {
        assert!(matches!(yaml(text), Err(Instead::Excess(_))));
    }
}

#[test]
fn quantities_have_small_exponents() {
    let quantity = |text: &str| encodings::quantity(&[Value::from(text)]);
    for text in ["1", "10Ki", "1e3", "5E", "1e+0003M", "nonsense"] {
        assert_eq!(quantity(text), Ok(()), "{text}");
    }
    for text in ["1e9999", "1e9_9_9_9", "1E+99999999Ki"] {
        assert!(matches!(quantity(text), Err(Instead::Excess(_))), "{text}");
    }
}

#[test]
fn a_schema_that_leads_to_itself_or_elsewhere_is_too_much() {
    let verify = |schema: &str| schemas::verify(&[json(schema)]);
    for schema in [
        r##"{"definitions":{"a":{"type":"string"}},"properties":{"x":{"$ref":"#/definitions/a"},"y":{"$ref":"#/definitions/a"}}}"##,
        r#"{"properties":{"$ref":{"type":"string"}}}"#,
        r#"{"pattern":"^[a-z]+$"}"#,
        "true",
    ] {
        assert_eq!(verify(schema), Ok(()), "{schema}");
    }
    for schema in [
        r##"{"$ref":"#"}"##,
        r##"{"properties":{"next":{"$ref":"#"}}}"##,
        r#"{"$ref":"http://example.com/x.json"}"#,
        r##"{"$dynamicRef":"#x"}"##,
        r#"{"pattern":".{5000}"}"#,
    ] {
        assert!(
            matches!(verify(schema), Err(Instead::Excess(_))),
            "{schema}"
        );
    }
}
