//! The way of one call: a response that is kept, a fetch that is under way, or a new one under the host's
//! breaker; and in the end an old response where there is no other.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use http::{HeaderMap, StatusCode};
use tokio::{task::spawn_blocking, time::timeout_at};

use super::{
    Inner,
    breaker::Failure,
    error::SendError,
    fetch::fetch,
    freshness::{self, Life},
    host::Host,
    request::{Request, Target},
    response::{Decode, Response},
    shared::{Begun, Kept, Landed},
};
use crate::{
    input::Value,
    telemetry::{
        Trace,
        http_send::{RequestRefused, SendResult},
    },
};

impl Inner {
    /// The response to a request object, and how it was come by.
    pub(super) async fn respond(
        self: &Arc<Self>,
        trace: Option<&Trace>,
        request: &Value,
        deadline: Instant,
    ) -> Result<(SendResult, Value), SendError> {
        let target = Target::read(request)?;
        let host = self.hosts.of(&target.origin)?;
        let mut request = Request::read(target, self.options.max_request_bytes)?;
        if let Some(parent) = trace.and_then(Trace::traceparent) {
            request.is_of(parent);
        }
        if request.caching.is_some() {
            return self.cached(host, request, deadline).await;
        }
        let until = self.until(&request, deadline);
        let permit = host.enter(&self.hosts, until).await?;
        let fetched = self.fetch(host, &request, None, until).await;
        drop(permit);
        let decoding = decoded(fetched?, request.decode);
        let (_, document) = within(until, &request, decoding).await?;
        Ok((SendResult::Fetched, document))
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
        let wanted = Wanted {
            kept: kept.clone(),
            can_do_without: stale.is_some(),
            until,
        };
        let landed = self.landed(host, request, wanted).await;
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
        wanted: Wanted,
    ) -> Result<(SendResult, Landed), SendError> {
        let Wanted { kept, until, .. } = wanted;
        let timed_out = timed_out(&request);
        let Some(caching) = request.caching else {
            return Err(SendError::GivenUp);
        };
        if let Some(flight) = self.flights.under_way(&caching.key) {
            let until = if wanted.can_do_without {
                flight.patience(until)
            } else {
                until
            };
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
            Begun::Meanwhile(document) => Ok((
                SendResult::Cached,
                Landed {
                    document,
                    failed: false,
                    confirmed: false,
                },
            )),
            Begun::Joined(flight) => {
                drop(permit);
                let landed = flight.landed(until, timed_out).await?;
                Ok((SendResult::Joined, landed))
            }
            Begun::Ours(pilot, flight) => {
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
        let confirmed = fetched.status == StatusCode::NOT_MODIFIED;
        let response = match kept {
            Some(kept) if confirmed => Response {
                headers: freshness::confirmed(kept.response.headers.clone(), &fetched.headers),
                ..kept.response.clone()
            },
            Some(_) | None => fetched,
        };
        let (response, document) = decoded(response, request.decode).await?;
        let landed = Landed {
            failed: matches!(response.status.as_u16(), 500 | 502 | 503 | 504),
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
        known: Option<&HeaderMap>,
        until: Instant,
    ) -> Result<Response, SendError> {
        let scheme = request.origin.scheme();
        let client = self.clients.client(scheme, &request.tls);
        let client = within(until, request, client).await?;
        let attempt = host.breaker.enter(self.clock.instant());
        let attempt = attempt.ok_or_else(|| SendError::BreakerOpen(host.origin.to_string()))?;
        let began = Instant::now();
        let given = until.saturating_duration_since(began);
        let fetching = fetch(&client, request, known, self.options.max_response_bytes);
        let result = within(until, request, fetching).await;
        let change = match &result {
            // Who gives it no time learns nothing of a host.
            Err(SendError::TimedOut { .. }) if given < FAIR => None,
            Err(SendError::Failed {
                unreachable: true, ..
            }) => attempt.failed(Failure::Unreachable, self.clock.instant()),
            Err(SendError::Failed { .. } | SendError::TimedOut { .. }) => {
                attempt.failed(Failure::Silent, self.clock.instant())
            }
            Ok(_) => {
                host.took(began.elapsed());
                attempt.answered()
            }
            Err(SendError::TooLarge { .. } | SendError::Redirected(_)) => attempt.answered(),
            Err(
                SendError::Invalid(_)
                | SendError::Refused(_)
                | SendError::NotAllowed(_)
                | SendError::ForbiddenAddress(_)
                | SendError::BreakerOpen(_)
                | SendError::Overloaded(_)
                | SendError::Certificates(_)
                | SendError::GivenUp,
            ) => None,
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
    pub(super) fn tell(&self, error: &SendError) {
        match error {
            SendError::NotAllowed(_) | SendError::ForbiddenAddress(_) => {
                RequestRefused { error }.emit(&self.metrics);
            }
            SendError::Invalid(_)
            | SendError::Refused(_)
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

/// What is wanted of a fetch.
struct Wanted {
    /// The response that there is already.
    kept: Option<Arc<Kept>>,
    /// Whether it may stand in.
    can_do_without: bool,
    /// How long it is waited for.
    until: Instant,
}

/// What `future` comes to, at most until then.
async fn within<T>(
    until: Instant,
    request: &Request,
    future: impl Future<Output = Result<T, SendError>>,
) -> Result<T, SendError> {
    let result = timeout_at(until.into(), future).await;
    result.unwrap_or_else(|_elapsed| Err(timed_out(request)))
}

fn timed_out(request: &Request) -> SendError {
    SendError::TimedOut {
        method: request.method.to_string(),
        origin: request.origin.to_string(),
    }
}

/// The response with what the policy sees of it. Decoding much would hold a worker up.
async fn decoded(response: Response, decode: Decode) -> Result<(Response, Value), SendError> {
    let short = response.body.len() <= QUICKLY_DECODED;
    let decoding = move || {
        let document = response.document(decode);
        Ok((response, document?))
    };
    if short {
        return decoding();
    }
    let decoded = spawn_blocking(decoding).await;
    decoded.unwrap_or(Err(SendError::GivenUp))
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
/// A body of so many bytes is decoded in some 100 µs.
const QUICKLY_DECODED: usize = 16 * 1024;
