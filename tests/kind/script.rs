//! What `tests/kind/run` gives to the cluster, and what it says where there is nothing to run it with.

use std::{
    fs::{self, Permissions},
    os::unix::fs::{PermissionsExt as _, symlink},
    path::{Path, PathBuf},
    process::{Command, Output},
};

use serde::Deserialize as _;
use serde_json::Value;
use tempfile::TempDir;

use crate::{
    driver::application,
    mesh::wire::{AMBIENT_SLEEP, AMBIENT_STRANGER, BODY_LIMIT, OUTSIDER, SLEEP, STRANGER, Target},
};

fn file(path: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests");
    folder.join(path)
}

fn documents(path: &str) -> Vec<Value> {
    let text = fs::read_to_string(file(path)).unwrap();
    let documents = yaml_serde::Deserializer::from_str(&text);
    let read = documents.map(|document| Value::deserialize(document).unwrap());
    read.collect()
}

/// Runs the script with nothing on the `PATH` but bash, and what `more` puts there.
fn run(more: impl FnOnce(&Path)) -> Output {
    let folder = TempDir::new().unwrap();
    let bash = ["/bin/bash", "/usr/bin/bash"].map(Path::new);
    let bash = bash.into_iter().find(|bash| bash.exists()).unwrap();
    symlink(bash, folder.path().join("bash")).unwrap();
    more(folder.path());
    let mut script = Command::new(bash);
    script.arg(file("kind/run")).env("PATH", folder.path());
    script.env_remove("KIND");
    script.output().unwrap()
}

/// Puts a program there that ends with this code.
fn program(folder: &Path, name: &str, code: u8) {
    write_program(folder, name, &format!("exit {code}"));
}

fn write_program(folder: &Path, name: &str, script: &str) {
    let path = folder.join(name);
    fs::write(&path, format!("#!/bin/sh\n{script}\n")).unwrap();
    fs::set_permissions(&path, Permissions::from_mode(0o755)).unwrap();
}

/// Runs the script as `make kind-test` does, on a machine where only pretended tools are: kind knows `clusters`,
/// and `create cluster` fails, as everything of `engine` ends with that code. What the script says on standard
/// error, and what kind and the engine were called with.
fn run_to_cluster(clusters: &str, engine: &str) -> (String, Vec<String>) {
    let folder = TempDir::new().unwrap();
    let calls = folder.path().join("calls");
    let log = format!("echo \"${{0##*/}} $*\" >>'{}'", calls.display());
    let kind = format!("{log}\ncase $1 in get) printf '{clusters}' ;; create) exit 1 ;; esac");
    write_program(folder.path(), "kind", &kind);
    write_program(folder.path(), "docker", &format!("{log}\n{engine}"));
    for name in ["cargo", "curl", "go", "kubectl", "make", "tar"] {
        program(folder.path(), name, 0);
    }
    let path = format!("{}:/usr/bin:/bin", folder.path().display());
    let mut script = Command::new(file("kind/run"));
    script
        .env("PATH", path)
        .env("KIND", folder.path().join("kind"));
    for name in ["ISTIOCTL", "HELM", "GATEWAY_API_VERSION"] {
        script.env(name, "unused");
    }
    script.env("TMPDIR", folder.path()).env_remove("KEEP");
    let output = script.output().unwrap();
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    let calls = fs::read_to_string(calls).unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    (said, calls.lines().map(str::to_owned).collect())
}

fn expect_nothing_run(output: &Output, why: &str) {
    assert_eq!(output.status.code(), Some(3), "{output:?}");
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(said, format!("kind-test: {why}; nothing was run\n"));
    assert!(output.stdout.is_empty(), "{output:?}");
}

#[test]
fn without_a_container_engine_the_run_says_so_in_one_line_and_exits_3() {
    let why = "no container engine answers (docker, podman)";
    expect_nothing_run(&run(|_| ()), why);
    // The client alone is no engine.
    expect_nothing_run(&run(|folder| program(folder, "docker", 1)), why);
}

#[test]
fn without_kubectl_it_does_the_same() {
    let output = run(|folder| {
        for name in ["docker", "cargo", "curl", "go"] {
            program(folder, name, 0);
        }
    });
    expect_nothing_run(&output, "no kubectl on the PATH");
}

#[test]
fn with_everything_there_it_goes_on() {
    let output = run(|folder| {
        for name in ["podman", "cargo", "curl", "go", "kubectl", "make", "tar"] {
            program(folder, name, 0);
        }
    });
    // Only `make kind-test` knows the versions.
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(
        said.ends_with("KIND: is said by make kind-test\n"),
        "{said}"
    );
}

#[test]
fn a_cluster_of_the_same_name_is_refused_at_once_and_stays() {
    let (said, calls) = run_to_cluster("other\\nportcullis\\n", "exit 0");
    assert!(
        said.starts_with("kind-test: there is a cluster `portcullis` already; "),
        "{said}"
    );
    assert_eq!(calls, ["docker info", "kind get clusters"]);
}

