//! The metrics of the gRPC port.

use std::time::Duration;

use prometheus_client::{
    metrics::{counter::Counter, family::Family},
    registry::Registry,
};

use super::{Label, moment::Moment, registered};

/// Every series, looked up once.
#[derive(Debug)]
pub(in crate::telemetry) struct Connections {
    pub(in crate::telemetry) accepted: Counter,
    pub(in crate::telemetry) accept_failures: Counter,
    pub(in crate::telemetry) handshake_failures: Counter,
    pub(in crate::telemetry) refused_callers: Counter,
    pub(in crate::telemetry) certificates_replaced: Counter,
    pub(in crate::telemetry) certificates_rejected: Counter,
    certificate_expiry: Moment,
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
            certificate_expiry: registered(
                registry,
                "tls_certificate_expiry_timestamp_seconds",
                "When the certificate of the gRPC port expires",
            ),
        }
    }

    /// Notes when the certificate in use expires, since the Unix epoch; `None` when it does not tell.
    pub(in crate::telemetry) fn certificate_expires(&self, at: Option<Duration>) {
        self.certificate_expiry.set(at);
    }
}
