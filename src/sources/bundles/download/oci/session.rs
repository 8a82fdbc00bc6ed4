//! Requests to one repository, and the token that a registry wants instead of credentials.
//!
//! Promises that credentials, headers and the client certificate of the service go to the registry and
//! the credentials, where it names one, to its token service; nothing to any other host.

use bytes::Bytes;
use reqwest::{
    Method, Request, Response, StatusCode, Url,
    header::{AUTHORIZATION, HeaderValue},
};

use super::{address::Address, error::RegistryError, token};
use crate::services::{Client, place};

/// One pull or push.
#[derive(Debug)]
pub(super) struct Session<'a> {
    client: &'a Client,
    address: &'a Address,
    /// What a token must allow: `pull`, or `pull,push`.
    actions: &'static str,
    /// What the token service gave.
    token: Option<HeaderValue>,
}

impl<'a> Session<'a> {
    pub(super) const fn new(
        client: &'a Client,
        address: &'a Address,
        actions: &'static str,
    ) -> Self {
        Self {
            client,
            address,
            actions,
            token: None,
        }
    }

    pub(super) fn request(&self, method: Method, path: &str) -> Result<Request, RegistryError> {
        Ok(Request::new(method, self.address.url(path)?))
    }

    /// Sends a request, again with a token where one is asked for.
    pub(super) async fn send(&mut self, request: Request) -> Result<Response, RegistryError> {
        let again = request.try_clone();
        let answer = self.attempt(request).await?;
        let again = again.filter(|again| {
            answer.status() == StatusCode::UNAUTHORIZED && self.is_registry(again.url())
        });
        let (Some(again), Some(challenge)) = (again, token::challenge(answer.headers())) else {
            return Ok(answer);
        };
        let token = self.fetch_token(&challenge).await?;
        self.token = Some(token);
        self.attempt(again).await
    }

    async fn attempt(&self, mut request: Request) -> Result<Response, RegistryError> {
        let own = self.is_registry(request.url());
        match &self.token {
            _ if !own => {}
            Some(token) => {
                request.headers_mut().insert(AUTHORIZATION, token.clone());
            }
            None => self.client.prove(&mut request).await?,
        }
        Ok(self.client.exchange(request, own).await?)
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
        self.client.prove(&mut request).await?;
        let own = self.is_registry(realm);
        let answer = self.client.exchange(request, own).await?;
        let answer = expect(answer, StatusCode::OK)?;
        let body = self.client.body(answer, MAX_TOKEN).await?;
        token::read(&place(realm), &body)
    }

    /// What an answer holds, at most `most` bytes of it.
    pub(super) async fn body(&self, answer: Response, most: u64) -> Result<Bytes, RegistryError> {
        Ok(self.client.body(answer, most).await?)
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

/// Largest answer of a token service in bytes.
const MAX_TOKEN: u64 = 1 << 16;
