//! `docs/examples/envoy-gateway`: what Envoy Gateway makes of it, in a real Envoy.
//!
//! `tests/fixtures/envoy_gateway/xds.json` is what its own translator wrote. The resources that Envoy would
//! get one by one stand in one file here, between free ports; nothing else of them is changed.

use std::fs;

use serde_json::{Map, Value, json};

use crate::{example::Example, repository};

impl Example {
    /// The status of a request to a host of the gateway.
    async fn status(&self, method: &str, host: &str, path: &str) -> u16 {
        let url = format!("http://127.0.0.1:{}{path}", self.envoy.port(LISTENER));
        let client = reqwest::Client::builder().no_proxy().build().unwrap();
        let request = client.request(method.parse().unwrap(), url);
        let answer = request.header("host", host).send().await.unwrap();
        answer.status().as_u16()
    }
}

/// The resources of a kind of dump, by their names.
fn resources(dumps: &Value, list: &str, path: &str, name: &str) -> Map<String, Value> {
    let mut dumps = dumps.as_array().unwrap().iter();
    let dump = dumps.find(|dump| dump.get(list).is_some()).unwrap();
    let items = dump[list].as_array().unwrap().iter();
    let resources = items.map(|item| {
        let mut resource = item.pointer(path).unwrap().clone();
        // It says which message an Any holds, and these do not stand in one here.
        resource.as_object_mut().unwrap().remove("@type").unwrap();
        resource
    });
    let named = resources.map(|resource| (resource[name].as_str().unwrap().to_owned(), resource));
    named.collect()
}

fn configuration(gate: u16, application: u16) -> Value {
    let text = fs::read(repository("tests/fixtures/envoy_gateway/xds.json")).unwrap();
    let dumps: Value = serde_json::from_slice(&text).unwrap();
    let endpoints = resources(
        &dumps,
        "dynamicEndpointConfigs",
        "/endpointConfig",
        "clusterName",
    );
    let clusters = resources(&dumps, "dynamicActiveClusters", "/cluster", "name");
    let routes = resources(&dumps, "dynamicRouteConfigs", "/routeConfig", "name");
    let listeners = resources(&dumps, "dynamicListeners", "/activeState/listener", "name");
    let placed = |(name, mut cluster): (String, Value)| {
        let mut load_assignment = endpoints[&name].clone();
        let address = load_assignment
            .pointer_mut("/endpoints/0/lbEndpoints/0/endpoint/address/socketAddress")
            .unwrap();
        let port = match address["portValue"].as_u64().unwrap() {
            9191 => gate,
            8080 => application,
            other => panic!("who listens on {other}?"),
        };
        *address = json!({"address": "127.0.0.1", "portValue": port});
        cluster
            .as_object_mut()
            .unwrap()
            .remove("edsClusterConfig")
            .unwrap();
        cluster["type"] = "STATIC".into();
        cluster["loadAssignment"] = load_assignment;
        cluster
    };
    let mut listener = listeners[LISTENER].clone();
    listener["address"] = json!({"socketAddress": {"address": "127.0.0.1", "portValue": 0}});
    let manager = listener
        .pointer_mut("/defaultFilterChain/filters/0/typedConfig")
        .unwrap();
    let manager = manager.as_object_mut().unwrap();
    manager.remove("rds").unwrap();
    manager.insert("routeConfig".to_owned(), routes[LISTENER].clone());
    json!({
        "admin": {"address": {"socketAddress": {"address": "127.0.0.1", "portValue": 0}}},
        "staticResources": {
            "listeners": [listener],
            "clusters": clusters.into_iter().map(placed).collect::<Vec<_>>(),
        },
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn the_route_of_the_security_policy_is_asked_about_with_its_context_extensions() {
    let example = Example::start(configuration).await;
    let host = "shop.example.com";
    assert_eq!(example.status("GET", host, "/orders/1").await, 200);
    assert_eq!(example.status("POST", host, "/orders/2").await, 403);
    assert_eq!(example.status("GET", host, "/invoices").await, 403);
    assert_eq!(example.upstream.requests(), 1);
    let allowed = example.gate.decided("/orders/1", 1).await;
    assert_eq!(allowed["outcome"], "allowed");
    // A host that no route has: nobody is asked.
    assert_eq!(
        example
            .status("GET", "other.example.com", "/orders/3")
            .await,
        404
    );
    let asked = |line: &Value| line["message"] == "check decided";
    assert_eq!(example.gate.log.count(asked), 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_gate_that_is_gone_closes_the_route() {
    let mut example = Example::start(configuration).await;
    let host = "shop.example.com";
    assert_eq!(example.status("GET", host, "/orders").await, 200);
    example.gate.kill().await;
    assert_eq!(example.status("GET", host, "/orders").await, 503);
    assert_eq!(example.upstream.requests(), 1);
}

/// The listener and its routes, as Envoy Gateway names them.
const LISTENER: &str = "edge/edge/http";
