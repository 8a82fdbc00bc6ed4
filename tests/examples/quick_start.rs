//! README, "Five minutes in a cluster": its policy behind an Envoy in istiod's filter order, asked as the
//! callers there ask. What README shows as answers is held here.

use std::fs;

use reqwest::{Certificate, Client, Identity};
use serde_json::Value;

use crate::{envoy::Envoy, gate::Gate, pki::Pki, repository, upstream::Upstream};

/// Everything that the cluster would have.
struct Mesh {
    pki: Pki,
    upstream: Upstream,
    gate: Gate,
    envoy: Envoy,
}

impl Mesh {
    async fn start() -> Self {
        let keys = fs::read(repository("docs/examples/tokens/jwks.json")).unwrap();
        let pki = Pki::create(&serde_json::from_slice::<Value>(&keys).unwrap());
        let upstream = Upstream::start().await;
        let policy = repository("docs/examples/istio/quickstart/authz.rego");
        let gate = Gate::start(Some(&policy), &[]).await;
        let envoy = Envoy::start(&pki, gate.port(), upstream.port()).await;
        Self {
            pki,
            upstream,
            gate,
            envoy,
        }
    }

    /// Status and body for a workload, or for somebody without mutual TLS.
    async fn answer(&self, workload: Option<&str>, method: &str) -> (u16, String) {
        let builder = Client::builder().no_proxy();
        let (scheme, builder) = match workload {
            Some(name) => {
                let root = fs::read(self.pki.path().join("ca.crt")).unwrap();
                let identity = Identity::from_pem(&self.pki.identity(name)).unwrap();
                let builder = builder
                    .tls_certs_only([Certificate::from_pem(&root).unwrap()])
                    .tls_danger_accept_invalid_hostnames(true)
                    .identity(identity);
                ("https", builder)
            }
            None => ("http", builder),
        };
        let url = format!("{scheme}://127.0.0.1:{}/get", self.envoy.port("inbound"));
        let client = builder.build().unwrap();
        let request = client.request(method.parse().unwrap(), url);
        let answer = request.send().await.unwrap();
        (answer.status().as_u16(), answer.text().await.unwrap())
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_quick_start_lets_foo_read_and_tells_everybody_else_why_not() {
    let mesh = Mesh::start().await;
    assert_eq!(mesh.answer(Some("sleep"), "GET").await.0, 200);
    assert_eq!(mesh.upstream.requests(), 1);
    let readme = fs::read_to_string(repository("README.md")).unwrap();
    let refused = (403, "only workloads of foo may read\n".to_owned());
    for (workload, method) in [
        (Some("other"), "GET"),
        (Some("sleep"), "POST"),
        (None, "GET"),
    ] {
        let answer = mesh.answer(workload, method).await;
        assert_eq!(answer, refused, "{workload:?} {method}");
    }
    assert_eq!(mesh.upstream.requests(), 1);
    assert!(readme.contains(&refused.1), "README shows another answer");
    let denied = mesh.gate.decided("/get", 1).await;
    assert_eq!(denied["outcome"], "denied");
    assert_eq!(
        denied["peer.id"],
        "spiffe://cluster.local/ns/bar/sa/default"
    );
}
