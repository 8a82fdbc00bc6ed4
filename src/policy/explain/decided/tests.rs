//! Which definitions are told, for one policy of each form.

use std::time::Duration;

use crate::input::Value;
use crate::policy::{Entrypoint, Externals, Limits, LoadOptions, Policy, PolicyFile};

const LIMITS: Limits = Limits {
    time: Duration::from_secs(10),
    instructions: 1_000_000,
    memory: 64 << 20,
};

fn policy(texts: &[&str], v0_compatible: bool) -> Policy {
    let files: Vec<PolicyFile> = texts
        .iter()
        .enumerate()
        .map(|(at, text)| PolicyFile {
            name: format!("{at}.rego"),
            data_path: Vec::new(),
            bytes: text.as_bytes().to_vec(),
        })
        .collect();
    let options = LoadOptions {
        entrypoint: Entrypoint::Path(["a", "allow"].map(str::to_owned).to_vec()),
        v0_compatible,
        strict_builtin_errors: false,
    };
    Policy::load(&files, &options).unwrap_or_else(|error| panic!("{error}"))
}

/// `file:row#index`, with `default` behind a default.
fn decided(policy: &Policy, input: &str) -> Vec<String> {
    let input = Value::from_json_str(input).unwrap();
    let decided = policy.decided_by(input, LIMITS, &mut Externals::default());
    let decided = decided.unwrap_or_else(|error| panic!("{error:?}"));
    let shown = decided.iter().map(|at| {
        let default = if at.default { " default" } else { "" };
        format!("{}:{}#{}{default}", at.file, at.row, at.index)
    });
    shown.collect()
}

/// What decides in a policy, for inputs one after the other.
type Case = (
    &'static [&'static str],
    &'static [(&'static str, &'static [&'static str])],
);

const CASES: &[Case] = &[
    (
        &["package a\ndefault allow := false\nallow if input.x == 1\nallow if input.y == 2\n"],
        &[
            (r#"{"x":1,"y":2}"#, &["0.rego:3#1", "0.rego:4#2"]),
            (r#"{"x":1}"#, &["0.rego:3#1"]),
            ("{}", &["0.rego:2#0 default"]),
        ],
    ),
    (
        &[
            "package a\nallow := 1 if {\n  input.x == \"1\" # one\n\n  input.y == \"2\"\n} else := 2 if {\n  input.x == \"1\"\n}\nelse := 3\n",
        ],
        &[
            (r#"{"x":"1","y":"2"}"#, &["0.rego:2#0"]),
            (r#"{"x":"1"}"#, &["0.rego:6#0"]),
            ("{}", &["0.rego:9#0"]),
        ],
    ),
    (
        &["package a\nallow := (input.x + 1) * 2"],
        &[(r#"{"x":1}"#, &["0.rego:2#0"]), ("{}", &[])],
    ),
    (
        &[
            "package a\nallow if input.x == 1",
            "package a\nallow if input.y == 2",
        ],
        &[
            (r#"{"x":1,"y":2}"#, &["0.rego:2#0", "1.rego:2#1"]),
            (r#"{"y":2}"#, &["1.rego:2#1"]),
            ("{}", &[]),
        ],
    ),
    (
        &[
            "package a\nimport data.b\nallow := b.allow",
            "package b\ndefault allow := false\nallow if input.x == 1",
        ],
        &[
            (r#"{"x":1}"#, &["0.rego:3#0", "1.rego:3#1"]),
            ("{}", &["0.rego:3#0", "1.rego:2#0 default"]),
        ],
    ),
    (
        &[
            "package a\nallow.allowed := input.x == 1\nallow.headers[k] := v if some k, v in input.h",
        ],
        &[
            (r#"{"x":1}"#, &["0.rego:2#0"]),
            (r#"{"x":1,"h":{"a":"b"}}"#, &["0.rego:2#0", "0.rego:3#0"]),
        ],
    ),
    (
        &[
            "package a\nallow contains x if some x in input.xs\nallow contains \"y\" if not input.xs",
        ],
        &[
            (r#"{"xs":[1,2]}"#, &["0.rego:2#0"]),
            ("{}", &["0.rego:3#1"]),
        ],
    ),
    (
        &[
            "package a\nallow if not startswith(input.path, \"/admin\")\nallow if { some r in input.roles; r in {\"admin\" | true} }",
        ],
        &[
            (r#"{"path":"/x"}"#, &["0.rego:2#0"]),
            (
                r#"{"path":"/admin","roles":["user","admin"]}"#,
                &["0.rego:3#1"],
            ),
            (r#"{"roles":["user"]}"#, &[]),
        ],
    ),
];

#[test]
fn the_definitions_that_hold_are_told_and_no_others() {
    for (texts, inputs) in CASES {
        let policy = policy(texts, false);
        for (input, expected) in *inputs {
            assert_eq!(decided(&policy, input), *expected, "{texts:?} of {input}");
        }
    }
}

#[test]
fn both_bodies_of_rego_v0_are_told_apart_by_nothing_but_each_decides() {
    let policy = policy(
        &[
            "package a\ndefault allow = false\nallow { input.x == 1 } { input.y == 2 }\nallow = true { input.z }",
        ],
        true,
    );
    assert_eq!(decided(&policy, r#"{"y":2}"#), ["0.rego:3#1"]);
    assert_eq!(decided(&policy, r#"{"z":1}"#), ["0.rego:4#2"]);
    assert_eq!(decided(&policy, "{}"), ["0.rego:2#0 default"]);
}

#[test]
fn a_query_has_no_definitions() {
    let file = PolicyFile {
        name: "0.rego".to_owned(),
        data_path: Vec::new(),
        bytes: b"package a\nallow := true".to_vec(),
    };
    let options = LoadOptions {
        entrypoint: Entrypoint::Query("data.a.allow".to_owned()),
        v0_compatible: false,
        strict_builtin_errors: false,
    };
    let policy = Policy::load(&[file], &options).unwrap();
    assert_eq!(decided(&policy, "{}"), [""; 0]);
}
