//! Tokens for client credentials (RFC 6749, section 4.4), asked for as OPA does and kept until shortly
//! before they expire.
//!
//! Promises that at most one token is asked for at a time, and that redirects are not followed.

use std::time::{Duration, Instant};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use reqwest::{
    Request, StatusCode, Url,
    header::{AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderValue},
};
use serde::Deserialize;
use tokio::{sync::Mutex, time::timeout};

use super::{
    ClientCredentials,
    address::{is_loopback, place},
    answer::{self, Answer, Bounds, broken, timed_out},
    error::ServiceError,
    proof::{header_of, headers_of},
    tls::{Clients, Peer},
};
use crate::{clock::Clock, redact::Secret};

/// Gets tokens and keeps one.
#[derive(Debug)]
pub(super) struct Tokens {
    credentials: ClientCredentials,
    patience: Duration,
    clock: Clock,
    kept: Mutex<Option<Kept>>,
}

#[derive(Debug)]
struct Kept {
    header: Secret<HeaderValue>,
    until: Instant,
    /// Whether a request went out with it and was not refused yet.
    used: bool,
}

impl Tokens {
    pub(super) fn new(credentials: ClientCredentials, patience: Duration, clock: Clock) -> Self {
        Self {
            credentials,
            patience,
            clock,
            kept: Mutex::default(),
        }
    }

    /// The value of `Authorization`.
    pub(super) async fn header(&self, clients: &Clients) -> Result<HeaderValue, ServiceError> {
        // Whoever waits here gets what the one before asked for.
        let mut kept = self.kept.lock().await;
        if let Some(kept) = kept.as_mut()
            && self.clock.instant() < kept.until
        {
            kept.used = true;
            return Ok(kept.header.expose().clone());
        }
        *kept = None;
        let token = self.ask(clients).await?;
        let header = token.header.expose().clone();
        *kept = Some(token);
        Ok(header)
    }

    /// The service refused this value. Tells whether it had been kept, so that a new one may do.
    pub(super) async fn refused(&self, header: &HeaderValue) -> bool {
        let mut kept = self.kept.lock().await;
        match kept.as_ref() {
            Some(token) if token.header.expose() == header => {
                let used = token.used;
                *kept = None;
                used
            }
            // Somebody else has got another one in the meantime.
            Some(_) | None => true,
        }
    }

    async fn ask(&self, clients: &Clients) -> Result<Kept, ServiceError> {
        let url = &self.credentials.token_url;
        let place = place(url);
        let answer = self.exchange(clients).await.map_err(|source| {
            let (place, source) = (place.clone(), Box::new(source));
            ServiceError::TokenTransport { place, source }
        })?;
        if answer.status != StatusCode::OK {
            return Err(ServiceError::TokenRefused {
                place,
                status: answer.status.as_u16(),
                code: refusal(&answer.body),
            });
        }
        let wrong = |rule| ServiceError::TokenAnswer {
            place: place.clone(),
            rule,
        };
        let token: Granted = serde_json::from_slice(&answer.body)
            .map_err(|_| wrong("is no JSON object with `access_token` and `token_type`"))?;
        if !token.token_type.eq_ignore_ascii_case("bearer") {
            return Err(wrong("holds a token that is no bearer token"));
        }
        let text = token.access_token.trim();
        if text.is_empty() {
            return Err(wrong("holds an empty token"));
        }
        let header = header_of(&format!("Bearer {text}"))
            .ok_or_else(|| wrong("holds a token that cannot stand in a header"))?;
        let life = Duration::from_secs(token.expires_in).min(LONGEST_LIFE);
        let now = self.clock.instant();
        let until = now.checked_add(life.saturating_sub(LEAST_LIFE));
        Ok(Kept {
            header: Secret::new(header),
            until: until.unwrap_or(now),
            used: false,
        })
    }

    async fn exchange(&self, clients: &Clients) -> Result<Answer, ServiceError> {
        let url = &self.credentials.token_url;
        let place = place(url);
        let peer = Peer {
            own: false,
            loopback: is_loopback(url),
            encrypted: url.scheme() == "https",
        };
        let client = clients.client(peer).await?;
        let request = self.request(&client)?;
        let head = timeout(self.patience, client.execute(request)).await;
        let head = head.map_err(|_| timed_out(&place, "the head of the answer", self.patience))?;
        let response = head.map_err(|source| broken(&place, source))?;
        let bounds = Bounds::new(self.patience, MOST_ANSWER);
        answer::read(response, &place, bounds).await
    }

    fn request(&self, client: &reqwest::Client) -> Result<Request, ServiceError> {
        let ClientCredentials {
            token_url,
            client_id,
            client_secret,
            scopes,
            additional_headers,
            additional_parameters,
        } = &self.credentials;
        let basic = STANDARD.encode(format!("{client_id}:{}", client_secret.expose()));
        let basic = header_of(&format!("Basic {basic}"))
            .ok_or_else(|| ServiceError::Header(AUTHORIZATION.to_string()))?;
        let mut headers = HeaderMap::new();
        let form = HeaderValue::from_static("application/x-www-form-urlencoded");
        headers.insert(CONTENT_TYPE, form);
        headers.insert(AUTHORIZATION, basic);
        headers.extend(headers_of(additional_headers)?);
        let scopes = scopes.join(" ");
        let scope = (!scopes.is_empty()).then_some(("scope", scopes.as_str()));
        let more = additional_parameters.iter();
        let more = more.map(|(name, value)| (name.as_str(), value.expose().as_str()));
        let grant = ("grant_type", "client_credentials");
        let body = form_of(token_url, scope.into_iter().chain(more).chain([grant]));
        let request = client.post(token_url.clone()).headers(headers).body(body);
        request.build().map_err(ServiceError::Client)
    }
}

/// What a token server answers.
#[derive(Deserialize)]
struct Granted {
    access_token: String,
    token_type: String,
    /// In seconds; a token without it is used once.
    #[serde(default)]
    expires_in: u64,
}

/// What a token server says when it refuses.
#[derive(Deserialize)]
struct Refused {
    error: String,
}

/// The code of a refusal, if it looks like one of those that there are.
fn refusal(body: &[u8]) -> Option<String> {
    let Refused { error } = serde_json::from_slice(body).ok()?;
    let plain = |c: char| c.is_ascii_lowercase() || c == '_';
    (error.len() <= MOST_CODE && error.chars().all(plain)).then_some(error)
}

/// `application/x-www-form-urlencoded`, which is how the query of a URL is written.
fn form_of<'p>(any: &Url, pairs: impl Iterator<Item = (&'p str, &'p str)>) -> String {
    let mut url = any.clone();
    url.set_query(None);
    url.query_pairs_mut().extend_pairs(pairs);
    url.query().unwrap_or_default().to_owned()
}

/// With less time to live than this a token is not used.
const LEAST_LIFE: Duration = Duration::from_secs(10);
/// A token is not kept for longer, whatever its server says.
const LONGEST_LIFE: Duration = Duration::from_hours(24);
/// The longest answer of a token server, in bytes.
const MOST_ANSWER: u64 = 64 << 10;
/// The longest `error` that is repeated, in bytes.
const MOST_CODE: usize = 64;
