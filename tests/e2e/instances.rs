//! Two gates behind one Envoy that asks for their health, under load: one is told to stop, or killed.

use tokio::sync::SemaphorePermit;

use crate::{
    TURNS,
    callers::{CALLERS, Callers, POLICY},
    envoy::Envoy,
    gate::Gate,
    issuer::Issuer,
    pki::Pki,
    policy::PolicyFolder,
    soon,
    upstream::Upstream,
};

/// Two gates, and Envoy in front of them.
struct Pair {
    gates: [Gate; 2],
    upstream: Upstream,
    envoy: Envoy,
    _pki: Pki,
    _policy: PolicyFolder,
    _issuer: Issuer,
    _turn: SemaphorePermit<'static>,
}

impl Pair {
    async fn start() -> Self {
        let turn = TURNS.acquire().await.unwrap();
        let issuer = Issuer::start().await;
        let pki = Pki::create(&issuer.keys());
        let upstream = Upstream::start().await;
        let policy = PolicyFolder::with_file(POLICY);
        let gate = async || Gate::start(Some(policy.path()), &[]).await;
        let gates = [gate().await, gate().await];
        let ports = [gates[0].port(), gates[1].port()];
        let envoy = Envoy::balancing(&pki, &ports, upstream.port()).await;
        let pair = Self {
            gates,
            upstream,
            envoy,
            _pki: pki,
            _policy: policy,
            _issuer: issuer,
            _turn: turn,
        };
        pair.until("membership_healthy", |healthy| healthy == 2)
            .await;
        pair
    }

    /// A statistic of the cluster of both gates.
    async fn stat(&self, name: &str) -> u64 {
        self.envoy.stat(&format!("cluster.gate.{name}")).await
    }

    /// Waits until it is as wanted.
    async fn until(&self, name: &str, wanted: impl Fn(u64) -> bool) -> u64 {
        soon(async {
            loop {
                let value = self.stat(name).await;
                if wanted(value) {
                    return value;
                }
            }
        })
        .await
    }

    /// Callers through Envoy.
    fn callers(&self) -> Callers {
        Callers::of(self.envoy.port("inbound"))
    }

    /// Denials that each gate has told.
    fn denials(&self) -> [usize; 2] {
        [0, 1].map(|n| {
            let log = &self.gates[n].log;
            log.count(|line| line["message"] == "check decided" && line["outcome"] == "denied")
        })
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn one_of_two_gates_is_told_to_stop_and_no_request_fails() {
    let mut pair = Pair::start().await;
    let load = pair.callers();
    load.goes_on(100).await;
    pair.gates[0].terminate().await;
    pair.until("membership_healthy", |healthy| healthy == 1)
        .await;
    assert!(pair.gates[0].ended().await.success());
    load.goes_on(100).await;
    let told = load.end().await;
    assert_eq!(told.failed, 0);
    assert_eq!(pair.upstream.requests(), told.allowed);
    let denials = pair.denials();
    assert!(denials.iter().all(|denials| *denials > 0), "{denials:?}");
    for failure in [
        "upstream_rq_pending_failure_eject",
        "upstream_rq_rx_reset",
        "upstream_cx_destroy_with_active_rq",
        "upstream_cx_connect_fail",
    ] {
        assert_eq!(pair.stat(failure).await, 0, "{failure}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn one_of_two_gates_is_killed_and_what_fails_fails_closed_until_envoy_notices() {
    let mut pair = Pair::start().await;
    let load = pair.callers();
    load.goes_on(100).await;
    load.may_fail();
    pair.gates[0].kill().await;
    pair.until("membership_healthy", |healthy| healthy == 1)
        .await;
    // Envoy's workers have heard of it, too, by its next rounds of questions.
    let asked = pair.stat("health_check.attempt").await;
    pair.until("health_check.attempt", |now| now >= asked + 4)
        .await;
    load.may_not_fail();
    load.goes_on(500).await;
    let told = load.end().await;
    // Nothing got through that was not allowed.
    assert_eq!(pair.upstream.requests(), told.allowed);
    let denials = pair.denials();
    assert!(denials.iter().all(|denials| *denials > 0), "{denials:?}");
    // Each caller had one request on a connection that broke; the others found nobody to connect to.
    let broken = pair.stat("upstream_cx_destroy_with_active_rq").await;
    let refused = pair.stat("upstream_rq_pending_failure_eject").await;
    let most = usize::try_from(broken + refused).unwrap() * CALLERS;
    assert!(told.failed <= most, "{} failed", told.failed);
}
