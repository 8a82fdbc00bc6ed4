//! The metrics of status reports.

use prometheus_client::{
    metrics::{counter::Counter, family::Family},
    registry::Registry,
};

use super::{Label, registered};

/// Every series, looked up once.
#[derive(Debug)]
pub(in crate::telemetry) struct Reports {
    pub(in crate::telemetry) sent: Counter,
    pub(in crate::telemetry) failed: Counter,
}

impl Reports {
    pub(super) fn register(registry: &mut Registry) -> Self {
        let reports: Family<[Label; 1], Counter> = registered(
            registry,
            "status_reports",
            "Status reports to a service, by whether it took them",
        );
        let result = |result: &str| reports.get_or_create_owned(&[("result", result.to_owned())]);
        Self {
            sent: result("success"),
            failed: result("failure"),
        }
    }
}
