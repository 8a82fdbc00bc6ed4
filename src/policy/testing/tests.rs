//! Tests that come with policies, run as `opa test` runs them.

use super::*;
use crate::policy::bundle::{self, Bundle, Contents, Reading, Verification};
use crate::policy::{Entrypoint, PolicyFile};

const OPTIONS: LoadOptions = LoadOptions {
    entrypoint: Entrypoint::Path(Vec::new()),
    v0_compatible: false,
    strict_builtin_errors: false,
};

fn file(name: &str, text: &str) -> PolicyFile {
    PolicyFile {
        name: name.to_owned(),
        data_path: Vec::new(),
        bytes: text.as_bytes().to_vec(),
    }
}

fn run_files(files: &[PolicyFile], bounds: Bounds) -> Vec<TestResult> {
    let set = PolicySet {
        files,
        ..PolicySet::default()
    };
    run(&set, &OPTIONS, Of::Everything, bounds).unwrap_or_else(|problems| panic!("{problems}"))
}

fn run_text(rules: &str) -> Vec<TestResult> {
    let text = format!("package a.b_test\n\n{rules}\n");
    run_files(&[file("b_test.rego", &text)], Bounds::default())
}

/// Whether the only test in `rules` passes.
fn passes(rules: &str) -> bool {
    let results = run_text(rules);
    let [result] = results.as_slice() else {
        panic!("{results:?}")
    };
    !result.is_bad()
}

#[test]
fn a_test_passes_when_it_is_true_and_fails_whatever_else_it_is() {
    for (rule, expected) in [
        ("test_x if 1 == 1", true),
        ("test_x if 1 == 2", false),
        ("test_x := true", true),
        ("test_x := false", false),
        ("default test_x := true", true),
        ("default test_x := false", false),
        ("test_x := 1", false),
        ("test_x := \"true\"", false),
        ("test_x := null", false),
        ("test_x := {}", false),
        ("test_x if input.method == \"GET\"", false),
        ("test_x if not input.method", true),
        ("test_x if not input", true),
        (
            "test_x if input.method == \"GET\" with input as {\"method\": \"GET\"}",
            true,
        ),
        (
            "test_x if input.method == \"GET\" with input as {\"method\": \"PUT\"}",
            false,
        ),
        (
            "test_x if data.a.roles.ann == 1 with data.a.roles as {\"ann\": 1}",
            true,
        ),
        (
            "test_x if data.a.roles.ann == 1 with data.a.roles as {\"ann\": 2}",
            false,
        ),
        ("test_x if { y := 1 / 0; y == 1 }", false),
        ("nested.test_x := true", true),
        ("nested.test_x := false", false),
    ] {
        assert_eq!(passes(rule), expected, "{rule}");
    }
}

#[test]
fn what_has_no_value_for_a_reason_says_the_reason_and_the_place() {
    for (rule, reason) in [
        (
            "test_x if to_number(\"x\") == f\nf := 1\nf := 2 if true",
            "b_test.rego",
        ),
        ("test_x(_) := true", "a test has no arguments"),
        ("test_x contains 1 if true", "a test has no keys"),
        ("test_x[k] if some k in [true]", "a test has no keys"),
        (
            "test_x if http.send({\"method\": \"get\", \"url\": \"http://h/\"}).status_code == 200",
            "http.send",
        ),
        (
            "test_x if http.send({\"method\": \"get\", \"url\": \"http://h/\", \"raise_error\": false}).status_code == 0",
            "http.send",
        ),
    ] {
        let results = run_text(rule);
        let outcome = &results[0].outcome;
        let Outcome::Error(text) = outcome else {
            panic!("{rule}: {outcome:?}")
        };
        assert!(text.contains(reason), "{rule}: {text}");
    }
}

#[test]
fn functions_can_be_mocked_also_those_that_would_go_outside() {
    let mock = "test_x if send == 200 with http.send as mock\nsend := http.send({\"method\": \"get\", \"url\": \"http://h/\"}).status_code\n";
    assert!(passes(&format!(
        "{mock}mock(_) := {{\"status_code\": 200}}"
    )));
    assert!(!passes(&format!(
        "{mock}mock(_) := {{\"status_code\": 500}}"
    )));
    let now = "test_x if time.now_ns() == 7 with time.now_ns as";
    assert!(passes(&format!("{now} 7")));
    assert!(!passes(&format!("{now} 8")));
}

#[test]
fn several_rules_of_one_name_are_several_tests() {
    let results =
        run_text("test_x if 1 == 1\n\ntest_x if 1 == 2\n\ntest_y := true\ntest_x := true");
    let shown: Vec<String> = results.iter().map(ToString::to_string).collect();
    assert_eq!(
        shown,
        [
            "b_test.rego:3: data.a.b_test.test_x: passed",
            "b_test.rego:5: data.a.b_test.test_x#01: failed",
            "b_test.rego:7: data.a.b_test.test_y: passed",
            "b_test.rego:8: data.a.b_test.test_x#02: passed",
        ]
    );
}

#[test]
fn what_is_still_to_do_is_skipped_and_a_set_without_tests_is_no_failure() {
    let results = run_text("todo_test_x if 1 == 2\nallow := false");
    assert_eq!(results.len(), 1);
    assert_eq!(results[0].outcome, Outcome::Skipped);
    assert!(!results[0].is_bad());
    assert!(run_text("allow := false").is_empty());
}

