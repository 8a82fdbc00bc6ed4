//! Status reports: what OPA's status API tells, to a service and to the log.

use std::sync::Arc;

use crate::services::Service;

/// The section `status`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Options {
    /// `service`: reports are posted to its `/status`.
    pub service: Option<Arc<Service>>,
    /// `partition_name`: the path below `/status`; empty: none.
    pub partition: String,
    /// `console`: reports are logged.
    pub console: bool,
    /// `prometheus`: the metrics that OPA shows of bundles are shown too.
    pub prometheus: bool,
}
