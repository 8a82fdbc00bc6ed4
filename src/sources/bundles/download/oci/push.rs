//! From the bytes of a bundle to a reference.

use std::collections::BTreeMap;

use bytes::Bytes;
use reqwest::{
    Method, Request, StatusCode, Url,
    header::{CONTENT_LENGTH, CONTENT_TYPE, HeaderValue, LOCATION},
};

use super::{
    address::Address,
    error::RegistryError,
    manifest,
    pull::said,
    session::{Session, expect},
};
use crate::services::{Client, place};

/// Pushes `archive` and gives the digest of its manifest.
pub(crate) async fn push(
    client: &Client,
    address: &Address,
    archive: Bytes,
    annotations: &BTreeMap<String, String>,
) -> Result<String, RegistryError> {
    let document = manifest::write(&archive, annotations);
    let mut session = Session::new(client, address, "pull,push");
    session.upload(archive).await?;
    session.upload(Bytes::from_static(manifest::CONFIG)).await?;
    let digest = manifest::digest(document.as_bytes());
    session.put_manifest(address, document, &digest).await?;
    Ok(digest)
}

impl Session<'_> {
    /// Brings a blob there, unless it is there.
    async fn upload(&mut self, blob: Bytes) -> Result<(), RegistryError> {
        let digest = manifest::digest(&blob);
        let there = self.request(Method::HEAD, &format!("blobs/{digest}"))?;
        if self.send(there).await?.status() == StatusCode::OK {
            return Ok(());
        }
        let mut start = self.request(Method::POST, "blobs/uploads/")?;
        let nothing = HeaderValue::from_static("0");
        start.headers_mut().insert(CONTENT_LENGTH, nothing);
        let begun = expect(self.send(start).await?, StatusCode::ACCEPTED)?;
        let to = upload_url(begun.url(), begun.headers().get(LOCATION), &digest)?;
        let mut request = Request::new(Method::PUT, to);
        let octets = HeaderValue::from_static("application/octet-stream");
        request.headers_mut().insert(CONTENT_TYPE, octets);
        *request.body_mut() = Some(blob.into());
        expect(self.send(request).await?, StatusCode::CREATED)?;
        Ok(())
    }

    async fn put_manifest(
        &mut self,
        address: &Address,
        document: String,
        digest: &str,
    ) -> Result<(), RegistryError> {
        let mut request = self.request(Method::PUT, &format!("manifests/{}", address.name()))?;
        let media_type = HeaderValue::from_static(manifest::MANIFEST);
        request.headers_mut().insert(CONTENT_TYPE, media_type);
        *request.body_mut() = Some(document.into());
        let answer = expect(self.send(request).await?, StatusCode::CREATED)?;
        match said(answer.headers()) {
            Some(said) if said != digest => Err(RegistryError::Digest {
                place: place(answer.url()),
                expected: digest.to_owned(),
                actual: said,
            }),
            Some(_) | None => Ok(()),
        }
    }
}

/// Where an upload goes on; another host than the registry's is sent no credentials.
fn upload_url(
    from: &Url,
    location: Option<&HeaderValue>,
    digest: &str,
) -> Result<Url, RegistryError> {
    let to = location.and_then(|to| from.join(to.to_str().ok()?).ok());
    let mut to = to
        .filter(|to| to.scheme() == "https" || to.scheme() == from.scheme())
        .ok_or_else(|| RegistryError::Upload(place(from)))?;
    to.query_pairs_mut().append_pair("digest", digest);
    Ok(to)
}
