//! Every list, text and nesting has its bound.

use super::*;

fn allow_with(key: &str, value: Value) -> Result<Decision, MalformedDecision> {
    Decision::parse(&object(vec![("allowed", Value::from(true)), (key, value)]))
}

fn strings(count: usize) -> Value {
    Value::from(
        (0..count)
            .map(|n| Value::from(format!("x{n}")))
            .collect::<Vec<_>>(),
    )
}

fn rule(result: Result<Decision, MalformedDecision>) -> Option<Rule> {
    result.err().map(|error| error.rule().clone())
}

#[test]
fn lists_end_at_a_hundred_entries() {
    let values = |count| object(vec![("x", strings(count))]);
    for key in [
        "headers",
        "response_headers_to_add",
        "query_parameters_to_set",
    ] {
        assert_eq!(rule(allow_with(key, values(100))), None, "{key}");
        let over = rule(allow_with(key, values(101)));
        assert_eq!(over, Some(Rule::TooMany(100)), "{key}");
    }
    for key in ["request_headers_to_remove", "query_parameters_to_remove"] {
        assert_eq!(rule(allow_with(key, strings(100))), None, "{key}");
        let over = rule(allow_with(key, strings(101)));
        assert_eq!(over, Some(Rule::TooMany(100)), "{key}");
    }
}

#[test]
fn headers_and_parameters_end_at_a_total_size() {
    let value = |bytes: usize| object(vec![("x", Value::from("v".repeat(bytes)))]);
    assert_eq!(rule(allow_with("headers", value(60 * 1024 - 1))), None);
    assert_eq!(
        rule(allow_with("headers", value(60 * 1024))),
        Some(Rule::TooLong(60 * 1024))
    );
    let set = "query_parameters_to_set";
    assert_eq!(rule(allow_with(set, value(8 * 1024))), None);
    assert_eq!(
        rule(allow_with(set, value(8 * 1024 + 1))),
        Some(Rule::TooLong(8 * 1024))
    );
    let many = Value::from(vec![Value::from("v".repeat(8 * 1024)); 5]);
    let many = object(vec![("x", many)]);
    assert_eq!(rule(allow_with(set, many)), Some(Rule::TooLong(32 * 1024)));
}

#[test]
fn a_body_ends_at_64_kib() {
    let body = |bytes: usize| {
        Decision::parse(&object(vec![
            ("allowed", Value::from(false)),
            ("body", Value::from("b".repeat(bytes))),
        ]))
    };
    assert_eq!(rule(body(MAX_BODY_BYTES)), None);
    assert_eq!(
        rule(body(MAX_BODY_BYTES + 1)),
        Some(Rule::TooLong(MAX_BODY_BYTES))
    );
}

#[test]
fn metadata_ends_at_a_depth_a_count_and_a_size() {
    let key = "dynamic_metadata";
    let nest =
        |levels: usize| (1..levels).fold(object(vec![]), |inner, _| object(vec![("o", inner)]));
    assert_eq!(rule(allow_with(key, nest(16))), None);
    assert_eq!(rule(allow_with(key, nest(17))), Some(Rule::TooDeep(16)));
    let lists = (1..17).fold(Value::Null, |inner, _| Value::from(vec![inner]));
    let lists = object(vec![("l", lists)]);
    assert_eq!(rule(allow_with(key, lists)), Some(Rule::TooDeep(16)));

    let many = |count: usize| object(vec![("l", Value::from(vec![Value::Null; count]))]);
    assert_eq!(rule(allow_with(key, many(9_999))), None);
    assert_eq!(
        rule(allow_with(key, many(10_000))),
        Some(Rule::TooMany(10_000))
    );

    let text = |bytes: usize| object(vec![("t", Value::from("v".repeat(bytes)))]);
    assert_eq!(rule(allow_with(key, text(256 * 1024 - 1))), None);
    assert_eq!(
        rule(allow_with(key, text(256 * 1024))),
        Some(Rule::TooLong(256 * 1024))
    );
}

#[test]
fn metadata_numbers_are_doubles() {
    let number = |text: &str| {
        let text = format!(r#"{{"allowed": true, "dynamic_metadata": {{"n": {text}}}}}"#);
        match permit(&text).dynamic_metadata().expect("metadata").fields() {
            [(_, Json::Number(number))] => *number,
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(number("7").to_bits(), 7.0_f64.to_bits());
    assert_eq!(number("-2.5").to_bits(), (-2.5_f64).to_bits());
    assert_eq!(
        number("9007199254740993").to_bits(),
        9_007_199_254_740_992.0_f64.to_bits()
    );
    assert_eq!(
        number("18446744073709551615").to_bits(),
        1.844_674_407_370_955_2e19_f64.to_bits()
    );
    assert_eq!(number("1e60").to_bits(), 1e60_f64.to_bits());

    let word = Value::from(u64::MAX);
    let word = word.as_number().expect("a number");
    let double = word.mul(word).expect("a product");
    let triple = double.mul(word).expect("a product");
    let list = |number| object(vec![("n", Value::from(vec![Value::Number(number)]))]);
    assert_eq!(rule(allow_with("dynamic_metadata", list(double))), None);
    let error = allow_with("dynamic_metadata", list(triple)).expect_err("refused");
    assert_eq!(
        error.to_string(),
        "`dynamic_metadata.n[0]` is a number out of range"
    );
}

#[test]
fn object_keys_of_other_types_become_their_json_text() {
    let mut inner = Value::new_object();
    let content = inner.as_object_mut().expect("an object");
    content.insert(Value::from(7), Value::from(true));
    let Ok(Decision::Allow(permit)) = allow_with("dynamic_metadata", inner) else {
        panic!("no allow");
    };
    let fields = permit
        .dynamic_metadata()
        .expect("metadata")
        .fields()
        .to_vec();
    assert_eq!(fields, [("7".into(), Json::Bool(true))]);
}
