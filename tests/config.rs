//! The configuration as operators meet it: files, variables, overrides, problems and what is shown.

#![expect(
    clippy::unwrap_used,
    reason = "what prepares a test fails by panicking"
)]

use std::{
    fs,
    path::{Path, PathBuf},
    time::Duration,
};

use portcullis::{
    config::{Config, ConfigError, Given, Plugin, Portcullis},
    policy::Entrypoint,
    response::OnError,
};
use serde_json::json;

#[path = "config/bundles.rs"]
mod bundles;
#[path = "config/decision_logs.rs"]
mod decision_logs;
#[path = "config/discovery.rs"]
mod discovery;
#[path = "config/every_key.rs"]
mod every_key;
#[path = "config/http_send.rs"]
mod http_send;
#[path = "config/jwt.rs"]
mod jwt;
#[path = "config/jwt_mistakes.rs"]
mod jwt_mistakes;
#[path = "config/observe.rs"]
mod observe;
#[path = "config/request_authentication.rs"]
mod request_authentication;
#[path = "config/secrets.rs"]
mod secrets;
#[path = "config/services.rs"]
mod services;

fn fixture(name: &str) -> PathBuf {
    Path::new("tests/fixtures/config").join(name)
}

fn load_file(path: &Path, env: &[(&str, &str)]) -> Result<Config, ConfigError> {
    let given = Given {
        file: Some(path),
        ..Given::default()
    };
    load(given, env)
}

fn load(given: Given<'_>, env: &[(&str, &str)]) -> Result<Config, ConfigError> {
    let lookup = |name: &str| {
        let found = env.iter().find(|(key, _)| *key == name);
        found.map(|(_, value)| (*value).to_owned())
    };
    Config::load(given, &lookup)
}

fn load_text(name: &str, text: &str) -> Result<Config, String> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(name);
    fs::write(&path, text).unwrap();
    load_file(&path, &[]).map_err(|error| {
        let folder = folder.path().display().to_string();
        error.to_string().replace(&folder, "")
    })
}

fn yaml(text: &str) -> Result<Config, String> {
    load_text("config.yaml", text)
}

fn set(arguments: &[&str]) -> Result<Config, String> {
    let arguments: Vec<String> = arguments.iter().map(|text| (*text).to_owned()).collect();
    let given = Given {
        set: &arguments,
        ..Given::default()
    };
    load(given, &[("PORT", "9292")]).map_err(|error| error.to_string())
}

fn path(segments: &[&str]) -> Entrypoint {
    Entrypoint::Path(segments.iter().map(|text| (*text).to_owned()).collect())
}

#[test]
fn no_file_at_all_is_the_default() {
    let config = load(Given::default(), &[]).unwrap();
    assert_eq!(config.plugin, Plugin::default());
    assert_eq!(config.portcullis, Portcullis::default());
    assert_eq!(config.warnings, Vec::<String>::new());
    assert_eq!(config.redacted(), json!({}));
    assert_eq!(config.redacted(), Config::default().redacted());
}

#[test]
fn the_defaults_are_those_of_opa_envoy_and_deny() {
    let config = Config::default();
    assert_eq!(config.plugin.addr.to_string(), ":9191");
    assert_eq!(config.plugin.entrypoint, path(&["envoy", "authz", "allow"]));
    assert!(!config.plugin.dry_run);
    assert_eq!(config.plugin.max_recv_msg_size, 4_194_304);
    assert_eq!(config.portcullis.budget, Duration::from_millis(100));
    assert_eq!(config.portcullis.on_error, OnError::DeniedResponse);
    assert_eq!(config.portcullis.admin.addr.to_string(), ":8282");
}

#[test]
fn the_quick_start_of_opa_envoy_is_accepted_as_it_is() {
    let config = load_file(&fixture("quick-start.yaml"), &[]).unwrap();
    assert_eq!(config.plugin, Plugin::default());
    assert!(config.decision_logs.unwrap().console);
    assert_eq!(config.warnings, Vec::<String>::new());
}

#[test]
fn all_problems_are_reported_in_one_run() {
    let error = load_file(&fixture("mistakes.yaml"), &[]).unwrap_err();
    insta::assert_snapshot!(error);
}

#[test]
fn a_file_that_is_no_tree_says_so() {
    let deep = format!("a: {}1{}", "[".repeat(100), "]".repeat(100));
    let bomb = yaml_bomb();
    for (name, text, want) in [
        ("c.yaml", "[1]", "must be a mapping, found a list"),
        ("c.yaml", "a: [", "not valid YAML"),
        ("c.yaml", "a: 1\n---\nb: 1", "not valid YAML"),
        (
            "c.yaml",
            "labels: {a: x}\nlabels: {b: y}",
            "`labels` is given twice",
        ),
        ("c.yaml", "labels: {a: x, a: x}", "`a` is given twice"),
        (
            "c.json",
            r#"{"labels": {}, "labels": {}}"#,
            "`labels` is given twice",
        ),
        ("c.json", "labels: {}", "not valid JSON"),
        ("c.json", "{} {}", "not valid JSON"),
        ("c.yaml", "labels: !secret {a: b}", "not valid YAML"),
        ("c.yaml", "labels: {a: .inf}", "not finite"),
        ("c.yaml", "labels: {<<: 1}", "`<<` takes a mapping"),
        ("c.yaml", deep.as_str(), "levels"),
        ("c.yaml", bomb.as_str(), "not valid YAML"),
    ] {
        let problems = load_text(name, text).expect_err(want);
        assert!(problems.contains(want), "{problems}");
        assert!(problems.len() < 300, "{problems}");
    }
}

