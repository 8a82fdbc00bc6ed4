//! From a reference to the bytes of a bundle: manifest, then layer, each compared with its digest.

use bytes::Bytes;
use reqwest::{
    Method, Request, Response, StatusCode,
    header::{ACCEPT, HeaderMap, HeaderValue},
};
use tokio::task::spawn_blocking;

use super::{
    address::Address,
    error::RegistryError,
    manifest::{self, Blob, Found},
    session::{Session, expect},
};
use crate::services::{Client, ServiceError, place, redirected};

/// What was pulled.
#[derive(Debug)]
pub(crate) struct Pulled {
    /// The archive.
    pub(crate) bytes: Bytes,
    /// The digest of the manifest that led to it.
    pub(crate) digest: String,
}

/// Pulls the bundle at `address`; `None`: it is still the one with the digest `known`.
pub(crate) async fn pull(
    client: &Client,
    address: &Address,
    known: Option<&str>,
    most: u64,
) -> Result<Option<Pulled>, RegistryError> {
    let mut session = Session::new(client, address, "pull");
    if let Some(known) = known
        && session.announced(address.name()).await?.as_deref() == Some(known)
    {
        return Ok(None);
    }
    let (mut document, digest) = session.manifest(address.name(), address.digest()).await?;
    if known == Some(digest.as_str()) {
        return Ok(None);
    }
    let mut place = address.to_string();
    let mut found = manifest::read(&place, &document)?;
    if let Found::Manifest(inner) = &found {
        place = address.pinned(inner);
        (document, _) = session.manifest(inner, Some(inner)).await?;
        found = manifest::read(&place, &document)?;
    }
    match found {
        Found::Layer(blob) => {
            let bytes = session.blob(&blob, most).await?;
            Ok(Some(Pulled { bytes, digest }))
        }
        Found::Manifest(_) => Err(RegistryError::Unfit {
            place,
            rule: "is an index within an index".to_owned(),
        }),
    }
}

impl Session<'_> {
    /// What the registry says is the digest of a manifest, without the manifest. Who does not say is
    /// asked for the manifest itself.
    async fn announced(&mut self, name: &str) -> Result<Option<String>, RegistryError> {
        let request = self.manifest_request(Method::HEAD, name)?;
        let answer = self.send(request).await?;
        Ok(match answer.status() {
            StatusCode::OK => said(answer.headers()),
            _ => None,
        })
    }

    /// A manifest and its digest, which is `wanted` if that is given.
    async fn manifest(
        &mut self,
        name: &str,
        wanted: Option<&str>,
    ) -> Result<(Bytes, String), RegistryError> {
        let request = self.manifest_request(Method::GET, name)?;
        let answer = expect(self.send(request).await?, StatusCode::OK)?;
        let (shown, said) = (place(answer.url()), said(answer.headers()));
        let document = self.body(answer, MAX_MANIFEST).await?;
        let actual = manifest::digest(&document);
        for expected in [wanted, said.as_deref()].into_iter().flatten() {
            if expected != actual {
                return Err(RegistryError::Digest {
                    place: shown,
                    expected: expected.to_owned(),
                    actual,
                });
            }
        }
        Ok((document, actual))
    }

    fn manifest_request(&self, method: Method, name: &str) -> Result<Request, RegistryError> {
        let mut request = self.request(method, &format!("manifests/{name}"))?;
        let accept = HeaderValue::from_static(manifest::ACCEPT);
        request.headers_mut().insert(ACCEPT, accept);
        Ok(request)
    }

    /// A blob of exactly the size and the digest that the manifest says.
    async fn blob(&mut self, blob: &Blob, most: u64) -> Result<Bytes, RegistryError> {
        let request = self.request(Method::GET, &format!("blobs/{}", blob.digest))?;
        let shown = place(request.url());
        if blob.size > most {
            return Err(RegistryError::TooLarge { place: shown, most });
        }
        let answer = self.redirected(request).await?;
        let answer = expect(answer, StatusCode::OK)?;
        // Not one byte more than the manifest says.
        let bytes = match self.body(answer, blob.size).await {
            Err(RegistryError::Service(ServiceError::TooLarge { place, most })) => {
                return Err(RegistryError::Size {
                    place,
                    expected: most,
                });
            }
            other => other?,
        };
        if u64::try_from(bytes.len()) != Ok(blob.size) {
            return Err(RegistryError::Size {
                place: shown,
                expected: blob.size,
            });
        }
        let hashed = bytes.clone();
        // Long enough to be in the way of others.
        let actual = spawn_blocking(move || manifest::digest(&hashed)).await;
        let actual = actual.map_err(ServiceError::Internal)?;
        if actual != blob.digest {
            return Err(RegistryError::Digest {
                place: shown,
                expected: blob.digest.clone(),
                actual,
            });
        }
        Ok(bytes)
    }

    /// Follows to where the registry keeps its blobs; nobody there learns who we are.
    async fn redirected(&mut self, request: Request) -> Result<Response, RegistryError> {
        let mut answer = self.send(request).await?;
        for _ in 0..MAX_REDIRECTS {
            if !is_redirect(answer.status()) {
                return Ok(answer);
            }
            let to = redirected(answer.url(), answer.headers())?;
            answer = self.send(Request::new(Method::GET, to)).await?;
        }
        if is_redirect(answer.status()) {
            return Err(RegistryError::Redirects(place(answer.url())));
        }
        Ok(answer)
    }
}

fn is_redirect(status: StatusCode) -> bool {
    matches!(status.as_u16(), 301 | 302 | 303 | 307 | 308)
}

/// The digest that a registry says its answer has.
pub(super) fn said(headers: &HeaderMap) -> Option<String> {
    let digest = headers.get("docker-content-digest")?.to_str().ok()?;
    Some(digest.to_owned())
}

/// Largest manifest in bytes: what registries must be able to take.
const MAX_MANIFEST: u64 = 4 << 20;

/// How often a blob may be elsewhere.
const MAX_REDIRECTS: usize = 3;
