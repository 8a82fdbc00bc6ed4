//! The metrics of the gRPC port.

use prometheus_client::{
    metrics::{counter::Counter, family::Family},
    registry::Registry,
};

use super::{Label, registered};

/// Every series, looked up once.
#[derive(Debug)]
pub(in crate::telemetry) struct Connections {
    pub(in crate::telemetry) accepted: Counter,
    pub(in crate::telemetry) accept_failures: Counter,
    pub(in crate::telemetry) handshake_failures: Counter,
    pub(in crate::telemetry) refused_callers: Counter,
    pub(in crate::telemetry) certificates_replaced: Counter,
    pub(in crate::telemetry) certificates_rejected: Counter,
}

impl Connections {
    pub(super) fn register(registry: &mut Registry) -> Self {
        let counter = |registry: &mut Registry, name, help| registered(registry, name, help);
        let accepted = counter(
            registry,
            "connections_accepted",
            "Connections to the gRPC port",
        );
        let accept_failures = counter(
            registry,
            "connection_accept_failures",
            "Failed attempts to accept a connection",
        );
        let handshake_failures = counter(
            registry,
            "tls_handshake_failures",
            "TLS handshakes that failed or took too long",
        );
        let refused_callers = counter(
            registry,
            "callers_refused",
            "Connections of callers with a good certificate that are not allowed to ask",
        );
        let reloads: Family<[Label; 1], Counter> = registered(
            registry,
            "certificate_reloads",
            "Changes of the certificate files, by whether they were put to use",
        );
        let result = |result: &str| reloads.get_or_create_owned(&[("result", result.to_owned())]);
        Self {
            accepted,
            accept_failures,
            handshake_failures,
            refused_callers,
            certificates_replaced: result("success"),
            certificates_rejected: result("failure"),
        }
    }
}