/// Nine levels of nine aliases: 9^9 values if they were followed.
fn yaml_bomb() -> String {
    let level = |level: u32| {
        let aliases = ["*a"; 9].map(|alias| format!("{alias}{level}")).join(", ");
        format!("a{0}: &a{0} [{aliases}]\n", level.saturating_add(1))
    };
    let levels: String = (0..9).map(level).collect();
    format!("a0: &a0 [x]\n{levels}")
}

#[test]
fn the_forms_of_a_working_file_are_all_read() {
    for text in [
        "",
        "---\n# nothing\n",
        "{}",
        "plugins:\n",
        "plugins: {envoy_ext_authz_grpc: }",
        "services: [{name: a, url: 'https://x'}]",
        "services: {a: {url: 'https://x', credentials: {}}}",
        "services: {a: }",
        "bundles: {}",
        "bundles: {a: }",
        "keys: {k: {key: x, algorithm: HS256, private_key: y}}",
        "plugins: {envoy_ext_authz_grpc: {path: '', query: 'data.x.allow'}}",
    ] {
        yaml(text).expect(text);
    }
    let merged = yaml(
        "labels: &l {a: x, b: y}\nkeys:\n  k: {<<: {key: z, algorithm: HS256, scope: s}, scope: t}",
    )
    .unwrap();
    assert_eq!(merged.redacted()["keys"]["k"]["scope"], "t");
}

#[test]
fn overrides_reach_the_keys_they_name() {
    let config = set(&[
        "plugins.envoy_ext_authz_grpc.addr=:${PORT}",
        "plugins.envoy_ext_authz_grpc.dry-run=TRUE,portcullis.budget=50ms",
        "portcullis.tls.cert_file=c,portcullis.tls.key_file=k,portcullis.tls.client_ca_file=a",
        "portcullis.tls.allowed_callers={spiffe://a.b/*,spiffe://a.b/x}",
        "services[0].name=a\\,b,services[0].url=https://x",
        r"plugins.envoy\.ext_authz\.grpc=null",
    ])
    .unwrap();
    assert_eq!(config.plugin.addr.to_string(), ":9292");
    assert!(config.plugin.dry_run);
    assert_eq!(config.portcullis.budget, Duration::from_millis(50));
    let callers = config.portcullis.tls.unwrap().allowed_callers.unwrap();
    assert_eq!(callers.len(), 2);
}

#[test]
fn a_later_override_wins_over_an_earlier_one_and_over_the_file() {
    let arguments =
        ["a=:1", "a=:2"].map(|text| text.replace('a', "plugins.envoy_ext_authz_grpc.addr"));
    let file = fixture("quick-start.yaml");
    let given = Given {
        file: Some(&file),
        set: &arguments,
        set_file: &[],
    };
    let config = load(given, &[]).unwrap();
    assert_eq!(config.plugin.addr.to_string(), ":2");
    assert_eq!(config.plugin.entrypoint, path(&["envoy", "authz", "allow"]));
}

#[test]
fn a_value_from_a_file_is_trimmed_and_its_variables_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("id");
    fs::write(&file, " a${PORT},b=c\n").unwrap();
    let arguments = [format!("labels.id={}", file.display())];
    let given = Given {
        set_file: &arguments,
        ..Given::default()
    };
    let config = load(given, &[("PORT", "1")]).unwrap();
    assert_eq!(config.redacted()["labels"]["id"], "a${PORT},b=c");

    let arguments = [format!("labels.id={}/nope", folder.path().display())];
    let given = Given {
        set_file: &arguments,
        ..Given::default()
    };
    assert!(load(given, &[]).is_err());
}

#[test]
fn wrong_overrides_are_problems_beside_the_others() {
    let problems = set(&["portcullis.budget=0s", "labels", "portcullis.bugdet=1s"]).unwrap_err();
    assert_eq!(
        problems,
        "3 problems in `the command line`\n  \
         --set: a key has no `=` and value\n    hint: write `\\,` for a comma inside a value\n  \
         portcullis.budget: `0s` must be from 100µs to 60s\n  \
         portcullis.bugdet: unknown key\n    hint: did you mean `budget`?"
    );
}

#[test]
fn an_unset_variable_becomes_nothing_and_is_named() {
    let config = set(&["labels.a=x${NOPE}y"]).unwrap();
    assert_eq!(config.redacted()["labels"]["a"], "xy");
    assert_eq!(
        config.warnings.last().map(String::as_str),
        Some("these variables are not set and were replaced by nothing: `NOPE`")
    );
}

