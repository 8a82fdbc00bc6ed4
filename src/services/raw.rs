//! Protocols of their own over the client of a service: those of registries and of object stores.
//!
//! The caller says to whom a request goes; what goes along is decided here.

use std::sync::Arc;

use bytes::Bytes;
use object_store::aws::AwsCredential;
use reqwest::{Request, Response, Url};
use tokio::time::timeout;

use super::{
    Client, ServiceError,
    address::{is_loopback, place},
    answer::{self, Bounds, broken, timed_out},
    proof::{Proof, headers_of, text_of},
    tls::Peer,
};

impl Client {
    /// Adds the credentials of the service to `request`.
    pub(crate) async fn prove(&self, request: &mut Request) -> Result<(), ServiceError> {
        self.proof.add_to(request, &self.clients).await
    }

    /// Sends `request` once and follows nothing. The headers and the certificate of the service go along
    /// if it is the service's `own`.
    pub(crate) async fn exchange(
        &self,
        mut request: Request,
        own: bool,
    ) -> Result<Response, ServiceError> {
        let client = self.beneath(request.url(), own).await?;
        if own {
            for (name, value) in &headers_of(&self.service.headers)? {
                let headers = request.headers_mut();
                headers.entry(name).or_insert_with(|| value.clone());
            }
        }
        let place = place(request.url());
        let head = timeout(self.patience, client.execute(request)).await;
        let head = head.map_err(|_| timed_out(&place, "the head of the answer", self.patience))?;
        head.map_err(|source| broken(&place, source))
    }

    /// What an answer holds, at most `most` bytes of it.
    pub(crate) async fn body(&self, response: Response, most: u64) -> Result<Bytes, ServiceError> {
        let place = place(response.url());
        let bounds = Bounds::new(self.patience, most);
        Ok(answer::read(response, &place, bounds).await?.body)
    }

    /// The client beneath, which adds nothing but the certificate if `url` is the service's `own`.
    pub(crate) async fn beneath(
        &self,
        url: &Url,
        own: bool,
    ) -> Result<reqwest::Client, ServiceError> {
        let peer = Peer {
            own,
            loopback: is_loopback(url),
            encrypted: url.scheme() != "http",
        };
        self.clients.client(peer).await
    }

    /// The bearer token of the service, if it has one, and the AWS keys and their region likewise.
    pub(crate) async fn keys(&self) -> Result<Keys, ServiceError> {
        Ok(match &self.proof {
            Proof::Nothing => Keys::None,
            Proof::Bearer { token, .. } => Keys::Token(text_of(token).await?),
            Proof::OAuth2(_) => Keys::Foreign("oauth2"),
            Proof::Aws(signer) => {
                let (keys, region) = signer.keys().await?;
                Keys::Aws(keys, region.to_owned())
            }
        })
    }

    /// Longest time to the head of an answer, and between two pieces of its body.
    pub(crate) const fn patience(&self) -> std::time::Duration {
        self.patience
    }
}

/// The credentials of a service, for a library that makes its own use of them.
pub(crate) enum Keys {
    /// There are none.
    None,
    /// `bearer`.
    Token(String),
    /// `s3_signing`: the keys and the region.
    Aws(Arc<AwsCredential>, String),
    /// Of a kind that no library takes; its name.
    Foreign(&'static str),
}
