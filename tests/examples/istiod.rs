//! `docs/examples/istio`: the filters that a real istiod makes of them, in a real Envoy.
//!
//! `tests/fixtures/istiod` holds what istiod generated for a sidecar; its README says which and how. Only
//! what needs a mesh is left out: Istio's own filters and the mutual TLS to the gate.

use std::{fs, net::Ipv4Addr};

use serde_json::Value;
use tempfile::TempDir;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpSocket,
};

use crate::{envoy::Envoy, gate::Gate, repository, soon, upstream::Upstream};

/// Reading orders is allowed, TCP from this machine, and what came by the named CUSTOM policy.
const POLICY: &str = r#"package envoy.authz

default allow := false

allow if input.parsed_path[0] == "orders"

allow if {
	not input.attributes.request
	input.attributes.source.address.socketAddress.address == "127.0.0.1"
}

allow if {
	rbac := input.attributes.metadataContext.filterMetadata["envoy.filters.http.rbac"]
	contains(rbac.istio_ext_authz_shadow_effective_policy_id, "ns[shop]-policy[portcullis]")
	input.parsed_path[0] == "by-policy"
}
"#;

/// The filters of a fixture in an Envoy of their own.
struct Sidecar {
    _policy: TempDir,
    upstream: Upstream,
    gate: Gate,
    envoy: Envoy,
}

impl Sidecar {
    async fn start(generated: &Value) -> Self {
        let policy = TempDir::new().unwrap();
        fs::write(policy.path().join("policy.rego"), POLICY).unwrap();
        let upstream = Upstream::start().await;
        let gate = Gate::start(Some(policy.path()), &["--log-level", "debug"]).await;
        let configuration = configuration(generated, gate.port(), upstream.port());
        let envoy = Envoy::configured(&configuration).await;
        Self {
            _policy: policy,
            upstream,
            gate,
            envoy,
        }
    }

    /// Status and body.
    async fn get(&self, path: &str) -> (u16, String) {
        let url = format!("http://127.0.0.1:{}{path}", self.envoy.port("http"));
        let client = reqwest::Client::builder().no_proxy().build().unwrap();
        let answer = client.get(url).send().await.unwrap();
        (answer.status().as_u16(), answer.text().await.unwrap())
    }

    async fn status(&self, path: &str) -> u16 {
        self.get(path).await.0
    }

    /// Whether anything comes back over TCP from this address.
    async fn tcp(&self, from: Ipv4Addr) -> bool {
        let socket = TcpSocket::new_v4().unwrap();
        socket.bind((from, 0).into()).unwrap();
        let envoy = (Ipv4Addr::LOCALHOST, self.envoy.port("tcp")).into();
        let mut connection = socket.connect(envoy).await.unwrap();
        let request = b"GET /over-tcp HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n";
        connection.write_all(request).await.unwrap();
        let mut answer = String::new();
        soon(connection.read_to_string(&mut answer)).await.unwrap();
        !answer.is_empty()
    }
}

/// What istiod generated for one of the sidecars.
fn generated(name: &str) -> Value {
    let path = repository("tests/fixtures/istiod").join(name);
    serde_json::from_slice(&fs::read(path).unwrap()).unwrap()
}

/// The `ext_authz` filter among the HTTP filters.
fn ext_authz(generated: &Value) -> &Value {
    let mut filters = generated["http_filters"].as_array().unwrap().iter();
    let filter = filters.find(|filter| filter["name"] == "envoy.filters.http.ext_authz");
    &filter.unwrap()["typed_config"]
}

/// The skeleton with the generated filters and cluster, between these ports.
fn configuration(generated: &Value, gate: u16, application: u16) -> Value {
    let text = SKELETON
        .replace("@GATE@", &gate.to_string())
        .replace("@APPLICATION@", &application.to_string());
    let mut all: Value = yaml_serde::from_str(&text).unwrap();
    let resources = &mut all["static_resources"];
    let mut gates = resources["clusters"].as_array_mut().unwrap().remove(0);
    if let Some(cluster) = generated["cluster"].as_object() {
        // Its endpoints come from elsewhere; all else is istiod's.
        gates["load_assignment"]["cluster_name"] = cluster["name"].clone();
        gates.as_object_mut().unwrap().extend(cluster.clone());
        gates["type"] = "STATIC".into();
        resources["clusters"].as_array_mut().unwrap().push(gates);
    }
    let [http, tcp] = [0, 1].map(|at| format!("/listeners/{at}/filter_chains/0/filters"));
    let filters = |at: &str| generated[at].as_array().unwrap().clone();
    let chain = resources.pointer_mut(&format!("{http}/0/typed_config/http_filters"));
    let chain = chain.unwrap().as_array_mut().unwrap();
    chain.splice(0..0, filters("http_filters"));
    let chain = resources.pointer_mut(&tcp).unwrap().as_array_mut().unwrap();
    chain.splice(0..0, filters("network_filters"));
    all
}

