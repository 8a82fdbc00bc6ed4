//! Policies that change while they are asked.

use std::{
    fs,
    os::unix::fs::symlink,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use envoy_types::pb::envoy::service::auth::v3::{CheckResponse, check_response::HttpResponse};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::{
    failures::code,
    requests,
    server::{Server, check},
};

const WATCH: &[&str] = &["portcullis.watch=true", "portcullis.budget=10s"];

/// A policy that tells the version of its module and of its data.
fn module(version: usize) -> String {
    format!(
        r#"package envoy.authz

default allow := false

allow := {{"allowed": true, "headers": {{"x-module": "{version}", "x-data": data.release.version}}}} if {{
	input.parsed_path[0] != "closed"
}}
"#
    )
}

fn data(version: usize) -> String {
    json!({"release": {"version": version.to_string()}}).to_string()
}

/// The versions of module and data that an allow was made of.
fn versions(answer: &CheckResponse) -> (String, String) {
    let Some(HttpResponse::OkResponse(ok)) = &answer.http_response else {
        panic!("{answer:?}")
    };
    let value = |name: &str| {
        let mut headers = ok.headers.iter().filter_map(|h| h.header.as_ref());
        headers.find(|h| h.key == name).unwrap().value.clone()
    };
    (value("x-module"), value("x-data"))
}

/// A folder as Kubernetes mounts a ConfigMap.
fn mount() -> TempDir {
    let folder = TempDir::new().unwrap();
    swap(folder.path(), 0);
    for name in ["policy.rego", "data.json"] {
        let target = Path::new("..data").join(name);
        symlink(target, folder.path().join(name)).unwrap();
    }
    folder
}

/// The next generation, by the one rename that the kubelet does.
fn swap(folder: &Path, version: usize) {
    let generation = format!("..generation-{version}");
    let files = folder.join(&generation);
    fs::create_dir(&files).unwrap();
    fs::write(files.join("policy.rego"), module(version)).unwrap();
    fs::write(files.join("data.json"), data(version)).unwrap();
    let next = folder.join("..data_tmp");
    symlink(&generation, &next).unwrap();
    fs::rename(next, folder.join("..data")).unwrap();
    if let Some(old) = version.checked_sub(1) {
        fs::remove_dir_all(folder.join(format!("..generation-{old}"))).unwrap();
    }
}

async fn is_version(server: &Server, version: usize) -> bool {
    let answer = server.check(&requests::path("/open")).await;
    let (module, data) = versions(&answer);
    assert_eq!(module, data, "an answer of two generations");
    module == version.to_string()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn checks_never_fail_nor_mix_versions_while_a_configmap_is_swapped_fifty_times() {
    let server = Server::serving(mount(), WATCH).await;
    let stop = Arc::new(AtomicBool::new(false));
    let callers: Vec<_> = (0..2)
        .map(|_| {
            let (channel, stop) = (server.channel(), Arc::clone(&stop));
            tokio::spawn(async move {
                let (open, closed) = (requests::path("/open"), requests::path("/closed"));
                let (mut seen, mut newest) = (std::collections::BTreeSet::new(), 0);
                while !stop.load(Ordering::Relaxed) {
                    let allowed = check(&channel, &open, None).await.unwrap();
                    let (module, data) = versions(&allowed);
                    assert_eq!(module, data, "an answer of two generations");
                    let version: usize = module.parse().unwrap();
                    assert!(version >= newest, "{version} came after {newest}");
                    newest = version;
                    seen.insert(version);
                    let denied = check(&channel, &closed, None).await.unwrap();
                    assert_eq!(code(&denied), 7);
                }
                seen.len()
            })
        })
        .collect();
    for version in 1..=50 {
        swap(server.folder(), version);
        crate::server::soon(async {
            while !is_version(&server, version).await {
                tokio::task::yield_now().await;
            }
        })
        .await;
    }
    stop.store(true, Ordering::Relaxed);
    for caller in callers {
        let seen = caller.await.unwrap();
        assert!(seen > 10, "only {seen} versions seen");
    }
}

/// Replaces the module as editors do.
fn replace(server: &Server, text: &str) {
    let next = server.folder().join(".next");
    fs::write(&next, text).unwrap();
    fs::rename(next, server.folder().join("policy.rego")).unwrap();
}

fn allows(path: &str) -> String {
    format!(
        "package envoy.authz\n\ndefault allow := false\n\nallow if input.parsed_path[0] == \"{path}\"\n"
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_renamed_over_the_old_one_becomes_the_policy() {
    let server = Server::start(&allows("old"), WATCH).await;
    let old = server.json("/policy").await;
    replace(&server, &allows("new"));
    let new = server
        .policy_when(|p| p["revision"] != old["revision"])
        .await;
    assert_eq!(new["last_error"], Value::Null);
    assert_eq!(code(&server.check(&requests::path("/new")).await), 0);
    assert_eq!(code(&server.check(&requests::path("/old")).await), 7);
    let active = "portcullis_policy_activations_total{result=\"success\"}";
    assert_eq!(server.metric(active).await, Some(2.0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broken_change_keeps_the_last_good_policy_and_shows_where_it_is_broken() {
    let server = Server::start(&allows("old"), WATCH).await;
    let good = server.json("/policy").await;
    for broken in [
        "package envoy.authz\n\nallow if )\n",
        "package envoy.authz\n\nallow if nobody_knows_me(1)\n",
        "package elsewhere\n\nallow := true\n",
    ] {
        let before = server.json("/policy").await["last_error"].clone();
        replace(&server, broken);
        let bad = server.policy_when(|p| p["last_error"] != before).await;
        assert_eq!(bad["revision"], good["revision"]);
        assert_eq!(bad["active"], true);
        let error = bad["last_error"].as_str().unwrap();
        assert!(
            error.contains("policy.rego:3") || error.contains("envoy.authz"),
            "{error}"
        );
        assert_eq!(server.get("/readyz").await.status, 200);
        assert_eq!(code(&server.check(&requests::path("/old")).await), 0);
        assert_eq!(code(&server.check(&requests::path("/new")).await), 7);
    }
    let rejected = "portcullis_policy_activations_total{result=\"failure\"}";
    assert_eq!(server.metric(rejected).await, Some(3.0));
    replace(&server, &allows("new"));
    server.policy_when(|p| p["last_error"].is_null()).await;
    assert_eq!(code(&server.check(&requests::path("/new")).await), 0);
    assert_eq!(code(&server.check(&requests::path("/old")).await), 7);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_policy_that_is_deleted_stays_the_active_one() {
    let server = Server::start(&allows("old"), WATCH).await;
    fs::remove_file(server.folder().join("policy.rego")).unwrap();
    server.policy_when(|p| !p["last_error"].is_null()).await;
    assert_eq!(code(&server.check(&requests::path("/old")).await), 0);
    assert_eq!(code(&server.check(&requests::path("/new")).await), 7);
}
