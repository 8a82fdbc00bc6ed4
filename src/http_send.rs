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
    telemetry::{
        Metrics,
        http_send::{RequestRefused, SendEnded, SendResult},
    },
};

use address::{Guarded, System};
use error::SendError;
use fetch::fetch;
use freshness::Life;
use host::{Host, Hosts};
use request::{Request, raises};
use response::{Response, failure};
use shared::{Flights, Kept, Landed, Shared};
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
    /// What Rego calls a built-in error, in words that name no more of a URL than its origin.
    pub async fn send(&self, request: &Value, deadline: Instant) -> Answer {
        let inner = &self.0;
        let began = Instant::now();
        let (result, answer) = match raises(request) {
            Err(error) => (error.result(), Err(error.to_string())),
            Ok(raise) => match inner.respond(request, deadline).await {
                Ok((result, document)) => (result, Ok(document)),
                Err(error) => {
                    inner.tell(&error);
                    let answer = if raise {
                        Err(error.to_string())
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

impl Inner {
    async fn respond(
        self: &Arc<Self>,
        request: &Value,
        deadline: Instant,
    ) -> Result<(SendResult, Value), SendError> {
        let request = Request::read(request, self.options.max_request_bytes)?;
        let host = self.hosts.of(&request.origin)?;
        if request.caching.is_some() {
            return self.cached(host, request, deadline).await;
        }
        let until = self.until(&request, deadline);
        let permit = host.enter(&self.hosts, until).await?;
        let fetched = self.fetch(host, &request, None, until).await;
        drop(permit);
        Ok((SendResult::Fetched, fetched?.document(request.decode)))
    }

    /// A response that is kept, one that somebody fetches already, or a new one.
    async fn cached(
        self: &Arc<Self>,
        host: &Arc<Host>,
        request: Request,
        deadline: Instant,
    ) -> Result<(SendResult, Value), SendError> {
        let Some(caching) = request.caching else {
            return Err(SendError::GivenUp);
        };
        let now = self.clock.instant();
        let kept = self.shared.get(&caching.key);
        if let Some(kept) = &kept
            && now < kept.life.fresh_until
        {
            return Ok((SendResult::Cached, kept.document.clone()));
        }
        let stale = kept.as_ref().filter(|kept| now < kept.life.usable_until);
        let until = match stale {
            // Time must be left to make use of it.
            Some(_) => half_way(deadline),
            None => deadline,
        };
        let landed = self.landed(host, request, kept.clone(), until).await;
        match (landed, stale) {
            (Ok((_, landed)), Some(stale)) if landed.failed => {
                Ok((SendResult::Stale, stale.document.clone()))
            }
            (Err(error), Some(stale)) if error.is_outage() => {
                Ok((SendResult::Stale, stale.document.clone()))
            }
            (Ok((result, landed)), _) => Ok((result, landed.document)),
            (Err(error), _) => Err(error),
        }
    }

    /// What the one fetch for all requests like this one brings.
    async fn landed(
        self: &Arc<Self>,
        host: &Arc<Host>,
        request: Request,
        kept: Option<Arc<Kept>>,
        until: Instant,
    ) -> Result<(SendResult, Landed), SendError> {
        let timed_out = SendError::TimedOut {
            method: request.method.to_string(),
            origin: request.origin.to_string(),
        };
        let Some(caching) = request.caching else {
            return Err(SendError::GivenUp);
        };
        if let Some(flight) = self.flights.under_way(&caching.key) {
            let landed = flight.landed(until, timed_out).await?;
            return Ok((SendResult::Joined, landed));
        }
        let permit = host.enter(&self.hosts, until).await?;
        let begun = self.flights.begin(caching.key, || {
            let now = self.clock.instant();
            let newer = self.shared.get(&caching.key)?;
            (now < newer.life.fresh_until).then(|| newer.document.clone())
        });
        match begun {
            shared::Begun::Meanwhile(document) => Ok((
                SendResult::Cached,
                Landed {
                    document,
                    failed: false,
                    confirmed: false,
                },
            )),
            shared::Begun::Joined(flight) => {
                drop(permit);
                let landed = flight.landed(until, timed_out).await?;
                Ok((SendResult::Joined, landed))
            }
            shared::Begun::Ours(pilot, flight) => {
                let (inner, host) = (Arc::clone(self), Arc::clone(host));
                tokio::spawn(async move {
                    let landed = inner.fly(&host, &request, kept).await;
                    drop(permit);
                    pilot.land(landed);
                });
                let landed = flight.landed(until, timed_out).await?;
                let result = if landed.confirmed {
                    SendResult::Revalidated
                } else {
                    SendResult::Fetched
                };
                Ok((result, landed))
            }
        }
    }

    /// Fetches for all who wait, and keeps the response where it may be kept.
    async fn fly(
        &self,
        host: &Arc<Host>,
        request: &Request,
        kept: Option<Arc<Kept>>,
    ) -> Result<Landed, SendError> {
        let began = Instant::now();
        let longest = began.checked_add(self.options.timeout).unwrap_or(began);
        let until = self.until(request, longest);
        let known = kept.as_ref().map(|kept| &kept.response.headers);
        let fetched = self.fetch(host, request, known, until).await?;
        let confirmed = fetched.status == http::StatusCode::NOT_MODIFIED;
        let response = match kept {
            Some(kept) if confirmed => Response {
                headers: freshness::confirmed(kept.response.headers.clone(), &fetched.headers),
                ..kept.response.clone()
            },
            Some(_) | None => fetched,
        };
        let document = response.document(request.decode);
        let landed = Landed {
            failed: response.status.is_server_error(),
            document: document.clone(),
            confirmed,
        };
        if let Some(caching) = request.caching {
            let now = self.clock.now();
            let life = Life::of(
                response.status,
                &response.headers,
                now,
                caching.forced,
                self.options.stale_if_error,
            );
            match life {
                Some(life) => self
                    .shared
                    .keep(caching.key, Kept::new(response, document, life)),
                // The last response may still stand in for one that failed.
                None if landed.failed => {}
                None => self.shared.forget(&caching.key),
            }
        }
        Ok(landed)
    }

    /// One fetch under the host's breaker.
    async fn fetch(
        &self,
        host: &Arc<Host>,
        request: &Request,
        known: Option<&http::HeaderMap>,
        until: Instant,
    ) -> Result<Response, SendError> {
        let client = self
            .clients
            .client(request.origin.scheme(), &request.tls)
            .await?;
        let attempt = host.breaker.enter(self.clock.instant());
        let attempt = attempt.ok_or_else(|| SendError::BreakerOpen(host.origin.to_string()))?;
        let given = until.saturating_duration_since(Instant::now());
        let fetching = fetch(&client, request, known, self.options.max_response_bytes);
        let result = tokio::time::timeout_at(until.into(), fetching)
            .await
            .unwrap_or_else(|_elapsed| {
                Err(SendError::TimedOut {
                    method: request.method.to_string(),
                    origin: request.origin.to_string(),
                })
            });
        let change = match &result {
            Err(SendError::Failed { .. }) => attempt.failed(self.clock.instant()),
            // Who gives it no time learns nothing of a host.
            Err(SendError::TimedOut { .. }) if given < FAIR => None,
            Err(SendError::TimedOut { .. }) => attempt.failed(self.clock.instant()),
            Ok(_) | Err(_) => attempt.answered(),
        };
        host.changed(change, result.as_ref().err(), &self.metrics);
        result
    }

    /// When a request ends: with its own time-out, else the usual one, and at `deadline` anyway.
    fn until(&self, request: &Request, deadline: Instant) -> Instant {
        let timeout = request.timeout.unwrap_or(self.options.timeout);
        let own = Instant::now().checked_add(timeout);
        own.map_or(deadline, |own| own.min(deadline))
    }

    /// Tells the operator of what only the configuration can mend.
    fn tell(&self, error: &SendError) {
        match error {
            SendError::NotAllowed(_) | SendError::ForbiddenAddress(_) => {
                RequestRefused { error }.emit(&self.metrics)
            }
            SendError::Invalid(_)
            | SendError::BreakerOpen(_)
            | SendError::Overloaded(_)
            | SendError::TimedOut { .. }
            | SendError::Failed { .. }
            | SendError::TooLarge { .. }
            | SendError::Redirected(_)
            | SendError::Certificates(_)
            | SendError::GivenUp => {}
        }
    }
}

/// The middle of the time until `deadline`.
fn half_way(deadline: Instant) -> Instant {
    let now = Instant::now();
    let left = deadline.saturating_duration_since(now);
    let half = left.checked_div(2).unwrap_or_default();
    now.checked_add(half).unwrap_or(deadline)
}

/// A host that is given less than this has not had the time to answer.
const FAIR: Duration = Duration::from_millis(10);