#[test]
fn tests_see_the_data_and_the_rules_of_the_set() {
    let files = [
        file(
            "policy.rego",
            "package p\n\nallow if data.roles[input.user] == \"admin\"",
        ),
        file("data.json", r#"{"roles": {"ann": "admin"}}"#),
        file(
            "p_test.rego",
            "package p_test\n\ntest_ann if data.p.allow with input.user as \"ann\"\n\ntest_bob if data.p.allow with input.user as \"bob\"",
        ),
    ];
    let bad: Vec<bool> = run_files(&files, Bounds::default())
        .iter()
        .map(TestResult::is_bad)
        .collect();
    assert_eq!(bad, [false, true]);
}

#[test]
fn a_set_that_does_not_compile_runs_nothing() {
    let files = [file("a.rego", "package a\n\ntest_x if nobody(1)")];
    let set = PolicySet {
        files: &files,
        ..PolicySet::default()
    };
    run(&set, &OPTIONS, Of::Everything, Bounds::default()).unwrap_err();
}

#[test]
fn a_test_that_never_ends_is_ended_and_those_after_it_run_while_there_is_time() {
    let rules = "package a\n\ntest_long if count([x | some x in numbers.range(1, 100000); some y in numbers.range(1, 100000); x == y]) == 0\n\ntest_short := true";
    let files = [file("a.rego", rules)];
    let bounds = Bounds {
        each: Duration::from_millis(20),
        ..Bounds::default()
    };
    let results = run_files(&files, bounds);
    let outcomes: Vec<_> = results.iter().map(|result| &result.outcome).collect();
    assert_eq!(
        outcomes[0],
        &Outcome::Error(EvalError::TimeLimit.to_string())
    );
    assert_eq!(outcomes[1], &Outcome::Passed);
    let none = Bounds {
        all: Duration::ZERO,
        ..bounds
    };
    assert!(run_files(&files, none).iter().all(TestResult::is_bad));
}

#[test]
fn the_outcomes_are_those_of_the_reference() {
    let text = include_str!("../../../tests/fixtures/opa_test/outcomes_test.rego");
    let expected: Vec<serde_json::Value> = serde_json::from_str(include_str!(
        "../../../tests/fixtures/opa_test/outcomes.json"
    ))
    .unwrap();
    let results = run_files(&[file("outcomes_test.rego", text)], Bounds::default());
    assert_eq!(results.len(), expected.len());
    for (ours, theirs) in results.iter().zip(&expected) {
        let name = (
            ours.line.into(),
            ours.package.as_str().into(),
            ours.name.as_str().into(),
        );
        assert_eq!(
            name,
            (
                theirs["row"].clone(),
                theirs["package"].clone(),
                theirs["name"].clone()
            )
        );
        let outcome = match ours.outcome {
            Outcome::Passed => "pass",
            // Where the reference has undefined there may be a reason here.
            Outcome::Failed | Outcome::Error(_) if theirs["outcome"] == "error" => "error",
            Outcome::Failed | Outcome::Error(_) => "fail",
            Outcome::Skipped => "skip",
        };
        assert_eq!(outcome, theirs["outcome"], "{ours}");
    }
}

#[test]
fn only_the_tests_of_the_bundles_asked_for_run() {
    let files = [file(
        "plain_test.rego",
        "package plain_test\n\ntest_plain := false",
    )];
    let bundles = ["one", "two"].map(bundle_with_a_test);
    let set = PolicySet {
        files: &files,
        bundles: &bundles,
        ..PolicySet::default()
    };
    for (of, expected) in [
        (
            Of::Everything,
            ["test_plain", "test_one", "test_two"].as_slice(),
        ),
        (Of::Bundles(&["two"]), &["test_two"]),
        (Of::Bundles(&["one", "two"]), &["test_one", "test_two"]),
        (Of::Bundles(&["three"]), &[]),
        (Of::Bundles(&[]), &[]),
    ] {
        let results = run(&set, &OPTIONS, of, Bounds::default()).unwrap();
        let names: Vec<&str> = results.iter().map(|result| result.name.as_str()).collect();
        assert_eq!(names, expected);
    }
}

/// A bundle of a package of its name with the test `test_<name>`, which passes.
fn bundle_with_a_test(name: &str) -> std::sync::Arc<Bundle> {
    let mut archive = tar::Builder::new(flate2::write::GzEncoder::new(
        Vec::new(),
        flate2::Compression::fast(),
    ));
    let manifest = format!(r#"{{"roots": ["{name}"]}}"#);
    let module = format!("package {name}\n\ntest_{name} := true");
    for (path, text) in [(".manifest", manifest), ("x_test.rego", module)] {
        let mut header = tar::Header::new_gnu();
        header.set_size(text.len().try_into().unwrap());
        archive
            .append_data(&mut header, path, text.as_bytes())
            .unwrap();
    }
    let archive = archive.into_inner().unwrap().finish().unwrap();
    let reading = Reading {
        limits: &bundle::Limits::default(),
        verification: &Verification::None,
        last: None,
    };
    match bundle::read(name, &archive, reading).unwrap() {
        Contents::Snapshot(bundle) => bundle.into(),
        Contents::Delta(_) => panic!("it has no patches"),
    }
}
