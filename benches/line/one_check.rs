//! One decision from wire bytes to response bytes, and how long many of them take.

use std::{
    hint::black_box,
    time::{Duration, Instant},
};

use portcullis::{
    check::{Active, Callers, budget, decide},
    clock::Clock,
    decision::Decision,
    input,
    policy::{Entrypoint, Externals, LoadOptions, Policy, PolicyFile},
    request::RequestView,
    response::{self, Reply, respond},
};

const DECISION_ID: &str = "7a1d1d3e-95c4-4a2a-9d0b-0c9b0f6f6c11";

/// Long enough that a busy machine changes no answer.
const PATIENT: budget::Options = budget::Options {
    budget: Duration::from_mins(1),
    reply_margin: Duration::ZERO,
    instructions: 10_000_000,
    memory: 64 * 1024 * 1024,
};

/// The policy that this module is.
pub(crate) fn active(rego: &str) -> Active {
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

/// Decides and answers once; the decision must be the expected one.
pub(crate) fn run(active: &Active, callers: &Callers, request: &[u8], allowed: bool) {
    let mut budget = budget::Budget::offline(&PATIENT, Clock::System);
    let view = RequestView::parse(request).unwrap();
    let outcome = decide(
        active,
        callers,
        &view,
        &mut Externals::default(),
        &mut budget,
    )
    .outcome;
    assert_eq!(matches!(outcome, Ok(Decision::Allow(_))), allowed);
    let Reply::Response(bytes) = respond(&outcome, DECISION_ID, &response::Options::default())
    else {
        unreachable!("the default never answers with a gRPC error");
    };
    black_box(bytes);
}

/// Nanoseconds a call of two sides: the pair whose ratio is the median of 61, interleaved so that a
/// disturbance hits a pair and not one side.
pub(crate) fn pair(calls: u32, one: impl Fn(), other: impl Fn()) -> (f64, f64) {
    let mut pairs: Vec<(f64, f64)> = (0..61)
        .map(|_| (batch(calls, &one), batch(calls, &other)))
        .collect();
    pairs.sort_by(|a, b| (a.0 / a.1).total_cmp(&(b.0 / b.1)));
    pairs[pairs.len() / 2]
}

/// Nanoseconds a call, over one batch.
fn batch(calls: u32, run: impl Fn()) -> f64 {
    let began = Instant::now();
    for _ in 0..calls {
        run();
    }
    began.elapsed().as_secs_f64() * 1e9 / f64::from(calls)
}
