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

#[path = "line/one_check.rs"]
mod one_check;

use std::{hint::black_box, path::Path};

use criterion::Criterion;
use envoy_types::pb::envoy::service::auth::v3::CheckRequest;
use one_check::active;
use portcullis::check::{Active, Callers};
use prost::Message;

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
        one_check::run(&self.active, &self.callers, &self.request, self.allowed);
    }

    fn decode(&self) {
        let request = CheckRequest::decode(self.request.as_slice()).unwrap();
        assert!(black_box(request).attributes.is_some());
    }
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

fn ratio(case: &Case) {
    let (decide, decode) = one_check::pair(2_000, || case.run(), || case.decode());
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
