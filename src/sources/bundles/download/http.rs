//! Bundles over HTTP(S), as OPA's bundle service serves them.

use std::{sync::Arc, time::Duration};

use reqwest::{
    StatusCode,
    header::{CONTENT_TYPE, ETAG, HeaderMap, HeaderName, HeaderValue, IF_NONE_MATCH},
};

use super::{Archive, Ask, Download, DownloadError};
use crate::services::{Client, Get, Service, ServiceError};

/// Asks for one bundle.
#[derive(Debug)]
pub(super) struct Http {
    client: Client,
    resource: String,
    place: String,
    most: u64,
    /// Whether the last archive came with the promise to hold requests.
    long_poll: bool,
}

impl Http {
    pub(super) fn new(service: Arc<Service>, resource: &str, most: u64) -> Self {
        let client = Client::new(service);
        Self {
            place: client.place(resource),
            client,
            resource: resource.to_owned(),
            most,
            long_poll: false,
        }
    }

    pub(super) fn place(&self) -> &str {
        &self.place
    }

    pub(super) async fn download(&mut self, ask: Ask<'_>) -> Result<Download, DownloadError> {
        let headers = headers(ask);
        let conditional = headers.contains_key(IF_NONE_MATCH);
        let get = Get {
            resource: &self.resource,
            headers,
            wait: ask.wait.unwrap_or_default(),
            most: self.most,
        };
        let answer = self
            .client
            .get(get)
            .await
            .map_err(|error| self.failed(error))?;
        if answer.status == StatusCode::NOT_MODIFIED && conditional {
            // It need not say again how it holds requests.
            let long_poll = holds_requests(&answer.headers).unwrap_or(self.long_poll);
            return Ok(Download::Unchanged { long_poll });
        }
        if answer.status != StatusCode::OK {
            return Err(DownloadError::Status {
                place: self.place.clone(),
                status: answer.status.as_u16(),
            });
        }
        self.long_poll = holds_requests(&answer.headers).unwrap_or(false);
        let long_poll = self.long_poll;
        if answer.body.is_empty() {
            return Ok(Download::Unchanged { long_poll });
        }
        Ok(Download::Archive(Archive {
            bytes: answer.body,
            validator: etag(&answer.headers),
            long_poll,
        }))
    }

    fn failed(&self, error: ServiceError) -> DownloadError {
        let place = self.place.clone();
        if let ServiceError::TooLarge { most, .. } = error {
            DownloadError::TooLarge { place, most }
        } else if error.is_preparation() {
            let source = error.into();
            DownloadError::Prepare { place, source }
        } else {
            let source = error.into();
            DownloadError::Transport { place, source }
        }
    }
}

/// The request as OPA makes it.
fn headers(ask: Ask<'_>) -> HeaderMap {
    let mut headers = HeaderMap::new();
    // A tag that cannot be sent back is one that the server never gave.
    let tag = ask
        .validator
        .and_then(|tag| HeaderValue::from_str(tag).ok());
    if let Some(tag) = tag {
        headers.insert(IF_NONE_MATCH, tag);
    }
    let modes = if ask.delta {
        "snapshot,delta"
    } else {
        "snapshot"
    };
    let wait = ask.wait.as_ref().map(Duration::as_secs);
    let wait = wait.map(|seconds| format!(";wait={seconds}"));
    let prefer = format!("modes={modes}{}", wait.unwrap_or_default());
    if let Ok(prefer) = HeaderValue::from_str(&prefer) {
        headers.insert(PREFER, prefer);
    }
    headers
}

/// Whether the server says that it holds requests as they ask for; nothing when it says nothing.
fn holds_requests(headers: &HeaderMap) -> Option<bool> {
    Some(headers.get(CONTENT_TYPE)? == LONG_POLL)
}

/// The entity tag of an answer.
fn etag(headers: &HeaderMap) -> Option<String> {
    let tag = headers.get(ETAG)?.to_str().ok()?;
    (!tag.is_empty() && tag.len() <= MOST_ETAG).then(|| tag.to_owned())
}

/// RFC 7240.
const PREFER: HeaderName = HeaderName::from_static("prefer");
/// The content type of servers that hold requests.
const LONG_POLL: &str = "application/vnd.openpolicyagent.bundles";
/// Longest entity tag that is remembered, in bytes.
const MOST_ETAG: usize = 512;
