//! The mesh of one Envoy: every item of `tests/mesh` that needs no cluster, each in a mesh of its own.

mod load;

use std::path::Path;

use load::Callers;
use reqwest::{Certificate, Client, Identity, Method, Version};
use serde_json::Value;
use tokio::sync::SemaphorePermit;

use crate::{
    TURNS,
    bundle_server::{self, BundleServer, archive},
    endpoints::Endpoints,
    envoy::Envoy,
    gate::Gate,
    mesh::{
        LOADED, Mesh, bundle,
        catalogue::every_item,
        check, failing, filters, policy, proxy, reloading, sum_of,
        wire::{Answer, Caller, Protocol, Request, SLEEP, Target},
    },
    pki::Pki,
    policy::PolicyFolder,
    reload::activated,
    soon,
    upstream::Upstream,
};

/// Gates behind one Envoy, in front of one application.
struct Sidecar {
    pki: Pki,
    policy: PolicyFolder,
    bundles: BundleServer,
    upstream: Upstream,
    gates: Vec<Gate>,
    endpoints: Endpoints,
    envoy: Envoy,
    _turn: SemaphorePermit<'static>,
}

impl Sidecar {
    async fn start() -> Self {
        let turn = TURNS.acquire().await.unwrap();
        // What jwt_authn behind the gate trusts; gates trust the same.
        let keys = include_str!("../../docs/examples/tokens/jwks.json");
        let pki = Pki::create(&serde_json::from_str(keys).unwrap());
        let upstream = Upstream::start().await;
        let policy = PolicyFolder::as_config_map(&borrowed(&policy(0)));
        let bundles = BundleServer::start().await;
        bundles.set(BUNDLE, release(0));
        let gate = start_gate(&policy, &bundles).await;
        let endpoints = Endpoints::of(&[gate.port()]);
        let envoy = Envoy::discovering(&pki, &endpoints.path(), upstream.port()).await;
        Self {
            pki,
            policy,
            bundles,
            upstream,
            gates: vec![gate],
            endpoints,
            envoy,
            _turn: turn,
        }
    }

    /// Tells Envoy which gates there are, as a control plane does that sees them ready or ending.
    async fn announce(&self) {
        let ports: Vec<_> = self.gates.iter().map(Gate::port).collect();
        self.endpoints.change(&ports, &self.envoy).await;
    }

    /// Tells a gate to stop, and Envoy after that: Kubernetes begins both at once, and the gate's grace is for
    /// the time between them.
    async fn retire(&mut self, index: usize) {
        let mut gate = self.gates.remove(index);
        gate.terminate().await;
        self.announce().await;
        assert!(soon(gate.ended()).await.success());
    }

    async fn add(&mut self) {
        self.gates
            .push(start_gate(&self.policy, &self.bundles).await);
        self.announce().await;
    }

    /// Makes a change, and waits until every gate has activated what came of it.
    async fn activates(&self, change: impl FnOnce(&Self)) {
        let counts: Vec<_> = self
            .gates
            .iter()
            .map(|gate| gate.log.count(activated))
            .collect();
        change(self);
        for (gate, count) in self.gates.iter().zip(counts) {
            gate.log.nth(count + 1, activated).await;
        }
    }

    /// A client of `caller` with connections of its own.
    fn client(&self, caller: Caller, protocol: Protocol) -> Client {
        let builder = Client::builder().no_proxy();
        let builder = match protocol {
            Protocol::Http1 => builder.http1_only(),
            Protocol::Grpc => builder.http2_prior_knowledge(),
        };
        if !caller.meshed {
            return builder.build().unwrap();
        }
        let root = std::fs::read(self.pki.path().join("ca.crt")).unwrap();
        let identity = self.pki.identity(Pki::named(&caller.spiffe_id()));
        let builder = builder
            .tls_certs_only([Certificate::from_pem(&root).unwrap()])
            // Mesh certificates carry a SPIFFE ID and no host name.
            .tls_danger_accept_invalid_hostnames(true)
            .identity(Identity::from_pem(&identity).unwrap());
        builder.build().unwrap()
    }

    fn url(&self, caller: Caller, target: Target, path: &str) -> String {
        let scheme = if caller.meshed { "https" } else { "http" };
        let port = self.envoy.port(listener(target));
        format!("{scheme}://127.0.0.1:{port}{path}")
    }
}

impl Mesh for Sidecar {
    type Load = Callers;