#[test]
fn a_run_that_ends_before_its_cluster_begins_deletes_none() {
    let (_, calls) = run_to_cluster("", "[ \"$1\" = info ]");
    let [.., last] = &calls[..] else {
        panic!("nothing was called");
    };
    assert!(last.starts_with("docker build "), "{calls:?}");
    assert!(
        !calls.iter().any(|call| call.contains("delete")),
        "{calls:?}"
    );
}

#[test]
fn a_cluster_that_was_half_made_is_deleted() {
    // A name that only begins in the same way is another cluster.
    let (_, calls) = run_to_cluster("portcullis-2\\n", "exit 0");
    let kind: Vec<_> = calls
        .iter()
        .filter(|call| call.starts_with("kind "))
        .map(|call| call.split(" --").next().unwrap())
        .collect();
    let want = [
        "kind get clusters",
        "kind get clusters",
        "kind create cluster",
        "kind export logs",
        "kind delete cluster",
    ];
    assert_eq!(kind, want);
}

#[test]
fn the_gate_of_the_cluster_is_configured_as_the_one_of_the_library() {
    let [values] = &documents("kind/values.yaml")[..] else {
        panic!("one document");
    };
    let [gate] = &documents("mesh/gate.yaml")[..] else {
        panic!("one document");
    };
    assert_eq!(&values["config"], gate);
    // Helm reads YAML 1.1, where a bare `n` is a boolean: nobody's key.
    let text = fs::read_to_string(file("kind/values.yaml")).unwrap();
    assert!(text.contains("\"n\": "), "{text}");
}

#[test]
fn every_manifest_names_its_kind_and_every_policy_an_application_or_a_waypoint() {
    let mut objects = Vec::new();
    for entry in fs::read_dir(file("kind/manifests")).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        objects.extend(documents(&format!("kind/manifests/{name}")));
    }
    for object in &objects {
        for key in ["/apiVersion", "/kind", "/metadata/name"] {
            assert!(
                object.pointer(key).is_some_and(Value::is_string),
                "{object}"
            );
        }
    }
    let of_kind = |kind: &'static str| objects.iter().filter(move |object| object["kind"] == kind);
    for target in TARGETS {
        let (namespace, name) = application(target);
        let named = |policy: &&Value| {
            let spec = &policy["spec"];
            let targets = spec["targetRefs"].as_array().into_iter().flatten();
            policy["metadata"]["namespace"] == namespace
                && spec["action"] == "CUSTOM"
                && (spec["selector"]["matchLabels"]["app"] == name
                    || targets.clone().any(|target| target["name"] == name))
        };
        let policies: Vec<_> = of_kind("AuthorizationPolicy").filter(named).collect();
        let [policy] = policies[..] else {
            panic!("{target:?}: {policies:?}");
        };
        let provider = policy["spec"]["provider"]["name"].as_str().unwrap();
        assert_eq!(provider, provider_of(target), "{target:?}");
    }
    let namespaces: Vec<_> = of_kind("Namespace")
        .map(|object| &object["metadata"]["name"])
        .collect();
    for caller in [SLEEP, STRANGER, OUTSIDER, AMBIENT_SLEEP, AMBIENT_STRANGER] {
        assert!(
            namespaces.iter().any(|name| **name == caller.namespace),
            "{caller:?}"
        );
        let word = format!("{}/{}", caller.namespace, caller.service_account);
        let script = fs::read_to_string(file("kind/run")).unwrap();
        assert!(script.contains(&word), "{word} is not deployed");
    }
}

#[test]
fn the_providers_of_istio_are_those_that_targets_stand_for() {
    let [operator] = &documents("kind/istio.yaml")[..] else {
        panic!("one document");
    };
    let providers = &operator["spec"]["meshConfig"]["extensionProviders"];
    let entry = |name: &str| {
        let mut providers = providers.as_array().unwrap().iter();
        let found = providers.find(|provider| provider["name"] == name);
        found.map(|provider| &provider["envoyExtAuthzGrpc"])
    };
    for target in TARGETS {
        let name = provider_of(target);
        let Some(provider) = entry(name) else {
            assert_eq!(target, Target::Misnamed);
            continue;
        };
        assert_eq!(provider["failOpen"], target == Target::Open, "{name}");
        assert_eq!(provider["statusOnError"], "503", "{name}");
        let timeout = if target == Target::Hasty { "2s" } else { "20s" };
        assert_eq!(provider["timeout"], timeout, "{name}");
        let body = &provider["includeRequestBodyInCheck"];
        assert_eq!(body["maxRequestBytes"], BODY_LIMIT, "{name}");
        assert_eq!(body["allowPartialMessage"], false, "{name}");
    }
    assert!(entry("nobody").is_none());
}

fn provider_of(target: Target) -> &'static str {
    match target {
        Target::Closed | Target::Tcp | Target::Waypoint | Target::BareWaypoint => "portcullis",
        Target::Open => "portcullis-open",
        Target::Hasty => "portcullis-hasty",
        Target::Misnamed => "nobody",
    }
}

const TARGETS: [Target; 7] = [
    Target::Closed,
    Target::Open,
    Target::Hasty,
    Target::Misnamed,
    Target::Tcp,
    Target::Waypoint,
    Target::BareWaypoint,
];
