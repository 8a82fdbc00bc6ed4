//! Manifests that are read as OPA reads them, and those that OPA and we refuse.

use proptest::prelude::*;

use super::*;

fn parse(text: &str) -> Result<Manifest, String> {
    Manifest::parse("b/.manifest", text.as_bytes()).map_err(|problem| problem.to_string())
}

#[test]
fn all_keys_are_read() {
    let manifest = parse(
        r#"{"revision":"r","roots":["a","/b/c/"],"rego_version":0,
            "file_rego_versions":{"/a/x.rego":1},"metadata":{"n":12345678901234567890},
            "wasm":[],"other":[1]}"#,
    )
    .unwrap();
    assert_eq!(manifest.revision(), Some("r"));
    assert_eq!(manifest.roots().unwrap(), ["a", "/b/c/"]);
    assert_eq!(manifest.rego_version(), Some(0));
    assert_eq!(manifest.file_rego_versions()["/a/x.rego"], 1);
    let metadata = Value::from_json_str(r#"{"n":12345678901234567890}"#).unwrap();
    assert_eq!(manifest.metadata(), Some(&metadata));
}

#[test]
fn what_is_empty_or_null_is_missing() {
    let nulls = r#"{"revision":null,"roots":null,"rego_version":null,"file_rego_versions":null,
        "metadata":null,"wasm":null}"#;
    for text in ["{}", nulls, r#"{"revision":"","metadata":{}}"#] {
        assert_eq!(parse(text).unwrap(), Manifest::default(), "{text}");
    }
}

#[test]
fn a_wrong_type_is_named_with_its_key() {
    for (text, rule) in [
        (r#"{"revision":1}"#, "`revision`: invalid type: integer"),
        (r#"{"revision":{}}"#, "`revision`: invalid type"),
        (r#"{"roots":"x"}"#, "`roots`: invalid type"),
        (r#"{"roots":[1]}"#, "`roots`: invalid type"),
        (r#"{"rego_version":"1"}"#, "`rego_version`: invalid type"),
        (r#"{"rego_version":1.0}"#, "`rego_version`: invalid type"),
        (r#"{"rego_version":2}"#, "rego version `2` is unknown"),
        (r#"{"rego_version":-1}"#, "`rego_version`: invalid value"),
        (
            r#"{"file_rego_versions":{"a":"1"}}"#,
            "`file_rego_versions`: invalid type",
        ),
        (
            r#"{"file_rego_versions":{"a":7}}"#,
            "rego version `7` is unknown",
        ),
        (r#"{"file_rego_versions":{"*****":1}}"#, "more than 4 stars"),
        (
            r#"{"file_rego_versions":{"[a]":1}}"#,
            "more than `*`, `**` and `?`",
        ),
        (r#"{"metadata":[]}"#, "`metadata`: invalid type"),
        (r#"{"wasm":{}}"#, "`wasm`: invalid type"),
        (
            r#"{"wasm":[{"entrypoint":"a/allow","module":"/policy.wasm"}]}"#,
            "the entrypoint `a/allow` is compiled to WebAssembly (`/policy.wasm`)",
        ),
        (r#"{"Roots":["a"]}"#, "`Roots` is written `roots`"),
        (r#"{"revision":"a","revision":"b"}"#, "is there twice"),
        ("{}{}", "trailing characters"),
        ("[]", "invalid type"),
        ("null", "invalid type"),
        ("", "EOF"),
    ] {
        let problem = parse(text).unwrap_err();
        assert!(problem.starts_with("b/.manifest: "), "{problem}");
        assert!(problem.contains(rule), "{text}: {problem}");
    }
}

/// There are 65,536 ways to write the longest key, and comparing each with all others takes long.
#[test]
fn a_key_in_another_case_is_refused_before_the_next_one_is_read() {
    for text in [r#"{"Roots":null,"#, r#"{"roots":[],"rootS":[],"#] {
        let problem = parse(text).unwrap_err();
        assert!(problem.contains("is written `roots`"), "{problem}");
    }
}

#[test]
fn patterns_are_bounded_by_the_paths_that_they_are_held_against() {
    let pattern = |stars: &str| format!("{}{stars}", "a".repeat(1 << 20));
    let text = |name: String| format!(r#"{{"file_rego_versions":{{"{name}":0}}}}"#);
    let manifest = |stars: &str| Manifest::parse("m", text(pattern(stars)).as_bytes()).unwrap();
    let (patterns, exact) = (manifest("*"), manifest(""));
    assert!(!patterns.versions().are_too_much_for(1 << 10));
    assert!(patterns.versions().are_too_much_for(1 << 11));
    assert!(!exact.versions().are_too_much_for(1 << 11));
}

#[test]
fn deep_metadata_are_refused() {
    let text = |depth: usize| {
        let (open, close) = ("[".repeat(depth), "]".repeat(depth));
        format!(r#"{{"metadata":{{"a":{open}{close}}},"other":{open}{close}}}"#)
    };
    assert!(parse(&text(100)).is_ok());
    let problem = parse(&text(100_000)).unwrap_err();
    assert!(problem.contains("recursion limit"), "{problem}");
}

proptest! {
    #[test]
    fn what_is_written_is_read_back(
        revision in "[a-z0-9]{0,8}",
        roots in prop::option::of(prop::collection::vec("[a-z/]{0,8}", 0..4)),
        version in prop::option::of(0_u8..2),
    ) {
        let mut manifest = Manifest::default().with_revision(&revision);
        if let Some(roots) = roots {
            manifest = manifest.with_roots(roots);
        }
        if let Some(version) = version {
            manifest = manifest.with_rego_version(version);
        }
        let text = serde_json::to_string(&manifest).unwrap();
        prop_assert_eq!(parse(&text).unwrap(), manifest);
    }
}
