//! SIGTERM under load: what is in flight and what still comes is answered, then the door is shut.

use std::time::{Duration, Instant};

use tokio::sync::{mpsc, watch};

use crate::{Mesh, client::Caller};

/// Takes long enough that a check is always being worked on.
const POLICY: &str = r#"package envoy.authz

default allow := false

allow if {
	input.parsed_path[0] == "open"
	count([x | some x in numbers.range(1, 2000); x % 7 == 0]) == 285
}
"#;

const GRACE: Duration = Duration::from_millis(500);

/// What one worker was told, in order, up to its first two failures.
struct Told {
    allowed: usize,
    allowed_after_signal: usize,
    first_failure: Instant,
}

/// Calls until it is told twice that the gate is gone, and reports the first answer on `started`.
async fn call_until_closed(
    client: reqwest::Client,
    url: String,
    signal: watch::Receiver<bool>,
    started: mpsc::Sender<()>,
) -> Told {
    let (mut allowed, mut allowed_after_signal) = (0, 0);
    let first_failure = loop {
        let asked_after_signal = *signal.borrow();
        let answer = client.get(&url).send().await.unwrap();
        if answer.status() == 503 {
            break Instant::now();
        }
        assert_eq!(answer.status(), 200);
        allowed += 1;
        allowed_after_signal += usize::from(asked_after_signal);
        if allowed == 1 {
            started.send(()).await.unwrap();
        }
    };
    let last = client.get(&url).send().await.unwrap();
    assert_eq!(last.status(), 503, "a gate that is gone does not come back");
    Told {
        allowed,
        allowed_after_signal,
        first_failure,
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_gate_that_is_told_to_stop_answers_everything_it_was_asked_and_then_is_gone() {
    let mut mesh = Mesh::start_with(POLICY, &["--set", "portcullis.shutdown.grace=500ms"]).await;
    assert_eq!(mesh.get(Caller::Plaintext, "/closed").await.status(), 403);
    let client = mesh.client(&Caller::Plaintext);
    let url = mesh.url(&Caller::Plaintext, "inbound", "/open");
    let (signalled, signal) = watch::channel(false);
    let (started, mut starts) = mpsc::channel(WORKERS);
    let workers: Vec<_> = (0..WORKERS)
        .map(|_| {
            let call =
                call_until_closed(client.clone(), url.clone(), signal.clone(), started.clone());
            tokio::spawn(call)
        })
        .collect();
    for _ in 0..WORKERS {
        starts.recv().await.unwrap();
    }
    let asked_to_stop = Instant::now();
    mesh.gate.terminate().await;
    signalled.send_replace(true);
    let (mut allowed, mut failed) = (0, 0);
    for worker in workers {
        let told = worker.await.unwrap();
        assert!(
            told.first_failure - asked_to_stop >= GRACE,
            "refused within the grace"
        );
        assert!(
            told.allowed_after_signal > 0,
            "nothing was answered after the signal"
        );
        allowed += told.allowed;
        failed += 2;
    }
    assert!(mesh.gate.ended().await.success());
    assert_eq!(mesh.upstream.requests(), allowed);
    // Every failure is a connection that nobody took; no check was begun and then dropped.
    let stat = async |name: &str| mesh.envoy.stat(&format!("cluster.gate.{name}")).await;
    assert_eq!(stat("upstream_rq_pending_failure_eject").await, failed);
    assert_eq!(stat("upstream_rq_rx_reset").await, 0);
    assert_eq!(stat("upstream_rq_tx_reset").await, 0);
    assert_eq!(stat("upstream_cx_destroy_with_active_rq").await, 0);
}

const WORKERS: usize = 4;
