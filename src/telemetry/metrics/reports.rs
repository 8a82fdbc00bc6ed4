//! The metrics of status reports and of discovery.

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
    pub(in crate::telemetry) discovered: Counter,
    pub(in crate::telemetry) not_discovered: Counter,
}

impl Reports {
    pub(super) fn register(registry: &mut Registry) -> Self {
        let reports: Family<[Label; 1], Counter> = registered(
            registry,
            "status_reports",
            "Status reports to a service, by whether it took them",
        );
        let discovered: Family<[Label; 1], Counter> = registered(
            registry,
            "discovered_configurations",
            "Configurations that were discovered, by whether they were put to use",
        );
        let result = |family: &Family<[Label; 1], Counter>, result: &str| {
            family.get_or_create_owned(&[("result", result.to_owned())])
        };
        Self {
            sent: result(&reports, "success"),
            failed: result(&reports, "failure"),
            discovered: result(&discovered, "success"),
            not_discovered: result(&discovered, "failure"),
        }
    }
}
