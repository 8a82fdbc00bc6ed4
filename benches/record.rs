//! What it costs to count one check: the event of the check and the call around it. The counters are
//! read inside every loop.
//!
//! `cargo bench --bench record` prints criterion's figures and then the nanoseconds of one check on one
//! thread, and on every CPU at once with all of them counting into the same metrics.
#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a measurement fails by panicking and prints what it found"
)]

use std::{
    hint::black_box,
    sync::Barrier,
    thread,
    time::{Duration, Instant},
};

use criterion::{BatchSize, Criterion};
use portcullis::{
    decision::Decision,
    identity::jwt::JwtError,
    input::Value,
    outcome::{CheckError, Outcome, Stage},
    telemetry::{
        CheckDecided, Metrics, Seen, SeenToken, StageTimes,
        grpc::{CallEnded, CallStarted, Code},
        metrics::PERFORMANCE_BUCKETS,
    },
};

/// One kind of check, with the sample that counts it.
struct Case {
    name: &'static str,
    outcome: Outcome,
    token: Option<JwtError>,
    counted: &'static str,
}

fn cases() -> [Case; 3] {
    let decision = |allowed: bool| Ok(Decision::parse(&Value::from(allowed)).unwrap());
    [
        Case {
            name: "allowed",
            outcome: decision(true),
            token: None,
            counted: r#"portcullis_checks_total{outcome="allowed",reason="policy"} "#,
        },
        Case {
            name: "denied",
            outcome: decision(false),
            token: Some(JwtError::Expired),
            counted: r#"portcullis_checks_total{outcome="denied",reason="policy"} "#,
        },
        Case {
            name: "out_of_time",
            outcome: Err(CheckError::Budget(Stage::Policy)),
            token: None,
            counted: r#"portcullis_checks_total{outcome="error",reason="budget"} "#,
        },
    ]
}

impl Case {
    /// Counts one check as the line and the port do.
    fn record(&self, metrics: &Metrics, stages: &StageTimes) {
        CallStarted.emit(metrics);
        let in_flight = metrics.enter(usize::MAX).unwrap();
        CheckDecided {
            outcome: black_box(&self.outcome),
            duration: Duration::from_micros(30),
            stages,
            request: Some(Seen {
                caller: Some("spiffe://cluster.local/ns/foo/sa/sleep"),
                ..Seen::default()
            }),
            token: Some(SeenToken {
                provider: Some("main"),
                error: self.token,
                cached: true,
                nudge: None,
            }),
        }
        .emit(metrics);
        drop(in_flight);
        CallEnded {
            code: Code::Ok,
            duration: Duration::from_micros(35),
        }
        .emit(metrics);
    }

    /// Counts so many checks, and makes sure of it.
    fn record_all(&self, checks: u32, metrics: &Metrics, stages: &StageTimes) {
        for _ in 0..checks {
            self.record(metrics, stages);
        }
        assert!(self.counted(metrics) >= checks, "{}", self.name);
    }

    fn counted(&self, metrics: &Metrics) -> u32 {
        let text = metrics.encode();
        let value = text
            .lines()
            .find_map(|line| line.strip_prefix(self.counted));
        value.unwrap().parse().unwrap()
    }
}

fn metrics() -> Metrics {
    Metrics::new(Some(&PERFORMANCE_BUCKETS))
}

/// A check that came through every stage.
fn stages() -> StageTimes {
    let mut stages = StageTimes::default();
    for stage in Stage::ALL {
        stages.record(stage, Duration::from_micros(5));
    }
    stages
}

/// Nanoseconds a check while so many threads count into the same metrics: the median of 31 rounds.
fn nanoseconds(case: &Case, threads: usize, checks: u32) -> f64 {
    let mut rounds: Vec<f64> = (0..31).map(|_| round(case, threads, checks)).collect();
    rounds.sort_by(f64::total_cmp);
    *rounds.get(15).unwrap()
}

fn round(case: &Case, threads: usize, checks: u32) -> f64 {
    let (metrics, start) = (metrics(), Barrier::new(threads));
    let mut took = 0.0_f64;
    thread::scope(|scope| {
        let workers: Vec<_> = (0..threads)
            .map(|_| {
                scope.spawn(|| {
                    let stages = stages();
                    start.wait();
                    let began = Instant::now();
                    for _ in 0..checks {
                        case.record(&metrics, &stages);
                    }
                    began.elapsed().as_secs_f64()
                })
            })
            .collect();
        for worker in workers {
            took = took.max(worker.join().unwrap());
        }
    });
    let all = u32::try_from(threads).unwrap().checked_mul(checks).unwrap();
    assert_eq!(case.counted(&metrics), all, "{}", case.name);
    took * 1e9 / f64::from(checks)
}

fn main() {
    let cases = cases();
    let mut criterion = Criterion::default().configure_from_args();
    let mut group = criterion.benchmark_group("record");
    for case in &cases {
        group.bench_function(format!("{} x 10000", case.name), |bencher| {
            bencher.iter_batched_ref(
                || (metrics(), stages()),
                |(metrics, stages)| case.record_all(10_000, metrics, stages),
                BatchSize::SmallInput,
            );
        });
    }
    group.finish();
    criterion.final_summary();
    let quick = std::env::args().any(|arg| arg == "--test");
    let checks = if quick { 100 } else { 20_000 };
    let cpus = thread::available_parallelism().map_or(1, usize::from);
    for case in &cases {
        let alone = nanoseconds(case, 1, checks);
        let together = nanoseconds(case, cpus, checks);
        println!(
            "{:<12} {alone:>6.0} ns a check on one thread   {together:>6.0} ns on each of {cpus}",
            case.name
        );
    }
}
