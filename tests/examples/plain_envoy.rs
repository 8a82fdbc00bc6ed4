//! `docs/examples/envoy`: the file as it is, with nothing but its ports exchanged for free ones.

use std::{fs, net::Ipv4Addr};

use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpSocket,
};

use crate::{example::Example, repository, soon};

impl Example {
    /// The status that a request is answered with; the path is sent as it is written.
    async fn request(&self, method: &str, path: &str) -> u16 {
        let answer = self.exchange("http", Ipv4Addr::LOCALHOST, method, path);
        let answer = answer.await;
        let status = answer.strip_prefix("HTTP/1.1 ").and_then(|at| at.get(..3));
        status
            .unwrap_or_else(|| panic!("`{answer}`"))
            .parse()
            .unwrap()
    }

    /// Everything that comes back over a connection from this address, after a request was sent.
    async fn exchange(&self, listener: &str, from: Ipv4Addr, method: &str, path: &str) -> String {
        let socket = TcpSocket::new_v4().unwrap();
        socket.bind((from, 0).into()).unwrap();
        let envoy = (Ipv4Addr::LOCALHOST, self.envoy.port(listener)).into();
        let mut connection = socket.connect(envoy).await.unwrap();
        let request = format!("{method} {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n");
        connection.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        soon(connection.read_to_string(&mut answer)).await.unwrap();
        answer
    }

    /// The same through the TCP listener.
    async fn over_tcp(&self, from: Ipv4Addr) -> String {
        self.exchange("tcp", from, "GET", "/over-tcp").await
    }

    /// The decision ID that Envoy's access log has for a path.
    async fn logged_by_envoy(&self, path: &str) -> Value {
        let wanted = |line: &Value| line["listener"] == "http" && line["path"] == path;
        self.envoy.access.first(wanted).await["decision_id"].clone()
    }
}

/// The example's configuration between these ports.
fn configuration(gate: u16, application: u16) -> Value {
    let text = fs::read_to_string(repository("docs/examples/envoy/envoy.yaml")).unwrap();
    let mut all: Value = yaml_serde::from_str(&text).unwrap();
    let address = |port: u16| json!({"address": "127.0.0.1", "port_value": port});
    all["admin"]["address"]["socket_address"] = address(0);
    let resources = &mut all["static_resources"];
    for listener in resources["listeners"].as_array_mut().unwrap() {
        listener["address"]["socket_address"] = address(0);
    }
    for cluster in resources["clusters"].as_array_mut().unwrap() {
        let port = match cluster["name"].as_str().unwrap() {
            "portcullis" => gate,
            "application" => application,
            other => panic!("who is `{other}`?"),
        };
        let endpoint = &mut cluster["load_assignment"]["endpoints"][0]["lb_endpoints"][0];
        endpoint["endpoint"]["address"]["socket_address"] = address(port);
    }
    all
}

#[tokio::test(flavor = "multi_thread")]
async fn http_is_let_through_or_refused_under_one_decision_id_in_both_logs() {
    let example = Example::start(configuration).await;
    assert_eq!(example.request("GET", "/orders/7").await, 200);
    assert_eq!(example.upstream.requests(), 1);
    for (method, path) in [("POST", "/orders/8"), ("GET", "/invoices")] {
        assert_eq!(example.request(method, path).await, 403, "{path}");
    }
    assert_eq!(example.upstream.requests(), 1);
    for (path, outcome) in [
        ("/orders/7", "allowed"),
        ("/orders/8", "denied"),
        ("/invoices", "denied"),
    ] {
        let decided = example.gate.decided(path, 1).await;
        assert_eq!(decided["outcome"], outcome, "{path}");
        let id = example.logged_by_envoy(path).await;
        assert!(
            id.is_string() && id == decided["decision_id"],
            "{path}: {id}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_path_has_one_spelling_for_policy_and_application() {
    let example = Example::start(configuration).await;
    assert_eq!(example.request("GET", "/x/..//orders").await, 200);
    example.gate.decided("/orders", 1).await;
    // The policy reads `orders` first in both, as they are written.
    assert_eq!(example.request("GET", "/orders/%2E%2E/invoices").await, 403);
    example.gate.decided("/invoices", 1).await;
    assert_eq!(example.request("GET", "/orders%2F..%2Finvoices").await, 400);
    assert_eq!(example.upstream.requests(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn tcp_is_let_through_from_this_machine_only() {
    let example = Example::start(configuration).await;
    let answer = example.over_tcp(Ipv4Addr::LOCALHOST).await;
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    assert_eq!(example.over_tcp(Ipv4Addr::new(127, 0, 0, 2)).await, "");
    assert_eq!(example.upstream.requests(), 1);
    assert_eq!(example.envoy.stat("ext_authz.tcp.ok").await, 1);
    assert_eq!(example.envoy.stat("ext_authz.tcp.denied").await, 1);
    let refused = |line: &Value| {
        let caller = line["caller"].as_str().unwrap_or_default();
        line["listener"] == "tcp" && caller.starts_with("127.0.0.2:")
    };
    let line = example.envoy.access.first(refused).await;
    assert!(line["decision_id"].is_string(), "{line}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_gate_that_is_gone_closes_everything_but_what_is_open_on_purpose() {
    let mut example = Example::start(configuration).await;
    assert_eq!(example.request("GET", "/orders").await, 200);
    assert_eq!(example.request("GET", "/healthz").await, 200);
    example.gate.kill().await;
    assert_eq!(example.request("GET", "/orders").await, 503);
    assert_eq!(example.request("GET", "/healthz").await, 200);
    assert_eq!(example.over_tcp(Ipv4Addr::LOCALHOST).await, "");
    assert_eq!(example.upstream.requests(), 3);
    assert_eq!(example.envoy.stat("ext_authz.tcp.error").await, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn envoy_asks_for_the_health_of_the_gate() {
    let example = Example::start(configuration).await;
    assert_eq!(example.request("GET", "/orders").await, 200);
    let healthy = example
        .envoy
        .stat("cluster.portcullis.health_check.healthy");
    assert_eq!(healthy.await, 1);
}
