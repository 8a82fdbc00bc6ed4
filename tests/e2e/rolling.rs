//! Rolling restarts under constant load: two gates behind one Envoy that learns of them as a proxy of a
//! mesh does, from endpoints that a control plane pushes.
//!
//! A restart goes as Kubernetes does it with `maxUnavailable: 0`: another gate starts, and is listed when
//! it is ready; then the old one gets its SIGTERM, and the mesh hears of that when it hears of it. The
//! gates keep the timings they have by default, which are the chart's.

use std::time::{Duration, Instant};

use tokio::sync::SemaphorePermit;
use tonic::transport::Endpoint;
use tonic_health::pb::{
    HealthCheckRequest, health_check_response::ServingStatus, health_client::HealthClient,
};

use crate::{
    TURNS,
    callers::{Callers, POLICY},
    endpoints::Endpoints,
    envoy::Envoy,
    gate::Gate,
    issuer::Issuer,
    pki::Pki,
    policy::PolicyFolder,
    soon,
    upstream::Upstream,
};

/// When the mesh hears that a gate is about to stop.
#[derive(Clone, Copy)]
enum Heard {
    /// As soon as the gate says that it is not ready.
    AtOnce,
    /// So long after its SIGTERM.
    After(Duration),
    /// Only when it has gone.
    TooLate,
}

/// Gates that are replaced one after the other, and Envoy in front of them.
struct Fleet {
    gates: Vec<Gate>,
    arguments: &'static [&'static str],
    endpoints: Endpoints,
    upstream: Upstream,
    envoy: Envoy,
    policy: PolicyFolder,
    _pki: Pki,
    _issuer: Issuer,
    _turn: SemaphorePermit<'static>,
}

impl Fleet {
    async fn start(arguments: &'static [&'static str]) -> Self {
        let turn = TURNS.acquire().await.unwrap();
        let issuer = Issuer::start().await;
        let pki = Pki::create(&issuer.keys());
        let upstream = Upstream::start().await;
        let policy = PolicyFolder::with_file(POLICY);
        let mut gates = Vec::new();
        for _ in 0..GATES {
            gates.push(Gate::start(Some(policy.path()), arguments).await);
        }
        let endpoints = Endpoints::of(&ports(&gates));
        let envoy = Envoy::discovering(&pki, &endpoints.path(), upstream.port()).await;
        Self {
            gates,
            arguments,
            endpoints,
            upstream,
            envoy,
            policy,
            _pki: pki,
            _issuer: issuer,
            _turn: turn,
        }
    }

    /// A counter of Envoy's filter for checks.
    async fn checks(&self, name: &str) -> u64 {
        let name = format!("http.inbound.ext_authz.{name}");
        self.envoy.stat(&name).await
    }

    /// Lists the gates there are and waits until Envoy knows.
    async fn list(&self) {
        self.endpoints
            .change(&ports(&self.gates), &self.envoy)
            .await;
    }

    /// Replaces the gate that runs for longest.
    async fn restart_one(&mut self, heard: Heard, callers: &Callers) {
        // It is ready: it has said that it serves.
        let next = Gate::start(Some(self.policy.path()), self.arguments).await;
        self.gates.push(next);
        self.list().await;

        let mut old = self.gates.remove(0);
        // Checks come to every gate that is listed.
        old.log.first(|line| line["outcome"] == "denied").await;
        let mut readiness = Readiness::of(&old).await;
        let told = Instant::now();
        old.terminate().await;
        match heard {
            Heard::AtOnce => readiness.ends().await,
            Heard::After(time) => {
                while told.elapsed() < time {
                    callers.goes_on(1).await;
                }
            }
            Heard::TooLate => {
                assert!(old.ended().await.success());
                callers.goes_on(20).await;
            }
        }
        self.list().await;
        // Nothing that it was asked is cut off, however it ends.
        assert!(old.ended().await.success());
        callers.goes_on(50).await;
    }
}

fn ports(gates: &[Gate]) -> Vec<u16> {
    gates.iter().map(Gate::port).collect()
}

/// What a readiness probe would see.
struct Readiness(tonic::Streaming<tonic_health::pb::HealthCheckResponse>);

impl Readiness {
    async fn of(gate: &Gate) -> Self {
        let address = format!("http://127.0.0.1:{}", gate.port());
        let channel = Endpoint::new(address).unwrap().connect().await.unwrap();
        let mut client = HealthClient::new(channel);
        let watch = client.watch(HealthCheckRequest::default()).await.unwrap();
        let mut readiness = Self(watch.into_inner());
        assert_eq!(readiness.next().await, ServingStatus::Serving);
        readiness
    }

    async fn next(&mut self) -> ServingStatus {
        soon(self.0.message()).await.unwrap().unwrap().status()
    }

    async fn ends(&mut self) {
        assert_eq!(self.next().await, ServingStatus::NotServing);
    }
}

/// Restarts so many gates under load, and holds that not one check failed.
async fn roll(restarts: usize, heard: Heard) {
    let mut fleet = Fleet::start(&[]).await;
    let callers = Callers::of(fleet.envoy.port("inbound"));
    callers.goes_on(100).await;
    for _ in 0..restarts {
        fleet.restart_one(heard, &callers).await;
    }
    let told = callers.end().await;
    println!(
        "{restarts} restarts: {} allowed, {} denied, {} failed",
        told.allowed, told.denied, told.failed
    );
    assert_eq!(told.failed, 0);
    assert_eq!(fleet.upstream.requests(), told.allowed);
    let count = |n: usize| u64::try_from(n).unwrap();
    assert_eq!(fleet.checks("ok").await, count(told.allowed));
    assert_eq!(fleet.checks("denied").await, count(told.denied));
    for failure in ["error", "failure_mode_allowed"] {
        assert_eq!(fleet.checks(failure).await, 0, "{failure}");
    }
    for failure in [
        "upstream_cx_connect_fail",
        "upstream_cx_destroy_with_active_rq",
        "upstream_rq_pending_failure_eject",
        "upstream_rq_rx_reset",
        "upstream_rq_timeout",
    ] {
        let stat = format!("cluster.gate.{failure}");
        assert_eq!(fleet.envoy.stat(&stat).await, 0, "{failure}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn gates_are_restarted_one_by_one_and_no_check_fails() {
    roll(2, Heard::AtOnce).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "a minute and a half: `make rolling`"]
async fn ten_restarts_that_the_mesh_hears_of_at_once_fail_no_check() {
    roll(10, Heard::AtOnce).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "a minute and a half: `make rolling`"]
async fn ten_restarts_that_the_mesh_hears_of_late_in_the_grace_fail_no_check() {
    roll(10, Heard::After(Duration::from_secs(4))).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_gate_that_is_listed_when_it_has_gone_fails_checks_and_they_fail_closed() {
    let mut fleet = Fleet::start(&["--set", "portcullis.shutdown.grace=0s"]).await;
    let callers = Callers::of(fleet.envoy.port("inbound"));
    callers.goes_on(100).await;
    callers.may_fail();
    fleet.restart_one(Heard::TooLate, &callers).await;
    callers.may_not_fail();
    callers.goes_on(100).await;
    let told = callers.end().await;
    assert!(told.failed > 0);
    assert_eq!(fleet.upstream.requests(), told.allowed);
    assert_eq!(
        fleet.checks("error").await,
        u64::try_from(told.failed).unwrap()
    );
    assert_eq!(fleet.checks("failure_mode_allowed").await, 0);
}

const GATES: usize = 2;
