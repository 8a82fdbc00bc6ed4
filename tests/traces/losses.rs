//! Collectors that are away, full, slow or unwilling: no check notices, and every span is counted.

use std::time::{Duration, Instant};

use portcullis::traces::otlp::Protocol;
use tokio::net::TcpListener;

use crate::{
    collector::{Collector, Does, options},
    gate::{Gate, PATIENCE, count},
};

const PROTOCOLS: [Protocol; 2] = [Protocol::Grpc, Protocol::Http];
/// Spans of one check.
const SPANS: usize = 6;

/// An address where nobody listens.
async fn nobody() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    listener.local_addr().unwrap().to_string()
}

#[tokio::test]
async fn what_a_collector_rejects_is_counted_as_lost() {
    for protocol in PROTOCOLS {
        for (does, counted) in [
            (Does::Rejects(2), [SPANS - 2, 0, 2]),
            (Does::Rejects(99), [0, 0, SPANS]),
            (Does::Rejects(-1), [SPANS, 0, 0]),
            (Does::Refuses, [0, 0, SPANS]),
        ] {
            let collector = Collector::start(protocol, does).await;
            let gate = Gate::new(collector.options(), 1.0);
            assert!(gate.check("/open", &[]).await);
            assert_eq!(
                gate.finish(PATIENCE).await,
                counted,
                "{protocol:?} {does:?}"
            );
            assert_eq!(collector.calls(), 1, "{protocol:?} {does:?}");
        }
    }
}

#[tokio::test]
async fn a_collector_that_fails_is_asked_again() {
    for protocol in PROTOCOLS {
        let collector = Collector::start(protocol, Does::FailsFirst(2)).await;
        let gate = Gate::new(collector.options(), 1.0);
        assert!(gate.check("/open", &[]).await);
        assert_eq!(gate.finish(PATIENCE).await, [SPANS, 0, 0], "{protocol:?}");
        assert_eq!(collector.calls(), 3);
    }
}

#[tokio::test]
async fn a_collector_that_is_away_costs_spans_and_no_check() {
    for protocol in PROTOCOLS {
        let mut options = options(protocol, nobody().await);
        options.batch.timeout = Duration::from_millis(300);
        let gate = Gate::new(options, 1.0);
        for _ in 0..10 {
            assert!(gate.check("/open", &[]).await);
            assert!(!gate.check("/closed", &[]).await);
        }
        assert_eq!(
            gate.finish(PATIENCE).await,
            [0, 0, 20 * SPANS],
            "{protocol:?}"
        );
    }
}

#[tokio::test]
async fn more_than_may_wait_is_dropped_and_every_span_is_counted_once() {
    for protocol in PROTOCOLS {
        let collector = Collector::start(protocol, Does::Stalls).await;
        let mut options = collector.options();
        options.batch.queue = 20;
        options.batch.size = 4;
        let gate = Gate::new(options, 1.0);
        for _ in 0..10 {
            assert!(gate.check("/open", &[]).await);
        }
        // At a short end the recorder would leave out what it has not told of.
        let told = async {
            let full = r#"portcullis_spans_dropped_total{cause="queue_full"} "#;
            while count(&gate.metrics, full) < 10 * SPANS - 20 {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(PATIENCE, told).await.unwrap();
        let began = Instant::now();
        let counted = gate.finish(Duration::from_millis(200)).await;
        assert_eq!(counted, [0, 10 * SPANS - 20, 20], "{protocol:?}");
        assert!(began.elapsed() < Duration::from_secs(10));
    }
}

#[tokio::test]
async fn batches_hold_no_more_than_they_may() {
    for protocol in PROTOCOLS {
        let collector = Collector::start(protocol, Does::Takes).await;
        let mut options = collector.options();
        options.batch.size = 7;
        options.batch.delay = PATIENCE;
        let gate = Gate::new(options, 1.0);
        for _ in 0..7 {
            assert!(gate.check("/open", &[]).await);
        }
        assert_eq!(gate.finish(PATIENCE).await, [7 * SPANS, 0, 0]);
        assert_eq!(collector.calls(), 6, "{protocol:?}");
    }
}
