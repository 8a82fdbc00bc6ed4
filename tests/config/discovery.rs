//! `discovery`, and what a discovered configuration may change.

use std::time::Duration;

use portcullis::{
    config::{Config, Discovery},
    policy::bundle::Limits,
    sources::bundles::{Kind, Polling, Source},
};
use serde_json::{Value, json};

use super::{
    bundles::{service, signed},
    services::problems_of,
    yaml,
};

/// What `discovery` of `everything.yaml` comes to.
pub(super) fn every_key(config: &Config) -> Discovery {
    Discovery {
        source: Source {
            name: "discovery".into(),
            kind: Kind::Http {
                service: service(config, "fresh"),
                resource: "discovery.tar.gz".to_owned(),
            },
            polling: Polling {
                min_delay: Duration::from_secs(30),
                max_delay: Duration::from_secs(40),
                long_polling_timeout: Some(Duration::from_secs(50)),
            },
            manual: false,
            persist: Some("/var/lib/portcullis".into()),
            limits: Limits {
                archive_bytes: 50_000_000,
                unpacked_bytes: 400_000_000,
                file_bytes: 200_000_000,
                entries: 500,
                module_bytes: 3_000_000,
                data_bytes: 900_000_000,
            },
            verification: signed(Some("release"), Some("discovery"), &["*.md"]),
            monotonic: None,
            run_tests: false,
            max_age: None,
        },
        decision: vec!["gates".to_owned(), "edge".to_owned()],
    }
}

const BOOT: &str = "services: {s: {url: 'https://s'}}\n\
    discovery: {resource: d}\n\
    labels: {zone: a}\n\
    keys: {k: {key: secret, algorithm: HS256}}\n\
    bundles: {own: {resource: 'file://own'}}\n";

fn discovered(found: &Value) -> Result<portcullis::config::Discovered, String> {
    let found = found.as_object().unwrap();
    let boot = yaml(BOOT).unwrap();
    boot.discovered(found).map_err(|error| error.to_string())
}

fn names(config: &Config) -> Vec<&str> {
    config.bundles.iter().map(|bundle| &*bundle.name).collect()
}

#[test]
fn where_the_configuration_is_follows_from_the_old_keys_as_well() {
    for (keys, resource, decision) in [
        ("resource: /d/e", "/d/e", ""),
        ("resource: d, name: x/y", "d", "x/y"),
        ("name: x", "bundles/x", "x"),
        ("name: /x/, prefix: /p/", "p/x", "x"),
        ("name: x, prefix: '', decision: a/b", "x", "a/b"),
        ("resource: d, decision: /a/b/", "d", "a/b"),
        ("resource: d, decision: a.b", "d", "a/b"),
    ] {
        let text = format!("services: {{s: {{url: 'https://s'}}}}\ndiscovery: {{{keys}}}");
        let discovery = yaml(&text).unwrap().discovery.unwrap();
        let Kind::Http { resource: got, .. } = &discovery.source.kind else {
            panic!("{keys}");
        };
        assert_eq!(got, resource, "{keys}");
        assert_eq!(discovery.decision.join("/"), decision, "{keys}");
    }
}

#[test]
fn what_is_found_is_added_to_what_was_given() {
    let found = json!({
        "services": [{"name": "t", "url": "https://t"}],
        "bundles": {"shop": {"service": "t"}},
        "labels": {"zone": "b", "tier": "edge"},
        "status": {"service": "t"},
        "keys": {"new": {"key": "other secret", "algorithm": "HS256"}},
    });
    let discovered = discovered(&found).unwrap();
    let config = &discovered.config;
    assert_eq!(names(config), ["own", "shop"]);
    assert_eq!(config.services.len(), 2);
    assert_eq!(config.labels["zone"], "a");
    assert_eq!(config.labels["tier"], "edge");
    assert_eq!(discovered.overridden, ["labels.zone"]);
    assert_eq!(discovered.not_applied, Vec::<String>::new());
    let status = config.status.as_ref().unwrap();
    assert_eq!(&*status.service.as_ref().unwrap().name, "t");
    // A key that is found signs bundles, never what it was found in.
    assert_eq!(config.discovery, yaml(BOOT).unwrap().discovery);
    assert_ne!(config.bundles[0], yaml(BOOT).unwrap().bundles[0]);
}

#[test]
fn a_service_that_is_found_is_never_the_default() {
    let found = json!({"services": {"a": {"url": "https://a"}}, "bundles": {"shop": {}}});
    let config = discovered(&found).unwrap().config;
    let own = Kind::Http {
        service: service(&config, "s"),
        resource: "bundles/shop".to_owned(),
    };
    assert_eq!(config.bundles[1].kind, own);
}

#[test]
fn nothing_found_is_the_configuration_of_the_start() {
    let boot = yaml(BOOT).unwrap();
    let discovered = discovered(&json!({})).unwrap();
    assert_eq!(discovered.config.bundles, boot.bundles);
    assert_eq!(discovered.config.services, boot.services);
    assert_eq!(discovered.config.redacted(), boot.redacted());
}

#[test]
fn bundles_that_did_not_change_are_the_same() {
    let found = |shop: &str| {
        let found = json!({"bundles": {"shop": {"resource": shop}, "other": {}}});
        discovered(&found).unwrap().config.bundles
    };
    let (first, second) = (found("a"), found("b"));
    assert_eq!(first[0], second[0]);
    assert_eq!(first[1], second[1]);
    assert_ne!(first[2], second[2]);
    assert_eq!(first, found("a"));
}

#[test]
fn what_needs_a_restart_is_named_and_left_out() {
    let found = json!({
        "plugins": {"envoy_ext_authz_grpc": {"dry-run": true}},
        "portcullis": {"budget": "1s"},
        "decision_logs": {"console": true},
        "some_key_of_mine": 1,
    });
    let discovered = discovered(&found).unwrap();
    let want = ["decision_logs", "plugins", "portcullis", "some_key_of_mine"];
    assert_eq!(discovered.not_applied, want);
    assert!(!discovered.config.plugin.dry_run);
    assert_eq!(discovered.config.portcullis, yaml(BOOT).unwrap().portcullis);
}

#[test]
fn whom_to_believe_is_never_discovered() {
    for found in [
        json!({"discovery": {"resource": "elsewhere"}}),
        json!({"services": {"s": {"url": "https://evil"}}}),
        json!({"services": [{"name": "s", "url": "https://s", "allow_insecure_tls": true}]}),
        json!({"keys": {"k": {"key": "mine", "algorithm": "HS256"}}}),
    ] {
        let problems = discovered(&found).unwrap_err();
        assert!(
            problems.contains("cannot be changed by discovery"),
            "{problems}"
        );
    }
    // The same again is no change.
    discovered(&json!({"keys": {"k": {"key": "secret", "algorithm": "HS256"}}})).unwrap();
}

#[test]
fn what_is_wrong_in_a_discovered_configuration_is_said_as_in_a_file() {
    let problems =
        discovered(&json!({"bundles": {"a": {"trigger": "often", "x": 1}}})).unwrap_err();
    assert!(
        problems.starts_with("2 problems in `the discovered configuration`"),
        "{problems}"
    );
    assert!(problems.contains("bundles.a.trigger"), "{problems}");
}

#[test]
fn every_mistake_about_discovery_is_said_with_its_rule() {
    insta::assert_snapshot!(problems_of(&[
        "discovery: {}",
        "discovery: {resource: d}",
        "discovery: {resource: d, service: x, polling: {max_delay_seconds: 1}, trigger: now, size_limit_bytes: 1}",
        "discovery: {resource: 'file://d', signing: {keyid: x}}",
    ]));
}
