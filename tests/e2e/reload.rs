//! A policy swapped while traffic flows.

use std::{
    fs,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use crate::{Mesh, client::Caller};

fn policy(version: usize, denied: &str) -> String {
    format!(
        r#"package envoy.authz

default allow := false

allow := {{"allowed": true, "response_headers_to_add": {{"x-policy": "{version}"}}}} if {{
	input.parsed_path[0] != "{denied}"
}}
"#
    )
}

/// Puts a policy in place as editors and Kubernetes do: by renaming over the old one.
fn replace(mesh: &Mesh, text: &str) {
    let path = mesh.gate.policy();
    let next = path.with_extension("next");
    fs::write(&next, text).unwrap();
    fs::rename(next, path).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn twenty_swaps_under_load_fail_no_request() {
    let mut mesh = Mesh::start(&policy(0, "closed")).await;
    let stop = Arc::new(AtomicBool::new(false));
    let client = mesh.client(&Caller::Workload("sleep"));
    let url = mesh.url(&Caller::Workload("sleep"), "inbound", "/open");
    let workers: Vec<_> = (0..4)
        .map(|_| {
            let (client, url, stop) = (client.clone(), url.clone(), Arc::clone(&stop));
            tokio::spawn(async move {
                let mut answered = 0;
                while !stop.load(Ordering::Relaxed) {
                    let answer = client.get(&url).send().await.unwrap();
                    assert_eq!(answer.status(), 200);
                    assert!(answer.headers().contains_key("x-policy"));
                    answered += 1;
                }
                answered
            })
        })
        .collect();
    for version in 1..=20 {
        let active = mesh.gate.count(|line| line["message"] == "policy activated");
        replace(&mesh, &policy(version, "closed"));
        while mesh.gate.count(|line| line["message"] == "policy activated") == active {
            tokio::task::yield_now().await;
        }
    }
    let last = mesh.get(Caller::Workload("sleep"), "/open").await;
    assert_eq!(last.headers()["x-policy"], "20");
    assert_eq!(mesh.get(Caller::Workload("sleep"), "/closed").await.status(), 403);
    stop.store(true, Ordering::Relaxed);
    for worker in workers {
        assert!(worker.await.unwrap() > 0, "a worker sent nothing");
    }
    mesh.gate.wait_for(|line| line["message"] == "policy activated").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broken_change_keeps_the_last_good_policy_and_says_so() {
    let mut mesh = Mesh::start(&policy(1, "closed")).await;
    replace(&mesh, "package envoy.authz\n\nallow := {{{");
    mesh.gate.wait_for(|line| line["message"] == "policy rejected").await;
    let answer = mesh.get(Caller::Workload("sleep"), "/open").await;
    assert_eq!(answer.headers()["x-policy"], "1");
    assert_eq!(mesh.get(Caller::Workload("sleep"), "/closed").await.status(), 403);
    replace(&mesh, &policy(2, "open"));
    mesh.gate
        .wait_for(|line| line["message"] == "policy activated" && line["last_error"].is_null())
        .await;
}
