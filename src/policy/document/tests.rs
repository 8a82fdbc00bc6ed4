//! Documents that are read, and documents that grow too large on the way.

use super::*;

/// Enough for a document of a few hundred values.
const SMALL: u64 = 64 << 10;

fn read(file: &str, text: &str, limit: u64) -> Result<Value, String> {
    parse(file, text.as_bytes(), None, &mut Budget::new(limit))
        .map_err(|problem| problem.to_string())
}

#[test]
fn a_document_grows_to_its_budget_and_no_further() {
    let values = |count: usize| format!("[{}0]", "[],".repeat(count));
    assert!(read("a.json", &values(100), SMALL).is_ok());
    let text = read("a.json", &values(10_000), SMALL).unwrap_err();
    assert!(text.contains("grows beyond 65536 bytes"), "{text}");
    let long = |length: usize| format!("\"{}\"", "x".repeat(length));
    assert!(read("a.json", &long(60_000), SMALL).is_ok());
    assert!(read("a.json", &long(66_000), SMALL).is_err());
}

#[test]
fn all_documents_of_a_budget_count_together() {
    let mut budget = Budget::new(SMALL);
    let text = format!("\"{}\"", "x".repeat(40_000));
    assert!(parse("a.json", text.as_bytes(), None, &mut budget).is_ok());
    assert!(parse("b.json", text.as_bytes(), None, &mut budget).is_err());
}

#[test]
fn aliases_are_counted_as_often_as_they_are_used() {
    let text = |uses: usize| {
        let uses = vec!["*a"; uses].join(",");
        format!("a: &a \"{}\"\nb: [{uses}]\n", "x".repeat(1000))
    };
    assert!(read("a.yaml", &text(10), SMALL).is_ok());
    let problem = read("a.yaml", &text(100), SMALL).unwrap_err();
    assert!(problem.contains("grows beyond"), "{problem}");
    let doubled = (1..30).map(|level| {
        let of = level - 1;
        format!("a{level}: &a{level} [*a{of}, *a{of}]\n")
    });
    let laughs = format!("a0: &a0 [x]\n{}", doubled.collect::<Vec<_>>().concat());
    assert!(read("a.yaml", &laughs, 1 << 30).is_err());
}

#[test]
fn keys_of_yaml_are_strings_as_in_opa() {
    let value = read("a.yaml", "1: x\ntrue: y\n-3: z\nb: 1\n", SMALL).unwrap();
    let expected = Value::from_json_str(r#"{"1":"x","true":"y","-3":"z","b":1}"#).unwrap();
    assert_eq!(value, expected);
    for text in ["null: x\n", "1.5: x\n", "[a]: x\n", "{a: 1}: x\n"] {
        let problem = read("a.yaml", text, SMALL).unwrap_err();
        assert!(problem.contains("as a key"), "{text}: {problem}");
    }
}

#[test]
fn a_stream_means_what_its_text_means() {
    for text in [
        r#"{"a":[1,2.5,-3,1e30,null,true,"é\n"],"b":{"":{}}}"#,
        "123456789012345678901234567890",
        "[1,]",
        "{} x",
        "",
        "\"\u{1}\"",
    ] {
        let whole = read("a.json", text, SMALL).ok();
        let streamed = stream("a.json", text.as_bytes(), None, &mut Budget::new(SMALL)).ok();
        assert_eq!(whole, streamed, "{text}");
    }
    let deep = "[".repeat(10_000);
    let problem = stream("a.json", deep.as_bytes(), None, &mut Budget::new(1 << 20)).unwrap_err();
    assert!(problem.message.contains("recursion limit"), "{problem}");
    let invalid = stream("a.json", &b"\"\xff\""[..], None, &mut Budget::new(SMALL)).unwrap_err();
    assert_eq!(invalid.position.map(|(line, _)| line), Some(1));
}
