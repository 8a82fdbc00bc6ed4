//! Counts a Check call as gRPC sees it, from its arrival until it is over, however that comes.

use std::time::Instant;

use tonic::Status;

use crate::{
    check::CheckService,
    telemetry::{
        Metrics,
        grpc::{CallEnded, CallStarted, Code},
    },
};

/// A call that goes on for as long as this lives.
#[must_use = "the call counts as ended when this is dropped"]
pub(super) struct Counted<'a> {
    metrics: &'a Metrics,
    check: &'a CheckService,
    called: Instant,
    /// What is told in the end. Who drops the call before its answer is a caller that went away.
    code: Code,
}

impl<'a> Counted<'a> {
    pub(super) fn begin(metrics: &'a Metrics, check: &'a CheckService, called: Instant) -> Self {
        CallStarted.emit(metrics);
        Self {
            metrics,
            check,
            called,
            code: Code::Canceled,
        }
    }

    /// It is answered with a message.
    pub(super) fn answered(mut self) {
        self.code = Code::Ok;
    }

    /// It is answered with an error of gRPC.
    pub(super) fn failed(mut self, status: &Status) {
        self.code = if status.code() == tonic::Code::Cancelled {
            Code::Canceled
        } else if status.code() == tonic::Code::Unavailable {
            Code::Unavailable
        } else {
            Code::Internal
        };
    }
}

impl Drop for Counted<'_> {
    fn drop(&mut self) {
        let duration = self.check.now().saturating_duration_since(self.called);
        let code = self.code;
        CallEnded { code, duration }.emit(self.metrics);
    }
}
