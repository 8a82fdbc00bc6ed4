//! The document, as OPA has it.

use std::sync::Arc;

use serde_json::{Value, json};

use super::*;

fn about() -> About {
    About {
        labels: labels(&[("zone".to_owned(), "a".to_owned())].into(), "gate-1"),
        bundles: Statuses::new(),
        discovery: Statuses::new(),
        ready: Ready::new(),
        plugin: "envoy_ext_authz_grpc",
    }
}

fn report(about: &About) -> Value {
    document::report(
        about,
        &about.bundles.current(),
        &about.discovery.current(),
        about.ready.current().is_ready(),
    )
}

#[test]
fn without_bundles_there_are_labels_and_plugins() {
    let want = json!({
        "labels": {"id": "gate-1", "version": crate::version::VERSION, "zone": "a"},
        "plugins": {"envoy_ext_authz_grpc": {"state": "OK"}, "status": {"state": "OK"}},
    });
    assert_eq!(report(&about()), want);
}

#[test]
fn the_id_of_an_instance_is_its_own() {
    let configured = [("id", "mine"), ("version", "9")];
    let configured = configured.map(|(key, value)| (key.to_owned(), value.to_owned()));
    assert_eq!(labels(&configured.into(), "gate-1")["id"], "gate-1");
}

#[test]
fn plugins_are_ready_when_what_they_wait_for_is_there() {
    let about = about();
    let pending = about.ready.register("bundles");
    let names: [Arc<str>; 2] = ["a".into(), "b".into()];
    for name in &names {
        about.bundles.add(name, "somewhere");
    }
    about.discovery.add(&"discovery".into(), "elsewhere");
    let states = |about: &About| {
        let plugins = report(about)["plugins"].clone();
        ["envoy_ext_authz_grpc", "bundle", "discovery"].map(|name| plugins[name]["state"] == "OK")
    };
    assert_eq!(states(&about), [false; 3]);
    about.bundles.change("a", |status| status.active = true);
    assert_eq!(states(&about), [false; 3]);
    about.bundles.change("b", |status| status.active = true);
    assert_eq!(states(&about), [false, true, false]);
    about
        .discovery
        .change("discovery", |status| status.active = true);
    pending.done();
    assert_eq!(states(&about), [true; 3]);
    let report = report(&about);
    assert_eq!(report["bundles"]["a"]["name"], "a");
    assert_eq!(report["discovery"]["name"], "discovery");
}
