//! Requests to one repository: who we are, and the token that a registry wants instead.
//!
//! Promises that credentials, service headers and the client certificate go to the registry and,
//! where it names one, to its token service; never to another host, and that every wait ends.

use std::{future::Future, sync::Arc, time::Duration};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use bytes::Bytes;
use reqwest::{
    Client, Method, Request, Response, StatusCode, Url,
    header::{AUTHORIZATION, HeaderMap, HeaderName, HeaderValue},
};
use tokio::task::spawn_blocking;

use super::{
    address::{Address, place},
    error::RegistryError,
    token,
};
use crate::{
    services::{Credentials, Service, Token},
    sources::bundles::download::connect::{self, Purpose},
};

/// One pull or push.
#[derive(Debug)]
pub(super) struct Session<'a> {
    address: &'a Address,
    /// What a token must allow: `pull`, or `pull,push`.
    actions: &'static str,
    /// Shows the client certificate, if there is one.
    client: Client,
    /// Shows nothing; for other hosts.
    stranger: Client,
    /// For the registry alone.
    headers: HeaderMap,
    /// The credentials of the service.
    own: Option<HeaderValue>,
    /// What the token service gave for them.
    token: Option<HeaderValue>,
    /// Longest time without a byte.
    patience: Duration,
}

impl<'a> Session<'a> {
    pub(super) async fn new(
        service: &Arc<Service>,
        address: &'a Address,
        actions: &'static str,
    ) -> Result<Self, RegistryError> {
        let given = Arc::clone(service);
        let encrypted = address.base().scheme() == "https";
        // Reads files: ours, or the system's authorities.
        let made = spawn_blocking(move || {
            let purpose = |with_identity| Purpose {
                with_identity,
                encrypted,
            };
            let client = connect::client(&given, purpose(true))?;
            let stranger = match given.credentials {
                Credentials::ClientTls(_) => connect::client(&given, purpose(false))?,
                Credentials::None
                | Credentials::Bearer { .. }
                | Credentials::OAuth2(_)
                | Credentials::S3Signing(_) => client.clone(),
            };
            Ok((client, stranger, authorization(&given.credentials)?))
        });
        let (client, stranger, own) = made.await.map_err(RegistryError::Stopped).flatten()?;
        Ok(Self {
            address,
            actions,
            client,
            stranger,
            headers: headers(service)?,
            own,
            token: None,
            patience: service.response_header_timeout,
        })
    }

    pub(super) fn request(&self, method: Method, path: &str) -> Result<Request, RegistryError> {
        Ok(Request::new(method, self.address.url(path)?))
    }

    /// Sends a request, again with a token where one is asked for.
    pub(super) async fn send(&mut self, request: Request) -> Result<Response, RegistryError> {
        let again = request.try_clone();
        let answer = self.attempt(request).await?;
        let Some(again) = again.filter(|again| {
            answer.status() == StatusCode::UNAUTHORIZED && self.is_registry(again.url())
        }) else {
            return Ok(answer);
        };
        let Some(challenge) = token::challenge(answer.headers()) else {
            return Ok(answer);
        };
        drop(answer);
        let token = self.fetch_token(&challenge).await?;
        self.token = Some(token);
        self.attempt(again).await
    }

    async fn attempt(&self, mut request: Request) -> Result<Response, RegistryError> {
        let shown = place(request.url());
        if !self.is_registry(request.url()) {
            return self.wait(&shown, self.stranger.execute(request)).await;
        }
        let headers = request.headers_mut();
        headers.extend(self.headers.clone());
        if let Some(authorization) = self.token.as_ref().or(self.own.as_ref()) {
            headers.insert(AUTHORIZATION, authorization.clone());
        }
        self.wait(&shown, self.client.execute(request)).await
    }

    /// Whether that is where the credentials belong.
    fn is_registry(&self, url: &Url) -> bool {
        url.origin() == self.address.base().origin()
    }

