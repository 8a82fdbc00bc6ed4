//! The driver without a cluster: a stand-in for kubectl that notes what it is told and runs commands
//! here, with the real curl and the real application of the kind run.

use std::{
    fs::{self, Permissions},
    os::unix::fs::PermissionsExt as _,
    path::PathBuf,
};

use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::net::TcpListener;

use crate::{
    applications::Echo,
    commands::Commands,
    curl,
    driver::Driver,
    mesh::{
        LOADED, Load as _, Mesh as _,
        wire::{Answer, OUTSIDER, Request, SLEEP, Target},
    },
};

/// Everything in front of `--` is noted, everything behind it is run; what is applied is noted too.
const KUBECTL: &str = r#"#!/bin/sh
here=${0%/*}
if [ "$1" = apply ]; then exec cat >"$here/applied"; fi
export CURL_HOME="$here"
while [ "$1" != -- ]; do echo "$1" >>"$here/told"; shift; done
shift
exec "$@"
"#;

/// A driver whose callers reach this port, whatever they call.
struct Rehearsal {
    folder: TempDir,
    driver: Driver,
}

impl Rehearsal {
    fn on(port: u16) -> Self {
        let folder = TempDir::new().unwrap();
        let curlrc = format!("connect-to = \"::127.0.0.1:{port}\"\nnoproxy = \"*\"\n");
        fs::write(folder.path().join(".curlrc"), curlrc).unwrap();
        let kubectl = folder.path().join("kubectl");
        fs::write(&kubectl, KUBECTL).unwrap();
        fs::set_permissions(&kubectl, Permissions::from_mode(0o755)).unwrap();
        let driver = Driver::with(Commands {
            kubectl: kubectl.into(),
            istioctl: "istioctl".into(),
            helm: "helm".into(),
            engine: "docker".into(),
            node: "node".to_owned(),
        });
        Self { folder, driver }
    }

    fn noted(&self, what: &str) -> String {
        fs::read_to_string(self.file(what)).unwrap()
    }

    fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }
}

#[tokio::test]
async fn a_request_arrives_as_it_was_sent_and_nothing_is_added() {
    let mut echo = Echo::start().await;
    let rehearsal = Rehearsal::on(echo.port);
    let request = Request::post("/orders?x=1", 1025).header("x-internal", "secret");
    let told = rehearsal.driver.send(SLEEP, Target::Closed, &request).await;
    let told = told.unwrap();
    assert_eq!(told.status, 200);
    let seen = told.seen();
    assert_eq!(seen[":uri"], "/orders?x=1");
    assert_eq!(seen[":body"], 1025);
    assert_eq!(seen["x-internal"], json!(["secret"]));
    assert_eq!(seen["host"], json!(["closed.foo.svc.cluster.local:8000"]));
    assert_eq!([&seen["content-type"], &seen["expect"]], [&Value::Null; 2]);
    assert_eq!(echo.logged().await, "arrived /orders?x=1");
    let words = "--namespace\nfoo\nexec\n--stdin\ndeployment/caller-sleep\n--container\ncaller\n";
    assert_eq!(rehearsal.noted("told"), words);

    let get = Request::get("/public");
    let told = rehearsal.driver.send(OUTSIDER, Target::Open, &get).await;
    assert_eq!(told.unwrap().seen()[":body"], 0);
    assert!(
        rehearsal
            .noted("told")
            .ends_with(&words.replace("foo", "legacy"))
    );
}

#[test]
fn a_grpc_call_is_sent_over_http2_with_the_type_of_its_content() {
    let command = curl::command("http://x/", &Request::grpc("/shop.Orders/List"));
    let has = |wanted: &str| command.iter().any(|argument| argument == wanted);
    assert!(has("--http2-prior-knowledge") && has("content-type: application/grpc"));
    assert!(has("expect:") && !has("content-type:"));
}

#[test]
fn an_answer_is_read_without_what_came_before_it() {
    let printed =
        "HTTP/1.1 100 Continue\r\n\r\nHTTP/2 403 \r\nX-Denied-By: portcullis\r\n\r\nno\r\n\r\n";
    let read = Answer {
        status: 403,
        headers: vec![("x-denied-by".to_owned(), "portcullis".to_owned())],
        body: "no\r\n\r\n".to_owned(),
    };
    assert_eq!(curl::answer(printed), read);
}

#[tokio::test]
async fn a_connection_that_is_closed_is_no_answer() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let closing = tokio::spawn(async move { drop(listener.accept().await.unwrap()) });
    let rehearsal = Rehearsal::on(port);
    let get = Request::get("/");
    let told = rehearsal.driver.send(SLEEP, Target::Tcp, &get).await;
    assert_eq!(told, None);
    closing.await.unwrap();
}

/// The twin: a connection that is never made says nothing about a gate.
#[tokio::test]
#[should_panic(expected = "Some(7) of")]
async fn a_connection_that_is_refused_is_not_taken_for_a_closed_one() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    drop(listener);
    let get = Request::get("/");
    Rehearsal::on(port)
        .driver
        .send(SLEEP, Target::Tcp, &get)
        .await;
}

#[tokio::test]
async fn callers_of_a_load_ask_in_turns_until_they_are_told_to_end() {
    let echo = Echo::start().await;
    let rehearsal = Rehearsal::on(echo.port);
    let mut load = rehearsal.driver.load().await;
    load.goes_on(20).await;
    let told = load.end().await;
    assert_eq!(told.len(), 4);
    assert!(told.iter().map(Vec::len).sum::<usize>() >= 20);
    for of_caller in told {
        for (told, (path, _)) in of_caller.iter().zip(LOADED.iter().cycle()) {
            assert_eq!((&*told.path, told.status), (*path, 200));
            // The application says nothing of that.
            assert_eq!((told.policy, told.data, told.release), (None, None, None));
        }
    }
}

#[tokio::test]
#[should_panic(expected = "a caller got no answer")]
async fn a_load_that_gets_no_answer_fails() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    drop(listener);
    Rehearsal::on(port).driver.load().await.end().await;
}

#[tokio::test]
async fn a_version_of_the_policy_goes_into_the_config_map_that_the_chart_mounts() {
    // It answers like the policy, so that the driver has nothing to wait for.
    let served = axum::Router::new().fallback(async || [("x-policy", "7")]);
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move { axum::serve(listener, served).await });
    let mut rehearsal = Rehearsal::on(port);
    rehearsal.driver.publish(7).await;
    let applied: Value = serde_json::from_str(&rehearsal.noted("applied")).unwrap();
    assert_eq!(applied["kind"], "ConfigMap");
    assert_eq!(
        applied["metadata"],
        json!({"name": "policy", "namespace": "authz"})
    );
    assert_eq!(applied["data"]["data.json"], r#"{"version": "7"}"#);
    let rego = applied["data"]["policy.rego"].as_str().unwrap();
    assert!(rego.contains(r#""x-policy": "7""#), "{rego}");
}
