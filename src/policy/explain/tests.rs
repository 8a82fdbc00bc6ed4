//! What is told of policies of every form, as people read it.

use std::time::Duration;

use super::{Explainer, Reach};
use crate::input::Value;
use crate::policy::{Entrypoint, Limits, LoadOptions, PolicyFile, PolicySet};

const REACH: Reach = Reach {
    each: Limits {
        time: Duration::from_secs(10),
        instructions: 1_000_000,
        memory: 64 << 20,
    },
    all: Duration::from_secs(60),
};

fn explainer(texts: &[&str], entrypoint: Entrypoint) -> Explainer {
    let files: Vec<PolicyFile> = texts
        .iter()
        .enumerate()
        .map(|(at, text)| PolicyFile {
            name: format!(
                "{at}.{}",
                if text.starts_with('{') {
                    "json"
                } else {
                    "rego"
                }
            ),
            data_path: Vec::new(),
            bytes: text.as_bytes().to_vec(),
        })
        .collect();
    let set = PolicySet {
        files: &files,
        ..PolicySet::default()
    };
    let options = LoadOptions {
        entrypoint,
        v0_compatible: false,
        strict_builtin_errors: false,
    };
    Explainer::new(&set, &options).unwrap_or_else(|error| panic!("{error}"))
}

fn allow() -> Entrypoint {
    Entrypoint::Path(["a", "allow"].map(str::to_owned).to_vec())
}

fn told(texts: &[&str], input: &str) -> String {
    let input = Value::from_json_str(input).unwrap();
    explainer(texts, allow())
        .explain(&input, &[], REACH)
        .to_string()
}

const SHOP: &str = r#"package a
default allow := false
allow if {
  input.principal == "orders"
  claims := input.jwt.claims
  claims.tier == "premium"
}
allow if {
  some role in input.roles
  grant := data.grants[role]
  grant.path == input.path
  not blocked(input.path)
}
allow if {
  every segment in input.segments {
    not segment in {"admin", ".."}
    count(segment) < 10
  }
  input.headers["x-api-key"] in data.keys
}
blocked(path) if startswith(path, "/internal")
blocked("/closed") := true
"#;

const DATA: &str = r#"{"grants": {"reader": {"path": "/items"}, "ops": {"path": "/internal/x"}}, "keys": ["s3cr3t-1"]}"#;

#[test]
fn print() {
    for input in [
        r#"{"principal":"orders","jwt":{"claims":{"tier":"basic"}},"roles":["reader","ops"],"path":"/internal/x","segments":["x","admin"]}"#,
        r#"{"principal":"orders","jwt_error":"expired","roles":["x","reader"],"path":"/z","segments":["x"],"headers":{"x-api-key":"wrong-key"}}"#,
        r#"{"principal":"orders","jwt":{"claims":{"tier":"premium"}}}"#,
    ] {
        println!("{}\n", told(&[SHOP, DATA], input));
    }
}
