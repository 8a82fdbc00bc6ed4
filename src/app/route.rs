//! Which method answers a request: the check on the short way, everything else by tonic.

use std::{
    convert::Infallible,
    sync::Arc,
    time::{Duration, Instant},
};

use http::{Request, Response};
use http_body_util::Either;
use hyper::body::Incoming;
use tonic::body::Body;
use tonic_health::pb::health_server::HealthServer;
use tower::ServiceExt as _;

use super::{
    health, reflection,
    serve::Answers,
    unary::{self, Intake, Reply},
};
use crate::{check::CheckService, ready::Ready, telemetry::Metrics};

/// The methods of the gRPC port.
#[derive(Debug)]
pub(super) struct Routes {
    check: CheckService,
    intake: Intake,
    metrics: Arc<Metrics>,
    /// Health and, when enabled, reflection; every other method is unimplemented.
    beside: tonic::service::Routes,
}

impl Routes {
    /// Checks of up to `limit` bytes, health and, on request, reflection.
    pub(super) fn new(
        check: CheckService,
        ready: Ready,
        metrics: Arc<Metrics>,
        limit: u32,
        reflects: bool,
    ) -> Result<Self, tonic_reflection::server::Error> {
        let health = HealthServer::new(health::Service::new(ready));
        let mut beside = tonic::service::Routes::new(health);
        if reflects {
            beside = beside
                .add_service(reflection::builder().build_v1()?)
                .add_service(reflection::builder().build_v1alpha()?);
        }
        Ok(Self {
            check,
            intake: Intake::new(limit, PATIENCE),
            metrics,
            beside: beside.prepare(),
        })
    }

    /// Answers one request. What is awaited here is part of the future of every check, which is
    /// moved several times: so the other methods are boxed.
    async fn route(
        self: Arc<Self>,
        request: Request<Incoming>,
        arrived: Instant,
    ) -> Result<Response<Either<Reply, Body>>, Infallible> {
        if request.uri().path() == CHECK {
            let (head, body) = request.into_parts();
            let gate = unary::Gate {
                check: &self.check,
                intake: &self.intake,
                metrics: &self.metrics,
            };
            let response = unary::call(gate, &head.headers, body, arrived).await;
            return Ok(response.map(Either::Left));
        }
        let beside = self.beside.clone();
        let response = Box::pin(beside.oneshot(request.map(Body::new))).await?;
        Ok(response.map(Either::Right))
    }
}

impl Answers for Routes {
    type Body = Either<Reply, Body>;

    fn answer(
        self: Arc<Self>,
        request: Request<Incoming>,
    ) -> impl Future<Output = Result<Response<Self::Body>, Infallible>> + Send {
        // Before it waits for its turn to be answered.
        let arrived = self.check.now();
        self.route(request, arrived)
    }
}

/// How long a caller may take to send its check.
const PATIENCE: Duration = Duration::from_secs(10);
/// The method that Envoy calls.
const CHECK: &str = "/envoy.service.auth.v3.Authorization/Check";
