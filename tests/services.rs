//! Services as they are asked: our own server on a free port, and the real client.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

#[path = "support/bundles.rs"]
mod bundles;
#[path = "support/certificates.rs"]
#[expect(dead_code, reason = "other tests use the rest")]
mod certificates;

#[path = "services/asking.rs"]
mod asking;
#[path = "services/bounds.rs"]
mod bounds;
#[path = "services/downloads.rs"]
mod downloads;
#[path = "services/oauth2.rs"]
mod oauth2;
#[path = "services/opa.rs"]
mod opa;
#[path = "services/proxy.rs"]
mod proxy;
#[path = "services/redirects.rs"]
mod redirects;
#[path = "services/server.rs"]
mod server;
#[path = "services/signing.rs"]
mod signing;
#[path = "services/tls.rs"]
mod tls;
#[path = "services/tokens.rs"]
mod tokens;

use std::{collections::BTreeMap, error::Error, sync::Arc, time::Duration};

use bundles::BundleServer;
use portcullis::services::{Answer, Client, Credentials, Get, Service, ServiceError, Tls};
use reqwest::header::HeaderMap;

/// A time that nothing of these tests takes.
const LONG: Duration = Duration::from_mins(1);

/// Where [`ask`] asks.
const THING: &str = "/v1/thing";

/// The server as a service, with more time than is ever needed.
fn service(server: &BundleServer) -> Service {
    Service {
        name: "ours".into(),
        url: format!("{}/v1", server.origin()).parse().unwrap(),
        oci: false,
        response_header_timeout: LONG,
        headers: BTreeMap::new(),
        tls: Tls::default(),
        credentials: Credentials::None,
    }
}

fn client(service: Service) -> Client {
    Client::new(Arc::new(service))
}

/// A server that has [`THING`].
async fn server() -> BundleServer {
    let server = BundleServer::start().await;
    server.set(THING, bundles::Answer::ok("it"));
    server
}

/// Asks for [`THING`].
async fn ask(client: &Client) -> Result<Answer, ServiceError> {
    client
        .get(Get {
            resource: "thing",
            headers: HeaderMap::new(),
            wait: Duration::ZERO,
            most: 1 << 20,
        })
        .await
}

/// The error with all its causes.
fn told(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}

/// Why there is no answer.
fn failure(answer: Result<Answer, ServiceError>) -> String {
    told(&answer.unwrap_err())
}
