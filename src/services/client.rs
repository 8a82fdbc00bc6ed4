//! Asks one service.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use reqwest::{
    Method, Response, StatusCode, Url,
    header::{AUTHORIZATION, HeaderMap},
};
use tokio::time::timeout;

use super::{
    Service,
    address::{is_loopback, join, place, redirected},
    answer::{self, Answer, Bounds, broken, timed_out},
    error::ServiceError,
    proof::{Proof, headers_of},
    tls::{Clients, Peer},
};
use crate::clock::Clock;

/// Asks one service: with its headers and credentials, within its times.
///
/// A GET follows at most ten redirects, as object stores and release pages need it, but never from
/// `https` to `http`; from the first that leads to another origin on, nothing of the configuration is
/// sent any more: no header, no credential, no certificate. A POST follows none. Proxies are those of
/// the environment, but never to this machine itself.
#[derive(Debug)]
pub struct Client {
    pub(super) service: Arc<Service>,
    pub(super) clients: Clients,
    pub(super) proof: Proof,
    pub(super) patience: Duration,
}

/// A GET.
#[derive(Clone, Debug)]
pub struct Get<'a> {
    /// What is asked for, below the URL of the service.
    pub resource: &'a str,
    /// Sent beside those of the service; they win over them.
    pub headers: HeaderMap,
    /// How long the service may hold the request, on top of its usual time.
    pub wait: Duration,
    /// The longest body that is read, in bytes.
    pub most: u64,
}

/// A POST.
#[derive(Clone, Debug)]
pub struct Post<'a> {
    /// Where to, below the URL of the service.
    pub resource: &'a str,
    /// Sent beside those of the service, over which they win: what the body is.
    pub headers: HeaderMap,
    /// What is sent, as it is.
    pub body: Bytes,
}

/// One hop of a request.
struct Hop<'a> {
    method: Method,
    url: Url,
    /// Whether the service itself is asked.
    own: bool,
    headers: &'a HeaderMap,
    body: Bytes,
    patience: Duration,
}

impl Client {
    /// A client for `service`. Nothing is read or sent yet.
    pub fn new(service: Arc<Service>) -> Self {
        Self::with_clock(service, Clock::System)
    }

    /// The same with another clock, by which tokens expire.
    pub fn with_clock(service: Arc<Service>, clock: Clock) -> Self {
        let patience = match service.response_header_timeout {
            Duration::ZERO => LONGEST_HEAD,
            some => some.min(LONGEST_HEAD),
        };
        Self {
            clients: Clients::new(&service),
            proof: Proof::new(&service, patience, clock),
            patience,
            service,
        }
    }

    /// Where `resource` is, as people may see it.
    pub fn place(&self, resource: &str) -> String {
        join(&self.service.url, resource)
            .map_or_else(|_| place(&self.service.url), |url| place(&url))
    }

    /// Asks for something.
    pub async fn get(&self, get: Get<'_>) -> Result<Answer, ServiceError> {
        let mut hop = Hop {
            method: Method::GET,
            url: join(&self.service.url, get.resource)?,
            own: true,
            headers: &get.headers,
            body: Bytes::new(),
            patience: self.patience.saturating_add(get.wait),
        };
        for _ in 0..=MOST_REDIRECTS {
            let response = self.send(&hop).await?;
            if !is_redirect(response.status()) {
                return self.read(response, &hop.url, get.most).await;
            }
            let next = redirected(&hop.url, response.headers())?;
            hop.own &= next.origin() == hop.url.origin();
            hop.url = next;
        }
        Err(ServiceError::Redirect {
            place: place(&hop.url),
            rule: "is one too many",
        })
    }

    /// Hands something over. The answer to it is not kept beyond 64 KiB.
    pub async fn post(&self, post: Post<'_>) -> Result<Answer, ServiceError> {
        let hop = Hop {
            method: Method::POST,
            url: join(&self.service.url, post.resource)?,
            own: true,
            headers: &post.headers,
            body: post.body,
            patience: self.patience,
        };
        let response = self.send(&hop).await?;
        self.read(response, &hop.url, MOST_ANSWER_TO_POST).await
    }

    /// Sends it; once more if the service does not believe a token any more that it did before.
    async fn send(&self, hop: &Hop<'_>) -> Result<Response, ServiceError> {
        let (response, proof) = self.attempt(hop).await?;
        let unbelieved = hop.own && response.status() == StatusCode::UNAUTHORIZED;
        if unbelieved && self.proof.refused(proof.as_ref()).await {
            let (response, proof) = self.attempt(hop).await?;
            if response.status() == StatusCode::UNAUTHORIZED {
                self.proof.refused(proof.as_ref()).await;
            }
            return Ok(response);
        }
        Ok(response)
    }

    /// Sends it; with the answer comes the `Authorization` that it was sent with.
    async fn attempt(
        &self,
        hop: &Hop<'_>,
    ) -> Result<(Response, Option<reqwest::header::HeaderValue>), ServiceError> {
        let peer = Peer {
            own: hop.own,
            loopback: is_loopback(&hop.url),
            encrypted: hop.url.scheme() == "https",
        };
        let client = self.clients.client(peer).await?;
        let mut headers = if hop.own {
            headers_of(&self.service.headers)?
        } else {
            HeaderMap::new()
        };
        headers.extend(hop.headers.clone());
        let request = client.request(hop.method.clone(), hop.url.clone());
        let request = request.headers(headers).body(hop.body.clone()).build();
        let mut request = request.map_err(ServiceError::Client)?;
        if hop.own {
            self.proof.add_to(&mut request, &self.clients).await?;
        }
        let proof = request.headers().get(AUTHORIZATION).cloned();
        let place = place(&hop.url);
        let head = timeout(hop.patience, client.execute(request)).await;
        let head = head.map_err(|_| timed_out(&place, "the head of the answer", hop.patience))?;
        Ok((head.map_err(|source| broken(&place, source))?, proof))
    }

    async fn read(&self, response: Response, url: &Url, most: u64) -> Result<Answer, ServiceError> {
        if !response.status().is_success() {
            // Nobody reads what a failure says at length.
            return Ok(Answer {
                status: response.status(),
                headers: response.headers().clone(),
                body: Bytes::new(),
            });
        }
        let bounds = Bounds::new(self.patience, most);
        answer::read(response, &place(url), bounds).await
    }
}

const fn is_redirect(status: StatusCode) -> bool {
    matches!(status.as_u16(), 301 | 302 | 303 | 307 | 308)
}

/// Most redirects that are followed one after the other.
const MOST_REDIRECTS: usize = 10;
/// The longest wait for a head, also where none is configured.
const LONGEST_HEAD: Duration = Duration::from_mins(10);
/// The longest answer to what was handed over, in bytes.
const MOST_ANSWER_TO_POST: u64 = 64 << 10;
