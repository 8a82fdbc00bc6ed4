//! The commands as people and scripts meet them: output, standard error, exit codes.
#![expect(
    clippy::indexing_slicing,
    clippy::unwrap_used,
    reason = "a test fails by panicking"
)]

#[path = "commands/authors.rs"]
mod authors;
#[path = "commands/configured.rs"]
mod configured;
#[path = "commands/example.rs"]
mod example;
#[path = "commands/explain.rs"]
mod explain;
#[path = "support/keys.rs"]
#[expect(dead_code, reason = "other tests use the rest")]
mod keys;
#[path = "commands/opa.rs"]
mod opa;
#[path = "commands/signing.rs"]
mod signing;
#[path = "commands/tokens.rs"]
mod tokens;

use std::{
    fs,
    io::Write as _,
    net::TcpListener,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use serde_json::Value;
use tempfile::TempDir;

/// What a command left behind.
struct Done {
    code: i32,
    out: String,
    err: String,
}

fn portcullis(arguments: &[&str]) -> Done {
    with_input(arguments, &[])
}

fn with_input(arguments: &[&str], input: &[u8]) -> Done {
    let mut child = Command::new(env!("CARGO_BIN_EXE_portcullis"))
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // A command that does not read its input may be gone already.
    child.stdin.take().unwrap().write_all(input).ok();
    let done = child.wait_with_output().unwrap();
    Done {
        code: done.status.code().unwrap(),
        out: String::from_utf8(done.stdout).unwrap(),
        err: String::from_utf8(done.stderr).unwrap(),
    }
}

fn capture(name: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/captures");
    folder.join(name)
}

/// A file in a folder that lasts as long as the test.
struct Given {
    _folder: TempDir,
    path: String,
}

fn file(name: &str, content: &str) -> Given {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(name);
    fs::write(&path, content).unwrap();
    Given {
        path: path.to_str().unwrap().to_owned(),
        _folder: folder,
    }
}

/// Allows the namespace `foo`; a denial says why.
fn policy() -> Given {
    let text = r#"package envoy.authz

default allow := {"allowed": false, "reason": "not of foo", "http_status": 404}

allow := {"allowed": true, "headers": {"x-by": "foo"}} if input.source.spiffe.namespace == "foo"
"#;
    file("policy.rego", text)
}

#[test]
fn decide_reads_wire_bytes_proto_json_captures_and_standard_input() {
    let policy = policy();
    let wire = capture("http1-mtls-get.pb");
    let saved = capture("http1-mtls-get.json");
    let json: Value = serde_json::from_slice(&fs::read(&saved).unwrap()).unwrap();
    let proto_json = file("request.json", &json["check_request"].to_string());
    let decide = ["decide", "--json", "--policy", &policy.path];
    for path in [
        wire.to_str().unwrap(),
        saved.to_str().unwrap(),
        &proto_json.path,
    ] {
        let done = portcullis(&[&decide[..], &[path]].concat());
        let verdict: Value = serde_json::from_str(&done.out).unwrap();
        assert_eq!(verdict["outcome"], "allowed", "{path}: {}", done.err);
        assert_eq!(verdict["request"], path);
        assert_eq!(done.code, 0);
    }
    for input in [fs::read(&wire).unwrap(), fs::read(&saved).unwrap()] {
        let done = with_input(&[&decide[..], &["-"]].concat(), &input);
        let verdict: Value = serde_json::from_str(&done.out).unwrap();
        assert_eq!(verdict["outcome"], "allowed", "{}", done.err);
    }
    let other = capture("http2-mtls-other-namespace.pb");
    let done = portcullis(&[&decide[..], &[other.to_str().unwrap()]].concat());
    let verdict: Value = serde_json::from_str(&done.out).unwrap();
    assert_eq!(verdict["outcome"], "denied");
    assert_eq!(verdict["http_status"], 404);
    assert_eq!(verdict["why"], "not of foo");
}

#[test]
fn decide_shows_a_table_and_on_demand_input_and_response() {
    let policy = policy();
    let (allowed, denied) = (
        capture("http1-mtls-get.pb"),
        capture("xfcc-spoof-plaintext.pb"),
    );
    let both = [allowed.to_str().unwrap(), denied.to_str().unwrap()];
    let decide = ["decide", "--policy", &policy.path];
    let done = portcullis(&[&decide[..], &both].concat());
    let lines: Vec<_> = done.out.lines().collect();
    assert_eq!(lines.len(), 3, "{}", done.out);
    assert!(lines[0].starts_with("VERDICT"), "{}", done.out);
    assert!(lines[1].starts_with("ALLOWED"), "{}", done.out);
    assert!(lines[2].starts_with("DENIED"), "{}", done.out);
    assert!(
        lines[2].contains("404") && lines[2].ends_with("not of foo"),
        "{}",
        done.out
    );
    let more = portcullis(&[&decide[..], &["--input", "--response"], &both[..1]].concat());
    assert!(more.out.contains("\"namespace\": \"foo\""), "{}", more.out);
    assert!(more.out.contains("\"x-by\""), "{}", more.out);
    assert!(
        more.out.contains("\"parsed_path\""),
        "the whole input, not what is read"
    );
}

#[test]
fn decide_fails_when_the_verdict_is_not_the_expected_one() {
    let policy = policy();
    let (allowed, denied) = (
        capture("http1-mtls-get.pb"),
        capture("xfcc-spoof-plaintext.pb"),
    );
    let broken = file("broken.pb", "not a request");
    for (expected, request, code) in [
        ("allowed", allowed.to_str().unwrap(), 0),
        ("denied", allowed.to_str().unwrap(), 1),
        ("denied", denied.to_str().unwrap(), 0),
        ("allowed", denied.to_str().unwrap(), 1),
        ("denied", &broken.path, 0),
        ("allowed", &broken.path, 1),
    ] {
        let done = portcullis(&[
            "decide",
            "--policy",
            &policy.path,
            "--expect",
            expected,
            request,
        ]);
        assert_eq!(done.code, code, "{request} as {expected}: {}", done.out);
    }
    let both = [allowed.to_str().unwrap(), denied.to_str().unwrap()];
    let decide = ["decide", "--policy", &policy.path, "--expect", "allowed"];
    assert_eq!(portcullis(&[&decide[..], &both].concat()).code, 1);
}

#[test]
fn decide_tells_wrong_arguments_from_what_cannot_be_read() {
    let policy = policy();
    let broken = file("broken.rego", "package envoy.authz\n\nallow if )\n");
    let json = file("request.json", "{\"atributes\": {}}");
    let request = capture("http1-mtls-get.pb");
    let request = request.to_str().unwrap();
    for (arguments, code, said) in [
        (vec!["decide"], 64, "REQUESTS"),
        (vec!["decide", "--expect", "maybe", request], 64, "maybe"),
        (
            vec!["decide", "--policy", "/nowhere/at/all.rego", request],
            64,
            "/nowhere/at/all.rego",
        ),
        (
            vec!["decide", "--policy", &broken.path, request],
            64,
            "broken.rego:3:",
        ),
        (
            vec!["decide", "--set", "portcullis.bugdet=1s", request],
            64,
            "budget",
        ),
        (
            vec!["decide", "--policy", &policy.path, "/nowhere.pb"],
            1,
            "/nowhere.pb",
        ),
        (
            vec!["decide", "--policy", &policy.path, &json.path],
            1,
            "atributes",
        ),
    ] {
        let done = portcullis(&arguments);
        assert_eq!(done.code, code, "{arguments:?}: {}", done.err);
        assert!(done.err.contains(said), "{arguments:?}: {}", done.err);
        assert_eq!(done.out, "", "{arguments:?}");
    }
}

#[test]
fn check_config_names_every_problem_at_once() {
    let wrong = file(
        "config.yaml",
        "plugins:\n  envoy_ext_authz_grpc:\n    addr: nowhere\n    dry_run: true\nportcullis:\n  budget: soon\n  on_error: allow\n  admission:\n    max_in_flight: 0\n",
    );
    let done = portcullis(&["check-config", "--config-file", &wrong.path]);
    assert_eq!(done.code, 64);
    assert_eq!(done.out, "");
    for key in [
        "plugins.envoy_ext_authz_grpc.addr",
        "plugins.envoy_ext_authz_grpc.dry_run",
        "dry-run",
        "portcullis.budget",
        "portcullis.on_error",
        "portcullis.admission.max_in_flight",
    ] {
        assert!(done.err.contains(key), "`{key}` is not named: {}", done.err);
    }
    let gone = portcullis(&["check-config", "--config-file", "/nowhere.yaml"]);
    assert_eq!(gone.code, 64);
    assert!(gone.err.contains("/nowhere.yaml"), "{}", gone.err);
}

#[test]
fn check_config_accepts_a_valid_file_and_warns_of_what_has_no_effect() {
    let valid = file(
        "config.yaml",
        "caching:\n  inter_query_builtin_cache: {}\nplugins:\n  envoy_ext_authz_grpc:\n    addr: :9191\n    dry-run: true\n",
    );
    let done = portcullis(&["check-config", "--config-file", &valid.path]);
    assert_eq!(done.code, 0, "{}", done.err);
    assert_eq!(done.out, "the configuration is valid\n");
    assert!(done.err.contains("`caching`"), "{}", done.err);
    assert!(done.err.contains("dry-run"), "{}", done.err);
}

/// `run` on free ports.
fn run(arguments: &[&str]) -> Done {
    let ports = [
        "run",
        "--set",
        "plugins.envoy_ext_authz_grpc.addr=127.0.0.1:0",
        "--set",
        "portcullis.admin.addr=127.0.0.1:0",
    ];
    portcullis(&[&ports[..], arguments].concat())
}

#[test]
fn run_does_not_start_with_a_policy_or_configuration_that_is_wrong() {
    let syntax = file("syntax.rego", "package envoy.authz\n\nallow if )\n");
    let unknown = file(
        "unknown.rego",
        "package envoy.authz\n\nallow if no_such_builtin(1)\n",
    );
    let elsewhere = file("elsewhere.rego", "package shop\n\nallow := true\n");
    for (arguments, said) in [
        (vec![syntax.path.as_str()], "syntax.rego:3:"),
        (vec![unknown.path.as_str()], "unknown.rego:3:"),
        (vec![elsewhere.path.as_str()], "envoy.authz.allow"),
        (vec!["/nowhere/policy.rego"], "/nowhere/policy.rego"),
        (
            vec!["--set", "portcullis.watch=perhaps"],
            "portcullis.watch",
        ),
        (vec!["--log-level", "loud"], "loud"),
    ] {
        let done = run(&arguments);
        assert_eq!(done.code, 64, "{arguments:?}: {}", done.err);
        assert!(done.err.contains(said), "{arguments:?}: {}", done.err);
    }
    let both = run(&[&syntax.path, &unknown.path]);
    assert!(both.err.contains("syntax.rego:3:"), "{}", both.err);
    assert!(both.err.contains('|'), "no source line: {}", both.err);
}

#[test]
fn run_fails_when_a_port_is_taken() {
    let policy = policy();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    for key in ["plugins.envoy_ext_authz_grpc.addr", "portcullis.admin.addr"] {
        let set = format!("{key}={address}");
        let done = run(&["--set", &set, &policy.path]);
        assert_eq!(done.code, 1, "{key}: {}", done.err);
        assert!(done.err.contains(&address), "{key}: {}", done.err);
    }
}

#[test]
fn inspect_says_what_a_policy_is_made_of_and_which_evaluator_runs_it() {
    let policy = policy();
    let done = portcullis(&["inspect", "--json", &policy.path]);
    assert_eq!(done.code, 0, "{}", done.err);
    let shown: Value = serde_json::from_str(&done.out).unwrap();
    assert_eq!(shown["entrypoint"], "data.envoy.authz.allow");
    assert_eq!(shown["modules"], 1);
    assert_eq!(shown["packages"], serde_json::json!(["data.envoy.authz"]));
    assert_eq!(
        shown["reads"],
        serde_json::json!(["input.source.spiffe.namespace"])
    );
    let people = portcullis(&["inspect", &policy.path]);
    assert!(
        people.out.contains("input.source.spiffe.namespace"),
        "{}",
        people.out
    );
    let interpreted = file(
        "interpreted.rego",
        "package envoy.authz\n\nallow if { x := json.marshal(input) with input.a as 1; x != \"\" }\n",
    );
    let done = portcullis(&["inspect", "--json", &interpreted.path]);
    let shown: Value = serde_json::from_str(&done.out).unwrap();
    assert_eq!(shown["engine"], "interpreter", "{shown}");
    let because = shown["interpreted_because"].to_string();
    assert!(because.contains("interpreted.rego:3:"), "{because}");
    assert_eq!(shown["reads"], serde_json::json!(["input"]));
    let broken = file("broken.rego", "package envoy.authz\n\nallow if )\n");
    let done = portcullis(&["inspect", &broken.path]);
    assert_eq!(done.code, 64);
    assert!(done.err.contains("broken.rego:3:"), "{}", done.err);
}

#[test]
fn help_and_version_succeed_and_an_unknown_command_does_not() {
    for (arguments, code) in [
        (&["--help"][..], 0),
        (&["--version"], 0),
        (&["version"], 0),
        (&["run", "--help"], 0),
        (&["rnu"], 64),
        (&[], 64),
    ] {
        assert_eq!(portcullis(arguments).code, code, "{arguments:?}");
    }
}
