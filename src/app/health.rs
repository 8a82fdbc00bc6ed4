//! `grpc.health.v1.Health`: SERVING while this server is ready, for the server as a whole and for
//! the authorization service.
//!
//! Promises that a watch never outlives a drain: it ends after the `NOT_SERVING` that announces it.

use std::pin::Pin;

use futures_util::{Stream, StreamExt as _, stream};
use tonic::{Request, Response, Status, async_trait};
use tonic_health::pb::{
    HealthCheckRequest, HealthCheckResponse, health_check_response::ServingStatus,
    health_server::Health,
};

use crate::ready::{Readiness, Ready, Watch};

/// Health as [`Ready`] tells it.
#[derive(Debug)]
pub(super) struct Service {
    ready: Ready,
}

impl Service {
    /// Reports `ready`.
    pub(super) fn new(ready: Ready) -> Self {
        Self { ready }
    }
}

#[async_trait]
impl Health for Service {
    type WatchStream = Pin<Box<dyn Stream<Item = Result<HealthCheckResponse, Status>> + Send>>;

    async fn check(
        &self,
        request: Request<HealthCheckRequest>,
    ) -> Result<Response<HealthCheckResponse>, Status> {
        if !is_known(&request.get_ref().service) {
            return Err(Status::not_found("unknown service"));
        }
        Ok(Response::new(response(serving(&self.ready.current()))))
    }

    /// An unknown service is an answer here, not an error, as the protocol says.
    async fn watch(
        &self,
        request: Request<HealthCheckRequest>,
    ) -> Result<Response<Self::WatchStream>, Status> {
        let known = is_known(&request.get_ref().service);
        let changes = readiness(self.ready.watch()).map(move |readiness| {
            if known {
                serving(&readiness)
            } else {
                ServingStatus::ServiceUnknown
            }
        });
        // Only what differs from the last message is sent.
        let mut last = None;
        let statuses = changes
            .filter(move |status| std::future::ready(last.replace(*status) != Some(*status)))
            .map(|status| Ok(response(status)));
        Ok(Response::new(Box::pin(statuses)))
    }
}

/// Where readiness stands and every change of it, up to the drain.
fn readiness(watch: Watch) -> impl Stream<Item = Readiness> + Send {
    enum Next {
        Current(Watch),
        Change(Watch),
        End,
    }
    stream::unfold(Next::Current(watch), async |next| {
        let (readiness, watch) = match next {
            Next::Current(mut watch) => (watch.current(), watch),
            Next::Change(mut watch) => (watch.changed().await?, watch),
            Next::End => return None,
        };
        let next = match readiness {
            Readiness::Draining => Next::End,
            Readiness::Ready | Readiness::Pending(_) => Next::Change(watch),
        };
        Some((readiness, next))
    })
}

fn is_known(service: &str) -> bool {
    service.is_empty() || service == super::AUTHORIZATION
}

fn serving(readiness: &Readiness) -> ServingStatus {
    if readiness.is_ready() {
        ServingStatus::Serving
    } else {
        ServingStatus::NotServing
    }
}

fn response(status: ServingStatus) -> HealthCheckResponse {
    HealthCheckResponse {
        status: status.into(),
    }
}
