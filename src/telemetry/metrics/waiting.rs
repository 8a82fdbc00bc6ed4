//! How much waits somewhere: records and their bytes.

use prometheus_client::metrics::gauge::Gauge;

/// Two gauges that move together; clones share them.
#[derive(Clone, Debug, Default)]
pub struct Waiting {
    pub(super) records: Gauge,
    pub(super) bytes: Gauge,
}

impl Waiting {
    /// So much has come.
    pub fn add(&self, records: u64, bytes: u64) {
        self.records.inc_by(signed(records));
        self.bytes.inc_by(signed(bytes));
    }

    /// So much has gone, wherever to.
    pub fn remove(&self, records: u64, bytes: u64) {
        self.records.dec_by(signed(records));
        self.bytes.dec_by(signed(bytes));
    }

    /// So much is there.
    pub fn set(&self, records: u64, bytes: u64) {
        self.records.set(signed(records));
        self.bytes.set(signed(bytes));
    }
}

pub(super) fn signed(n: u64) -> i64 {
    i64::try_from(n).unwrap_or(i64::MAX)
}
