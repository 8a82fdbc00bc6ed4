//! Two gates behind one Envoy that asks for their health, under load: one is told to stop, or killed.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use tokio::{
    sync::{SemaphorePermit, watch},
    task::JoinHandle,
};

use crate::{
    TURNS, envoy::Envoy, gate::Gate, issuer::Issuer, pki::Pki, policy::PolicyFolder, soon,
    upstream::Upstream,
};

/// Takes long enough that a check is always being worked on.
const POLICY: &str = r#"package envoy.authz

default allow := false

allow if {
	input.parsed_path[0] == "open"
	count([x | some x in numbers.range(1, 500); x % 7 == 0]) == 71
}
"#;

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

    /// Denials that each gate has told.
    fn denials(&self) -> [usize; 2] {
        [0, 1].map(|n| {
            let log = &self.gates[n].log;
            log.count(|line| line["message"] == "check decided" && line["outcome"] == "denied")
        })
    }
}

/// What may be answered at the moment.
#[derive(Clone, Copy, PartialEq)]
enum Phase {
    /// What the policy says, and nothing else.
    Sound,
    /// That, or 503: the gate that was asked is gone.
    Broken,
    /// The load ends.
    Over,
}

/// Callers with a connection each, who ask for what is open and for what is closed in turns.
struct Load {
    phase: watch::Sender<Phase>,
    answered: Arc<AtomicUsize>,
    callers: Vec<JoinHandle<Told>>,
}

/// What callers were told.
#[derive(Default)]
struct Told {
    allowed: usize,
    failed: usize,
}

impl Load {
    fn on(pair: &Pair) -> Self {
        let (phase, now) = watch::channel(Phase::Sound);
        let answered = Arc::default();
        let url = format!("http://127.0.0.1:{}", pair.envoy.port("inbound"));
        let callers = (0..CALLERS)
            .map(|_| tokio::spawn(call(url.clone(), now.clone(), Arc::clone(&answered))))
            .collect();
        Self {
            phase,
            answered,
            callers,
        }
    }

    /// Waits until `more` requests are answered.
    async fn goes_on(&self, more: usize) {
        let until = self.answered.load(Ordering::SeqCst) + more;
        let enough = async {
            while self.answered.load(Ordering::SeqCst) < until {
                assert!(self.callers.iter().all(|caller| !caller.is_finished()));
                tokio::task::yield_now().await;
            }
        };
        soon(enough).await;
    }

    async fn end(self) -> Told {
        self.phase.send_replace(Phase::Over);
        let mut told = Told::default();
        for caller in self.callers {
            let of_caller = soon(caller).await.unwrap();
            told.allowed += of_caller.allowed;
            told.failed += of_caller.failed;
        }
        told
    }
}

async fn call(url: String, phase: watch::Receiver<Phase>, answered: Arc<AtomicUsize>) -> Told {
    let builder = reqwest::Client::builder().no_proxy().http1_only();
    let client = builder.build().unwrap();
    let mut told = Told::default();
    loop {
        for (path, expected) in [("/open", 200), ("/closed", 403)] {
            let before = *phase.borrow();
            if before == Phase::Over {
                return told;
            }
            let answer = soon(client.get(format!("{url}{path}")).send())
                .await
                .unwrap();
            let status = answer.status().as_u16();
            answer.bytes().await.unwrap();
            // It may have been broken when this was asked, or only when it was answered.
            let broken = [before, *phase.borrow()].contains(&Phase::Broken);
            if status == 503 && broken {
                told.failed += 1;
            } else {
                assert_eq!(status, expected, "{path}");
                told.allowed += usize::from(status == 200);
            }
            answered.fetch_add(1, Ordering::SeqCst);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn one_of_two_gates_is_told_to_stop_and_no_request_fails() {
    let mut pair = Pair::start().await;
    let load = Load::on(&pair);
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
    let load = Load::on(&pair);
    load.goes_on(100).await;
    load.phase.send_replace(Phase::Broken);
    pair.gates[0].kill().await;
    pair.until("membership_healthy", |healthy| healthy == 1)
        .await;
    // Envoy's workers have heard of it, too, by its next rounds of questions.
    let asked = pair.stat("health_check.attempt").await;
    pair.until("health_check.attempt", |now| now >= asked + 4)
        .await;
    load.phase.send_replace(Phase::Sound);
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

const CALLERS: usize = 6;
