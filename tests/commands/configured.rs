//! Commands with a configuration that says where policy comes from.

use std::fs;

use tempfile::TempDir;

use super::{capture, portcullis};

const POLICY: &str = "package envoy.authz\n\nallow := true\n";

/// A folder with a bundle `b` and a configuration that says this of bundles.
fn given(bundles: &str) -> (TempDir, String) {
    let folder = tempfile::tempdir().unwrap();
    let bundle = folder.path().join("b");
    fs::create_dir(&bundle).unwrap();
    fs::write(bundle.join("policy.rego"), POLICY).unwrap();
    let config = folder.path().join("config.yaml");
    let bundles = bundles.replace("HERE", &folder.path().display().to_string());
    fs::write(&config, bundles).unwrap();
    let config = config.display().to_string();
    (folder, config)
}

#[test]
fn a_bundle_in_a_file_is_loaded_and_one_that_would_be_fetched_is_named() {
    let remote = "services: {s: {url: 'https://bundles.example'}}\n\
                  bundles: {own: {resource: 'file://HERE/b'}, shop: {service: s}}";
    let discovery = "services: {s: {url: 'https://bundles.example'}}\ndiscovery: {resource: d}";
    for (bundles, code, said) in [
        ("bundles: {own: {resource: 'file://HERE/b'}}", 0, ""),
        (
            "bundles: {own: {resource: 'file://HERE/none'}}",
            64,
            "HERE/none",
        ),
        (
            remote,
            64,
            "the configuration's `shop` would have to be fetched",
        ),
        (
            discovery,
            64,
            "the configuration's `discovery` would have to be fetched",
        ),
    ] {
        let (folder, config) = given(bundles);
        let said = said.replace("HERE", &folder.path().display().to_string());
        let done = portcullis(&["inspect", "--config-file", &config]);
        assert_eq!(done.code, code, "{bundles}: {}", done.err);
        assert!(done.err.contains(&said), "{bundles}: {}", done.err);
    }
}

#[test]
fn a_policy_that_is_given_stands_in_for_what_would_be_fetched() {
    let (folder, config) =
        given("services: {s: {url: 'https://bundles.example'}}\nbundles: {shop: {}}");
    let policy = folder.path().join("b/policy.rego");
    let policy = policy.display().to_string();
    let done = portcullis(&["inspect", "--config-file", &config, &policy]);
    assert_eq!(done.code, 0, "{}", done.err);
    assert!(done.err.contains("`shop` is left out"), "{}", done.err);
}

#[test]
fn a_bundle_in_a_file_must_prove_itself_where_there_are_keys() {
    let (_folder, config) = given(
        "keys: {k: {key: secret, algorithm: HS256}}\nbundles: {own: {resource: 'file://HERE/b'}}",
    );
    let request = capture("http1-plaintext-get.pb").display().to_string();
    let decide = |config: &str| portcullis(&["decide", "--config-file", config, &request]);
    let done = decide(&config);
    assert_eq!(done.code, 64, "{}", done.err);
    assert!(done.err.contains("sign"), "{}", done.err);
    let (_folder, config) = given("bundles: {own: {resource: 'file://HERE/b'}}");
    let done = decide(&config);
    assert_eq!(done.code, 0, "{}", done.err);
}
