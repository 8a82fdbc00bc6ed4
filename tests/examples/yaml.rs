//! The YAML of `docs/examples`: everything parses, refers to what there is, and keeps to what
//! `docs/istio.md` says. Schemas are checked by `make chart-test`.

use std::{fs, path::PathBuf};

use serde::Deserialize as _;
use serde_json::Value;

use crate::repository;

/// Every document of a text.
pub(crate) fn documents(text: &str) -> Vec<Value> {
    let documents = yaml_serde::Deserializer::from_str(text);
    let values = documents.map(|document| Value::deserialize(document).unwrap());
    values.filter(|value| !value.is_null()).collect()
}

/// The objects of the examples for this mesh or gateway, with the files they are in.
fn objects(folder: &str) -> Vec<(PathBuf, Value)> {
    let mut folders = vec![repository("docs/examples").join(folder)];
    let mut objects = Vec::new();
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|is| is == "yaml") {
                let all = documents(&fs::read_to_string(&path).unwrap());
                objects.extend(all.into_iter().map(|object| (path.clone(), object)));
            }
        }
    }
    objects
}

/// The objects of a kind.
fn of_kind(folder: &str, kind: &str) -> Vec<(PathBuf, Value)> {
    let mut objects = objects(folder);
    objects.retain(|(_, object)| object["kind"] == kind);
    assert!(!objects.is_empty(), "no {kind} in {folder}");
    objects
}

/// The entry of `extensionProviders`.
fn provider() -> Value {
    let mut objects = objects("istio").into_iter();
    let values = objects.find(|(path, _)| path.ends_with("istiod-values.yaml"));
    let values = values.unwrap().1;
    let providers = values["meshConfig"]["extensionProviders"].as_array();
    assert_eq!(providers.unwrap().len(), 1);
    providers.unwrap()[0].clone()
}

#[test]
fn every_object_says_what_it_is_and_where_it_belongs() {
    for folder in ["istio", "envoy-gateway", "contour"] {
        for (path, object) in objects(folder) {
            if path.ends_with("istiod-values.yaml") {
                continue;
            }
            let at = path.display();
            assert!(object["apiVersion"].is_string(), "{at}: {object}");
            assert!(object["metadata"]["name"].is_string(), "{at}: {object}");
            let global = ["Namespace", "GatewayClass"].contains(&object["kind"].as_str().unwrap());
            let placed = object["metadata"]["namespace"].is_string();
            assert_ne!(global, placed, "{at}: {object}");
        }
    }
}

#[test]
fn the_provider_is_one_that_istiod_accepts_and_that_fails_closed() {
    let provider = provider();
    let name = provider["name"].as_str().unwrap();
    let fits = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    assert!(name.chars().all(fits), "{name}");
    let grpc = &provider["envoyExtAuthzGrpc"];
    assert_eq!(grpc["service"], "portcullis.authz.svc.cluster.local");
    assert_eq!(grpc["port"], 9191);
    assert_eq!(grpc["timeout"], "0.5s");
    assert_eq!(grpc["failOpen"], false);
    // Text: the API has no number here.
    assert_eq!(grpc["statusOnError"], "503");
}

#[test]
fn every_custom_policy_names_the_provider_and_leaves_identities_to_the_gate() {
    let mut customs = of_kind("istio", "AuthorizationPolicy");
    customs.retain(|(_, policy)| policy["spec"]["action"] == "CUSTOM");
    assert_eq!(customs.len(), 4);
    for (path, policy) in customs {
        let at = path.display();
        assert_eq!(
            policy["spec"]["provider"]["name"],
            provider()["name"],
            "{at}"
        );
        assert_ne!(policy["metadata"]["namespace"], "authz", "{at}: recursion");
        let target = ["selector", "targetRefs"].map(|key| policy["spec"][key].is_null());
        assert!(target.contains(&false), "{at} selects everything");
        let text = policy["spec"]["rules"].to_string();
        for refused in [
            "rincipals",
            "amespaces",
            "erviceAccounts",
            "rustDomains",
            "source.principal",
            "source.namespace",
            "request.auth",
        ] {
            assert!(!text.contains(refused), "{at}: Istio refuses `{refused}`");
        }
    }
}

#[test]
fn an_object_that_names_the_gate_names_the_service_of_the_chart() {
    let (_, sidecar) = &of_kind("istio", "Sidecar")[0];
    let hosts = sidecar["spec"]["egress"][0]["hosts"].as_array().unwrap();
    assert!(hosts.contains(&"authz/portcullis.authz.svc.cluster.local".into()));
    let (_, policy) = &of_kind("envoy-gateway", "SecurityPolicy")[0];
    let authorization = &policy["spec"]["extAuth"];
    let reference = &authorization["grpc"]["backendRefs"][0];
    let named = (
        &reference["namespace"],
        &reference["name"],
        &reference["port"],
    );
    assert_eq!(named, (&"authz".into(), &"portcullis".into(), &9191.into()));
    assert_eq!(authorization["failOpen"], false);
    let (_, service) = &of_kind("contour", "ExtensionService")[0];
    assert_eq!(service["metadata"]["namespace"], "authz");
    let target = &service["spec"]["services"][0];
    assert_eq!(
        (&target["name"], &target["port"]),
        (&"portcullis".into(), &9191.into())
    );
    let (_, proxy) = &of_kind("contour", "HTTPProxy")[0];
    let authorization = &proxy["spec"]["virtualhost"]["authorization"];
    assert_eq!(
        authorization["extensionRef"]["name"],
        service["metadata"]["name"]
    );
    assert_eq!(authorization["failOpen"], false);
}

#[test]
fn what_was_generated_from_the_examples_is_not_older_than_they_are() {
    for folder in ["istiod", "envoy_gateway"] {
        let path = repository("tests/fixtures")
            .join(folder)
            .join("made_of.json");
        let made_of: Value = serde_json::from_slice(&fs::read(path).unwrap()).unwrap();
        let made_of = made_of.as_object().unwrap();
        assert!(made_of.len() > 1, "{folder}");
        for (file, then) in made_of {
            let now = documents(&fs::read_to_string(repository(file)).unwrap());
            let same = then.as_array() == Some(&now);
            assert!(
                same,
                "`{file}` has changed: tests/fixtures/{folder}/README.md"
            );
        }
    }
}

#[test]
fn every_example_that_a_page_links_to_is_there() {
    for page in ["istio.md", "migrating-from-opa-envoy.md"] {
        let text = fs::read_to_string(repository("docs").join(page)).unwrap();
        let links = text
            .split("](")
            .skip(1)
            .filter_map(|rest| rest.split(')').next());
        let mut files = links.filter(|link| !link.starts_with("http") && !link.starts_with('#'));
        assert!(files.clone().count() > 5, "{page}");
        let missing = files.find(|link| {
            let file = link.split('#').next().unwrap();
            !repository("docs").join(file).exists()
        });
        assert_eq!(missing, None, "{page}");
    }
}
