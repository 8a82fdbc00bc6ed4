//! What one decision costs, wire bytes to response bytes, beside a plain prost decode of the same
//! bytes in the same run. The answer is asserted inside every loop.
//!
//! `cargo bench --bench decide` prints criterion's figures and then the ratio of interleaved pairs,
//! which is what to trust on a noisy machine.
#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::unreachable,
    clippy::indexing_slicing,
    reason = "a measurement fails by panicking and prints what it found"
)]

use std::{
    hint::black_box,
    path::Path,
    time::{Duration, Instant},
};

use criterion::Criterion;
use envoy_types::pb::envoy::service::auth::v3::CheckRequest;
use portcullis::{
    check::{Active, Callers, budget, decide},
    clock::Clock,
    input,
    policy::{Entrypoint, LoadOptions, Policy, PolicyFile},
    request::RequestView,
    response::{self, Reply, respond},
};
use prost::Message;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const DECISION_ID: &str = "7a1d1d3e-95c4-4a2a-9d0b-0c9b0f6f6c11";

/// Long enough that a busy machine changes no answer.
const PATIENT: budget::Options = budget::Options {
    budget: Duration::from_mins(1),
    reply_margin: Duration::ZERO,
    instructions: 10_000_000,
};

struct Case {
    name: &'static str,
    active: Active,
    callers: Callers,
    request: Vec<u8>,
    allowed: bool,
}

impl Case {
    /// The published skeleton on the richest capture: the caller's tier decides.
    fn skeleton(name: &'static str, principal: &str, claims: &str, allowed: bool) -> Self {
        let rego = format!(
            r#"package envoy.authz
default allow := false
allow if {{
  input.attributes.source.principal == "{principal}"
  claims := input.attributes.metadata_context.filter_metadata["envoy.filters.http.jwt_authn"].fields
  {claims}
}}
"#
        );
        Self {
            name,
            active: active(&rego),
            callers: Callers::default(),
            request: capture("rich-headers-mtls-jwt-sni"),
            allowed,
        }
    }

    fn run(&self) {
        let clock = Clock::System;
        let mut budget = budget::Budget::offline(&PATIENT, clock);
        let request = RequestView::parse(&self.request).unwrap();
        let outcome = decide(&self.active, &self.callers, &request, &mut budget).outcome;
        assert_eq!(
            matches!(outcome, Ok(portcullis::decision::Decision::Allow(_))),
            self.allowed
        );
        let Reply::Response(bytes) = respond(&outcome, DECISION_ID, &response::Options::default())
        else {
            unreachable!("the default never answers with a gRPC error");
        };
        black_box(bytes);
    }

    fn decode(&self) {
        let request = CheckRequest::decode(self.request.as_slice()).unwrap();
        assert!(black_box(request).attributes.is_some());
    }
}

fn active(rego: &str) -> Active {
    let file = PolicyFile {
        name: "policy.rego".to_owned(),
        data_path: Vec::new(),
        bytes: rego.as_bytes().to_vec(),
    };
    let options = LoadOptions {
        entrypoint: Entrypoint::Path(["envoy", "authz", "allow"].map(str::to_owned).to_vec()),
        v0_compatible: false,
        strict_builtin_errors: false,
    };
    Active::new(
        Policy::load(&[file], &options).unwrap(),
        &input::Options::default(),
    )
}

fn capture(name: &str) -> Vec<u8> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/fixtures/captures")
        .join(name)
        .with_extension("pb");
    std::fs::read(path).unwrap()
}

fn cases() -> Vec<Case> {
    let sleep = "spiffe://cluster.local/ns/foo/sa/sleep";
    let tier = r#"claims["tier"] == "premium""#;
    vec![
        Case::skeleton("skeleton_allow", sleep, r#"claims["num"] == 7"#, true),
        Case::skeleton("skeleton_deny", sleep, tier, false),
        Case::skeleton("skeleton_other_caller", "spiffe://x/ns/a/sa/b", tier, false),
    ]
}

/// Nanoseconds a call, over one batch.
fn batch(calls: u32, run: impl Fn()) -> f64 {
    let began = Instant::now();
    for _ in 0..calls {
        run();
    }
    began.elapsed().as_secs_f64() * 1e9 / f64::from(calls)
}

/// Interleaves batches of both sides, so that a disturbance hits a pair and not one side.
fn ratio(case: &Case) {
    let mut pairs: Vec<(f64, f64)> = (0..61)
        .map(|_| (batch(2_000, || case.run()), batch(2_000, || case.decode())))
        .collect();
    pairs.sort_by(|a, b| (a.0 / a.1).total_cmp(&(b.0 / b.1)));
    let (decide, decode) = pairs[pairs.len() / 2];
    println!(
        "{:<24} decide {decide:>7.0} ns   prost decode {decode:>7.0} ns   ratio {:.2}",
        case.name,
        decide / decode
    );
}

fn main() {
    let cases = cases();
    let mut criterion = Criterion::default().configure_from_args();
    let mut group = criterion.benchmark_group("line");
    for case in &cases {
        group.bench_function(case.name, |b| b.iter(|| case.run()));
    }
    group.bench_function("prost_decode", |b| b.iter(|| cases[0].decode()));
    group.finish();
    criterion.final_summary();
    if !std::env::args().any(|arg| arg == "--test") {
        println!("\nmedian of 61 interleaved pairs, wire bytes to response bytes:");
        cases.iter().for_each(ratio);
    }
}
