//! What policies ask of other services: `http.send` as the reference has it, without a thread that waits.
//!
//! A [`Client`] answers the calls that an evaluation ends at ([`crate::policy::Externals::awaited`]).
//! Promises: nothing is sent but to origins that the configuration allows, and never to link-local or
//! metadata addresses; no answer is read beyond its bound; [`Client::send`] returns at its deadline
//! whatever a server does; redirects and proxies are not followed. Requests that may share a
//! response share one fetch, which goes on when the check that began it is gone. Everything that can go
//! wrong is an error of the call and never a response.

mod address;
mod allow;
mod answer;
mod breaker;
mod error;
mod fetch;
mod fields;
mod freshness;
mod host;
mod request;
mod response;
mod shared;
mod timespan;
mod tls;
mod yaml;

use std::{
    fmt,
    path::PathBuf,
    sync::Arc,
    time::{Duration, Instant},
};

use reqwest::dns::Resolve;

use crate::{
    clock::Clock,
    input::Value,
    policy::Answer,
    telemetry::{Metrics, Trace, http_send::SendEnded},
};

use address::{Guarded, System};
use host::Hosts;
use request::raises;
use response::failure;
use shared::{Flights, Shared};
use tls::Clients;

pub use address::is_forbidden;
pub use allow::{InvalidOrigin, Origin};
pub use breaker::BreakerOptions;
pub use freshness::MOST_STALE;

/// Where policies may send, and how much.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Options {
    /// Where requests may go. Nowhere by default.
    pub allow: Vec<Origin>,
    /// The longest time for one request when the policy gives none, and for one that goes on
    /// without the check that began it.
    pub timeout: Duration,
    /// The longest response body that is read, in bytes.
    pub max_response_bytes: usize,
    /// The longest request body that is sent, in bytes.
    pub max_request_bytes: usize,
    /// Requests under way at once.
    pub max_in_flight: usize,
    /// Requests under way at once to one origin, and so connections to it.
    pub max_in_flight_per_host: usize,
    /// Memory for responses that are kept, in bytes.
    pub cache_bytes: u64,
    /// How long a response that is kept may stand in for one that cannot be fetched; nothing: as
    /// long as the response itself says, up to [`MOST_STALE`].
    pub stale_if_error: Option<Duration>,
    /// When a host is left alone.
    pub breaker: BreakerOptions,
    /// The files that `tls_*_file` of a request may name.
    pub tls_files: Vec<PathBuf>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            allow: Vec::new(),
            timeout: Duration::from_secs(5),
            max_response_bytes: 1 << 20,
            max_request_bytes: 1 << 20,
            max_in_flight: 256,
            max_in_flight_per_host: 64,
            cache_bytes: 64 << 20,
            stale_if_error: None,
            breaker: BreakerOptions::default(),
            tls_files: Vec::new(),
        }
    }
}

/// Sends what policies ask for; clones share everything.
#[derive(Clone)]
pub struct Client(Arc<Inner>);

struct Inner {
    options: Options,
    clock: Clock,
    metrics: Arc<Metrics>,
    hosts: Hosts,
    clients: Clients,
    shared: Arc<Shared>,
    flights: Flights,
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let options = &self.0.options;
        f.debug_struct("Client")
            .field("options", options)
            .finish_non_exhaustive()
    }
}

impl Client {
    /// A client that resolves names as this machine does.
    pub fn new(options: Options, clock: Clock, metrics: Arc<Metrics>) -> Self {
        Self::with_resolver(options, clock, metrics, Arc::new(System))
    }

    /// The same with another way to resolve names; what it finds is checked as always.
    pub fn with_resolver(
        options: Options,
        clock: Clock,
        metrics: Arc<Metrics>,
        resolver: Arc<dyn Resolve>,
    ) -> Self {
        Self(Arc::new(Inner {
            hosts: Hosts::new(&options, &metrics),
            clients: Clients::new(&options, Guarded(resolver)),
            shared: Arc::new(Shared::new(options.cache_bytes)),
            flights: Flights::default(),
            options,
            clock,
            metrics,
        }))
    }

    /// Answers one call of `http.send`, at `deadline` at the latest.
    ///
    /// # Errors
    /// What Rego calls a built-in error, or what ends the evaluation, in words that name no more of a
    /// URL than its origin.
    pub async fn send(&self, request: &Value, deadline: Instant) -> Answer {
        self.send_in(None, request, deadline).await
    }

    /// The same for a check that is of this trace: if that is sampled, whoever is asked is told of it.
    ///
    /// # Errors
    /// As [`Self::send`].
    pub async fn send_in(
        &self,
        trace: Option<&Trace>,
        request: &Value,
        deadline: Instant,
    ) -> Answer {
        let inner = &self.0;
        let began = Instant::now();
        let (result, answer) = match raises(request) {
            Err(error) => (error.result(), Err(error.unanswered())),
            Ok(raise) => match inner.respond(trace, request, deadline).await {
                Ok((result, document)) => (result, Ok(document)),
                Err(error) => {
                    inner.tell(&error);
                    let answer = if raise {
                        Err(error.unanswered())
                    } else {
                        Ok(failure(&error))
                    };
                    (error.result(), answer)
                }
            },
        };
        SendEnded {
            result,
            duration: began.elapsed(),
        }
        .emit(&inner.metrics);
        answer
    }
}
