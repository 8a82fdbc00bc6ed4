//! Which method answers a request: the check on the short way, everything else by tonic.

use std::time::Duration;

use http::{Request, Response};
use http_body_util::Either;
use hyper::body::Incoming;
use tonic::body::Body;
use tonic_health::pb::health_server::HealthServer;
use tower_service::Service as _;

use super::{
    health, reflection,
    unary::{self, Intake, Reply},
};
use crate::{check::CheckService, ready::Ready};

/// The methods of the gRPC port.
#[derive(Debug)]
pub(super) struct Routes {
    check: CheckService,
    intake: Intake,
    /// Health and, when enabled, reflection; every other method is unimplemented.
    beside: tonic::service::Routes,
}

impl Routes {
    /// Checks of up to `limit` bytes, health and, on request, reflection.
    pub(super) fn new(
        check: CheckService,
        ready: Ready,
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
            beside: beside.prepare(),
        })
    }

    /// Answers one request.
    pub(super) async fn answer(&self, request: Request<Incoming>) -> Response<Either<Reply, Body>> {
        if request.uri().path() == CHECK {
            return unary::call(&self.check, &self.intake, request)
                .await
                .map(Either::Left);
        }
        let request = request.map(Body::new);
        let response = match self.beside.clone().call(request).await {
            Ok(response) => response,
            Err(never) => match never {},
        };
        response.map(Either::Right)
    }
}

/// How long a caller may take to send its check.
const PATIENCE: Duration = Duration::from_secs(10);
/// The method that Envoy calls.
const CHECK: &str = "/envoy.service.auth.v3.Authorization/Check";