    async fn send(&self, caller: Caller, target: Target, request: &Request) -> Option<Answer> {
        let method = request.body.as_ref().map_or(Method::GET, |_| Method::POST);
        let url = self.url(caller, target, &request.path);
        let mut sent = self.client(caller, request.protocol).request(method, url);
        if request.protocol == Protocol::Grpc {
            sent = sent.version(Version::HTTP_2);
        }
        for (name, value) in &request.headers {
            sent = sent.header(*name, value);
        }
        if let Some(body) = &request.body {
            sent = sent.body(body.clone());
        }
        let answer = match soon(sent.send()).await {
            Ok(answer) => answer,
            Err(error) => {
                assert!(!error.is_connect(), "nobody listens: {error:?}");
                return None;
            }
        };
        let text = |value: &reqwest::header::HeaderValue| value.to_str().unwrap().to_owned();
        let headers = answer.headers().iter();
        let headers = headers.map(|(name, value)| (name.to_string(), text(value)));
        Some(Answer {
            status: answer.status().as_u16(),
            headers: headers.collect(),
            body: answer.text().await.unwrap(),
        })
    }

    async fn arrived(&self) -> usize {
        self.upstream.requests()
    }

    async fn metric(&self, name: &str) -> u64 {
        let mut sum = 0;
        for gate in &self.gates {
            let url = format!("http://{}/metrics", gate.admin);
            let client = Client::builder().no_proxy().build().unwrap();
            let metrics = client.get(url).send().await.unwrap().text().await.unwrap();
            sum += sum_of(&metrics, name);
        }
        sum
    }

    async fn kill_gates(&mut self) {
        for mut gate in self.gates.drain(..) {
            gate.kill().await;
        }
    }

    async fn scale_gates(&mut self, count: usize) {
        while self.gates.len() < count {
            self.add().await;
        }
        while self.gates.len() > count {
            self.retire(0).await;
        }
    }

    async fn restart_gates(&mut self) {
        for _ in 0..self.gates.len() {
            self.add().await;
            self.retire(0).await;
        }
    }

    async fn hold_gates(&mut self) {
        for gate in &self.gates {
            gate.hold().await;
        }
    }

    async fn release_gates(&mut self) {
        for gate in &self.gates {
            gate.release().await;
        }
    }

    async fn publish(&mut self, version: usize) {
        let files = policy(version);
        let name = format!("..2026_01_{version}");
        self.activates(|mesh| mesh.policy.swap(&name, &borrowed(&files)))
            .await;
    }

    async fn release(&mut self, number: usize) {
        self.activates(|mesh| mesh.bundles.set(BUNDLE, release(number)))
            .await;
    }

    async fn filters(&self, target: Target) -> Value {
        let dump = self.envoy.ask("config_dump").await;
        let configs = dump["configs"].as_array().unwrap().iter();
        let mut listeners = configs.filter_map(|config| config["static_listeners"].as_array());
        let mut listeners = listeners.next().unwrap().iter();
        let listener = listeners.find(|found| found["listener"]["name"] == listener(target));
        let chain = &listener.unwrap()["listener"]["filter_chains"][0];
        chain["filters"][0]["typed_config"]["http_filters"].clone()
    }

    async fn load(&self) -> Callers {
        let urls = LOADED.map(|(path, _)| self.url(SLEEP, Target::Closed, path));
        Callers::begin(&urls, || self.client(SLEEP, Protocol::Http1))
    }
}

async fn start_gate(policy: &PolicyFolder, bundles: &BundleServer) -> Gate {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/mesh/gate.yaml");
    let service = format!("services.mesh.url={}", bundles.origin());
    let arguments = [
        "--config-file",
        file.to_str().unwrap(),
        "--set",
        &service,
        // Longer than Envoy takes to read a file, shorter than the default.
        "--set",
        "portcullis.shutdown.grace=2s",
    ];
    Gate::start(policy.argument(), &arguments).await
}

fn release(number: usize) -> bundle_server::Version {
    let files = bundle(number);
    let files = files
        .each_ref()
        .map(|(name, text)| (*name, text.as_bytes()));
    bundle_server::Version::new(&number.to_string(), archive(&files)).held()
}

fn borrowed<'a>(files: &'a [(&'static str, String); 2]) -> [(&'a str, &'a str); 2] {
    files.each_ref().map(|(name, text)| (*name, &**text))
}

/// The listener that is the proxy in front of a target.
fn listener(target: Target) -> &'static str {
    match target {
        Target::Closed => "inbound",
        Target::Open => "fail-open",
        Target::Hasty => "hasty",
        Target::Misnamed => "misnamed",
        Target::Tcp => "tcp",
        Target::Waypoint => "waypoint",
        Target::BareWaypoint => "bare-waypoint",
    }
}

const BUNDLE: &str = "/release.tar.gz";

macro_rules! tests {
    (any_mesh { $($part:ident::$item:ident,)+ } cluster $rest:tt) => {
        $(
            #[tokio::test(flavor = "multi_thread")]
            async fn $item() {
                $part::$item(&mut Sidecar::start().await).await;
            }
        )+
    };
}

every_item!(tests);