#[test]
fn a_missing_or_unreadable_file_is_an_error_that_names_it() {
    let error = load_file(Path::new("nope.yaml"), &[]).unwrap_err();
    assert_eq!(
        error.to_string(),
        "cannot read the configuration file `nope.yaml`"
    );
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("latin1.yaml");
    fs::write(&file, b"labels: {a: \xe9}").unwrap();
    assert!(load_file(&file, &[]).is_err());
    assert!(load_file(folder.path(), &[]).is_err());
}

#[test]
fn a_file_that_is_too_large_is_refused_and_never_cut_short() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("large.yaml");
    let text = |size: usize| format!("# {}", "x".repeat(size.saturating_sub(2)));
    fs::write(&file, text(1024 * 1024)).unwrap();
    load_file(&file, &[]).unwrap();
    let long = "x".repeat(1024 * 1024);
    fs::write(&file, text(1024 * 1024 + 1)).unwrap();
    assert!(load_file(&file, &[]).is_err());
    let set_file = [format!("labels.a={}", file.display())];
    let given = Given {
        set_file: &set_file,
        ..Given::default()
    };
    assert!(load(given, &[]).is_err());
    fs::write(&file, "labels: {a: \"${LONG}\"}").unwrap();
    assert!(load_file(&file, &[("LONG", &long)]).is_err());
}

#[test]
fn a_file_full_of_problems_is_answered_soon_and_in_short() {
    let long = "k".repeat(1000);
    let keys: Vec<String> = (0..1000).map(|at| format!("{long}{at}: 1")).collect();
    let problems = yaml(&keys.join("\n")).unwrap_err();
    assert!(problems.starts_with("1000 problems in "), "{problems}");
    assert!(problems.ends_with("\n  and 900 more"), "{problems}");
    assert!(problems.len() < 20_000, "{}", problems.len());
}

#[test]
fn both_names_of_the_plugin_and_both_ways_to_ask_are_one_too_many() {
    let both = yaml("plugins: {envoy_ext_authz_grpc: {}, envoy.ext_authz.grpc: {}}").unwrap_err();
    assert!(both.contains("is the same plugin"), "{both}");
    let both = yaml("plugins: {envoy_ext_authz_grpc: {path: a/b, query: data.a.b}}").unwrap_err();
    assert!(both.contains("specify a value for only the \"path\" field"));
}

#[test]
fn two_servers_cannot_share_a_port_unless_the_system_chooses_it() {
    let plugin = "plugins: {envoy_ext_authz_grpc: {addr: ':8282'}}";
    let clash = yaml(plugin).unwrap_err();
    assert!(
        clash.contains("portcullis.admin.addr: `:8282` is"),
        "{clash}"
    );
    let chosen = format!("{plugin}\nportcullis: {{admin: {{addr: ':0'}}}}").replace("8282", "0");
    yaml(&chosen).unwrap();
}

#[test]
fn a_connection_may_stay_for_ever_only_when_that_is_said_in_a_word() {
    let age = |word: &str| {
        let config = set(&[&format!("portcullis.http2.max_connection_age={word}")])?;
        Ok(config.portcullis.http2.max_connection_age)
    };
    let hour = Some(Duration::from_hours(1));
    assert_eq!(Config::default().portcullis.http2.max_connection_age, hour);
    assert_eq!(age("null"), Ok(hour));
    assert_eq!(age("never"), Ok(None));
    for word in ["0", "0s", "none", "1ms"] {
        let problem: String = age(word).unwrap_err();
        assert!(problem.contains("write `never`"), "{problem}");
    }
}

#[test]
fn certificates_are_never_looked_at_without_a_pause() {
    let interval = |word: &str| {
        set(&[
            "portcullis.tls.cert_file=c,portcullis.tls.key_file=k",
            &format!("portcullis.tls.reload_interval={word}"),
        ])
    };
    assert!(interval("1s").is_ok());
    for word in ["0s", "\"\"", "999ms", "2h"] {
        assert!(interval(word).is_err(), "{word}");
    }
}

#[test]
fn a_list_of_callers_that_would_refuse_everybody_is_an_error() {
    let problems = set(&["portcullis.tls.cert_file=c,portcullis.tls.key_file=k,\
         portcullis.tls.allowed_callers={spiffe://a.b/*}"])
    .unwrap_err();
    assert!(problems.contains("set `client_ca_file` too"), "{problems}");
    let problems = yaml(
        "portcullis: {tls: {cert_file: c, key_file: k, client_ca_file: a, allowed_callers: []}}",
    )
    .unwrap_err();
    assert!(
        problems.contains("an empty list lets nobody ask"),
        "{problems}"
    );
}

#[test]
fn dry_run_is_never_on_without_a_word() {
    let config = set(&["plugins.envoy_ext_authz_grpc.dry-run=true"]).unwrap();
    assert_eq!(
        config.warnings,
        ["`plugins.envoy_ext_authz_grpc.dry-run` is on: every request is let through"]
    );
}