    async fn fetch_token(
        &self,
        challenge: &token::Challenge,
    ) -> Result<HeaderValue, RegistryError> {
        let realm = &challenge.realm;
        if realm.scheme() != "https" && self.address.base().scheme() == "https" {
            return Err(RegistryError::Realm(place(realm)));
        }
        let scope = format!("repository:{}:{}", self.address.repository(), self.actions);
        let mut request = Request::new(Method::GET, challenge.url(&scope));
        if let Some(own) = &self.own {
            request.headers_mut().insert(AUTHORIZATION, own.clone());
        }
        let shown = place(realm);
        let client = if self.is_registry(realm) {
            &self.client
        } else {
            &self.stranger
        };
        let answer = self.wait(&shown, client.execute(request)).await?;
        let answer = expect(answer, StatusCode::OK)?;
        let body = self.body(answer, MAX_TOKEN).await?;
        token::read(&shown, &body)
    }

    /// Reads no more than `most` bytes, and none when more are announced.
    pub(super) async fn body(
        &self,
        mut answer: Response,
        most: u64,
    ) -> Result<Vec<u8>, RegistryError> {
        let shown = place(answer.url());
        let too_large = || RegistryError::TooLarge {
            place: shown.clone(),
            most,
        };
        if answer.content_length().is_some_and(|length| length > most) {
            return Err(too_large());
        }
        let mut bytes = Vec::new();
        while let Some(chunk) = self.wait(&shown, answer.chunk()).await? {
            let length = bytes.len().saturating_add(chunk.len());
            if u64::try_from(length).unwrap_or(u64::MAX) > most {
                return Err(too_large());
            }
            bytes.extend_from_slice(&chunk);
        }
        Ok(bytes)
    }

    async fn wait<T>(
        &self,
        place: &str,
        work: impl Future<Output = Result<T, reqwest::Error>>,
    ) -> Result<T, RegistryError> {
        match tokio::time::timeout(self.patience, work).await {
            Ok(Ok(done)) => Ok(done),
            Ok(Err(error)) => Err(RegistryError::Transport {
                place: place.to_owned(),
                source: error.without_url(),
            }),
            Err(_) => Err(RegistryError::Timeout {
                place: place.to_owned(),
                seconds: self.patience.as_secs(),
            }),
        }
    }

    /// Waits that long for each answer: what is sent before it takes its time.
    pub(super) fn patient(mut self, patience: Duration) -> Self {
        self.patience = patience;
        self
    }
}

/// The answer, if it has that status.
pub(super) fn expect(answer: Response, status: StatusCode) -> Result<Response, RegistryError> {
    if answer.status() == status {
        return Ok(answer);
    }
    Err(RegistryError::Status {
        place: place(answer.url()),
        status: answer.status().as_u16(),
    })
}

/// As OPA sends it to registries: what is configured is plain text, and Base64 is put around it, so
/// that the scheme `Basic` takes `user:password`. Reads the token's file.
fn authorization(credentials: &Credentials) -> Result<Option<HeaderValue>, RegistryError> {
    let (token, scheme) = match credentials {
        Credentials::None | Credentials::ClientTls(_) => return Ok(None),
        Credentials::Bearer { token, scheme } => (token, scheme),
        Credentials::OAuth2(_) => return Err(RegistryError::Credentials("oauth2")),
        Credentials::S3Signing(_) => return Err(RegistryError::Credentials("s3_signing")),
    };
    let text = match token {
        Token::Given(token) => token.expose().as_bytes().to_vec(),
        Token::File(path) => connect::read(path)?.trim_ascii().to_vec(),
    };
    let value = Bytes::from(format!("{scheme} {}", STANDARD.encode(text)));
    let mut value = HeaderValue::from_maybe_shared(value).map_err(|_| RegistryError::Token)?;
    value.set_sensitive(true);
    Ok(Some(value))
}

fn headers(service: &Service) -> Result<HeaderMap, RegistryError> {
    let mut headers = HeaderMap::new();
    for (name, value) in &service.headers {
        let name = HeaderName::from_bytes(name.as_bytes()).map_err(|_| RegistryError::Token)?;
        let mut value =
            HeaderValue::from_str(value.expose()).map_err(|_| RegistryError::Token)?;
        value.set_sensitive(true);
        headers.insert(name, value);
    }
    Ok(headers)
}

/// Largest answer of a token service in bytes.
const MAX_TOKEN: u64 = 1 << 16;
