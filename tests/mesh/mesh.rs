//! A mesh with portcullis in it, whatever it is made of, and what must be true of every such mesh.
//!
//! Two test targets use it: `e2e` makes a mesh of one real Envoy per test, `kind` of a cluster with
//! Istio. A mesh begins with one gate that serves `policy.rego` with `gate.yaml`, version 0 of the
//! policy, release 0 of the bundle; an item leaves it so.

pub(crate) mod catalogue;
pub(crate) mod check;
pub(crate) mod failing;
pub(crate) mod filters;
pub(crate) mod proxy;
pub(crate) mod reloading;
pub(crate) mod wire;

use wire::{Answer, Caller, Request, Target};

/// What an item may ask of a mesh and do to it.
pub(crate) trait Mesh {
    /// Callers that ask all the time.
    type Load: Load;

    /// Sends a request; `None` says that the connection was closed without an answer.
    async fn send(&self, caller: Caller, target: Target, request: &Request) -> Option<Answer>;

    /// Requests that have reached the applications behind the proxies so far.
    async fn arrived(&self) -> usize;

    /// The sum of all series of a counter, over all gates that run.
    async fn metric(&self, name: &str) -> u64;

    /// Kills every gate, without a goodbye.
    async fn kill_gates(&mut self);

    /// Starts gates, or stops them orderly, until there are `count`, and waits until proxies know.
    async fn scale_gates(&mut self, count: usize);

    /// Replaces every gate by a new one as a rolling update does, and waits until it is done.
    async fn restart_gates(&mut self);

    /// From now on gates take connections and answer nothing, until [`Mesh::release_gates`].
    async fn hold_gates(&mut self);

    /// Lets them go on.
    async fn release_gates(&mut self);

    /// Puts this version of the policy into the ConfigMap, and waits until the gate serves it.
    async fn publish(&mut self, version: usize);

    /// Puts this release of the bundle on its server, and waits until the gate serves it.
    async fn release(&mut self, number: usize);

    /// The HTTP filters of the proxy in front of a target, in their order, as Envoy shows them.
    async fn filters(&self, target: Target) -> serde_json::Value;

    /// Four callers that ask for what is open and what is closed in turns.
    async fn load(&self) -> Self::Load;
}

/// Callers that go on until they are told to end.
pub(crate) trait Load {
    /// Waits until `more` requests are answered.
    async fn goes_on(&mut self, more: usize);

    /// Ends it. Each caller's answers, in order.
    async fn end(self) -> Vec<Vec<Told>>;
}

/// What a caller of a load was told.
#[derive(Debug)]
pub(crate) struct Told {
    /// The path that it asked for.
    pub(crate) path: String,
    /// The status of the answer.
    pub(crate) status: u16,
    /// What the policy says its version is, if the answer has that.
    pub(crate) policy: Option<usize>,
    /// What the policy's data says.
    pub(crate) data: Option<usize>,
    /// The release of the bundle.
    pub(crate) release: Option<usize>,
}

/// What the callers of a load ask for in turns, and what must be answered.
pub(crate) const LOADED: [(&str, u16); 2] = [("/orders/load", 200), ("/closed/load", 403)];

/// The files of a version of the policy, as a ConfigMap has them.
pub(crate) fn policy(version: usize) -> [(&'static str, String); 2] {
    let rego = include_str!("policy.rego").replace("@VERSION@", &version.to_string());
    let data = format!(r#"{{"version": "{version}"}}"#);
    [("policy.rego", rego), ("data.json", data)]
}

/// The files of a release of the bundle.
pub(crate) fn bundle(number: usize) -> [(&'static str, String); 2] {
    let manifest = format!(r#"{{"revision": "release-{number}", "roots": ["release"]}}"#);
    let data = format!(r#"{{"release": {{"number": "{number}"}}}}"#);
    [(".manifest", manifest), ("data.json", data)]
}

/// The sum of all series of the counter `name` in what `/metrics` says.
pub(crate) fn sum_of(metrics: &str, name: &str) -> u64 {
    let of_name = |line: &&str| {
        let rest = line.strip_prefix(name);
        rest.is_some_and(|rest| rest.starts_with(['{', ' ']))
    };
    let value = |line: &str| -> u64 { line.rsplit(' ').next().unwrap().parse().unwrap() };
    metrics.lines().filter(of_name).map(value).sum()
}
