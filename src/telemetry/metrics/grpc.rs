//! The metrics of gRPC calls under the names and labels that gRPC servers usually have, so that
//! dashboards and alerts for those work here.

use std::time::Duration;

use prometheus_client::{
    metrics::{counter::Counter, family::Family},
    registry::Registry,
};

use super::{Label, counters::Counters, histogram::Histogram, registered};
use crate::telemetry::grpc::Code;

/// Every series of the one method that is counted.
#[derive(Debug)]
pub(in crate::telemetry) struct Grpc {
    pub(in crate::telemetry) started: Counter,
    handled: Counters<Code>,
    duration: Histogram,
}

impl Grpc {
    pub(super) fn register(registry: &mut Registry) -> Self {
        let started: Family<[Label; 3], Counter> = registered(
            registry,
            "grpc_server_started",
            "Calls that the gRPC port began to answer",
        );
        let handled: Family<[Label; 4], Counter> = registered(
            registry,
            "grpc_server_handled",
            "Calls that ended, by gRPC code: a denial is `OK`",
        );
        let made: fn() -> Histogram = || Histogram::new(&BOUNDS);
        let duration = Family::<[Label; 3], Histogram, _>::new_with_constructor(made);
        registry.register(
            "grpc_server_handling_seconds",
            "Time from the arrival of a call to its end",
            duration.clone(),
        );
        Self {
            started: started.get_or_create_owned(&method()),
            handled: Counters::new(&Code::ALL, |code| {
                let [kind, service, method] = method();
                let code = ("grpc_code", code.as_str().to_owned());
                handled.get_or_create_owned(&[kind, service, method, code])
            }),
            duration: duration.get_or_create_owned(&method()),
        }
    }

    pub(in crate::telemetry) fn ended(&self, code: Code, duration: Duration) {
        self.handled.add(code, 1);
        self.duration.observe(duration);
    }
}

fn method() -> [Label; 3] {
    [
        ("grpc_type", "unary".to_owned()),
        ("grpc_service", SERVICE.to_owned()),
        ("grpc_method", "Check".to_owned()),
    ]
}

/// The service of the method.
const SERVICE: &str = "envoy.service.auth.v3.Authorization";
/// Upper bounds in seconds: those of gRPC servers by default, which rules and dashboards name. What is
/// fast here is told by `portcullis_check_duration_seconds`.
const BOUNDS: [f64; 11] = [
    0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0,
];