#[tokio::test(flavor = "multi_thread")]
async fn what_istiod_makes_of_the_provider_and_the_policy_lets_through_what_the_gate_allows() {
    let generated = generated("workload.json");
    let mesh = Sidecar::start(&generated).await;
    assert_eq!(mesh.status("/orders").await, 200);
    assert_eq!(mesh.status("/invoices").await, 403);
    assert!(mesh.tcp(Ipv4Addr::LOCALHOST).await);
    assert!(!mesh.tcp(Ipv4Addr::new(127, 0, 0, 2)).await);
    // The path that the CUSTOM policy leaves out: nobody is asked.
    assert_eq!(mesh.status("/healthz").await, 200);
    assert_eq!(mesh.upstream.requests(), 3);
    let stat = |name: &'static str| mesh.envoy.stat(name);
    assert_eq!(stat("http.inbound.ext_authz.disabled").await, 1);
    assert_eq!(stat("http.inbound.ext_authz.ok").await, 1);
    assert_eq!(stat("http.inbound.ext_authz.denied").await, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_istiod_makes_of_the_provider_closes_when_the_gate_is_gone() {
    let generated = generated("workload.json");
    let filter = ext_authz(&generated);
    assert_eq!(filter["grpc_service"]["timeout"], "0.500s");
    assert_eq!(filter["status_on_error"]["code"], "ServiceUnavailable");
    let mut mesh = Sidecar::start(&generated).await;
    assert_eq!(mesh.status("/orders").await, 200);
    mesh.gate.kill().await;
    assert_eq!(mesh.status("/orders").await, 503);
    assert!(!mesh.tcp(Ipv4Addr::LOCALHOST).await);
    assert_eq!(mesh.upstream.requests(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_envoy_filter_brings_the_name_of_the_custom_policy_which_is_missing_without_it() {
    let enriched = generated("enriched.json");
    let filter = ext_authz(&enriched);
    for key in [
        "include_peer_certificate",
        "include_tls_session",
        "encode_raw_headers",
    ] {
        assert_eq!(filter[key], true, "{key}");
    }
    assert_eq!(filter["bootstrap_metadata_labels_key"], "LABELS");
    // The patch is merged: what istiod says of failures is still there.
    assert_eq!(filter["status_on_error"]["code"], "ServiceUnavailable");
    assert_eq!(
        Sidecar::start(&enriched).await.status("/by-policy").await,
        200
    );
    let plain = Sidecar::start(&generated("workload.json")).await;
    assert_eq!(plain.status("/by-policy").await, 403);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_provider_that_istiod_cannot_find_denies_everything_that_is_selected() {
    let generated = generated("bad_provider.json");
    let mesh = Sidecar::start(&generated).await;
    let refused = (403, "RBAC: access denied".to_owned());
    assert_eq!(mesh.get("/orders").await, refused);
    assert!(!mesh.tcp(Ipv4Addr::LOCALHOST).await);
    assert_eq!(mesh.status("/healthz").await, 200);
    assert_eq!(mesh.upstream.requests(), 1);
    assert!(
        generated
            .to_string()
            .contains("deny-due-to-bad-CUSTOM-action")
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_gate_that_a_sidecar_object_hides_is_one_that_is_gone() {
    let mut generated = generated("hidden_gate.json");
    assert!(generated["cluster"].is_null());
    let mesh = Sidecar::start(&generated).await;
    assert_eq!(mesh.status("/orders").await, 503);
    assert!(!mesh.tcp(Ipv4Addr::LOCALHOST).await);
    assert_eq!(mesh.status("/healthz").await, 200);
    assert_eq!(mesh.upstream.requests(), 1);
    // `failOpen` is what it would be let through by.
    let filters = generated["http_filters"].as_array_mut().unwrap();
    let is_asking = |filter: &&mut Value| filter["name"] == "envoy.filters.http.ext_authz";
    let filter = filters.iter_mut().find(is_asking).unwrap();
    filter["typed_config"]["failure_mode_allow"] = true.into();
    assert_eq!(
        Sidecar::start(&generated).await.status("/orders").await,
        200
    );
}

/// What stands around the filters.
const SKELETON: &str = r#"
admin: {address: {socket_address: {address: 127.0.0.1, port_value: 0}}}
static_resources:
  listeners:
  - name: http
    address: {socket_address: {address: 127.0.0.1, port_value: 0}}
    filter_chains:
    - filters:
      - name: envoy.filters.network.http_connection_manager
        typed_config:
          "@type": type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager
          stat_prefix: inbound
          route_config:
            virtual_hosts:
            - {name: all, domains: ["*"], routes: [{match: {prefix: /}, route: {cluster: application}}]}
          http_filters:
          - name: envoy.filters.http.router
            typed_config: {"@type": type.googleapis.com/envoy.extensions.filters.http.router.v3.Router}
  - name: tcp
    address: {socket_address: {address: 127.0.0.1, port_value: 0}}
    filter_chains:
    - filters:
      - name: envoy.filters.network.tcp_proxy
        typed_config:
          "@type": type.googleapis.com/envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy
          stat_prefix: tcp
          cluster: application
  clusters:
  - load_assignment:
      endpoints: [{lb_endpoints: [{endpoint: {address: {socket_address: {address: 127.0.0.1, port_value: @GATE@}}}}]}]
  - name: application
    type: STATIC
    load_assignment:
      cluster_name: application
      endpoints: [{lb_endpoints: [{endpoint: {address: {socket_address: {address: 127.0.0.1, port_value: @APPLICATION@}}}}]}]
"#;
