//! One upload: a chunk is posted, and somebody is told what became of it.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use reqwest::header::{CONTENT_ENCODING, CONTENT_TYPE, HeaderMap, HeaderValue};
use tokio::{runtime::Handle, time::timeout};
use tokio_util::task::AbortOnDropHandle;

use super::inbox::Inbox;
use crate::services::{Client, Post, Service, ServiceError};

/// Why a chunk was not taken.
#[derive(Debug, thiserror::Error)]
pub(super) enum UploadError {
    /// No answer.
    #[error(transparent)]
    Service(#[from] ServiceError),
    /// An answer that is no success.
    #[error("`{place}` answered {status}")]
    Status {
        /// Where it was posted to.
        place: String,
        /// The answer.
        status: u16,
    },
    /// Not all of an answer in any useful time.
    #[error("`{place}` has not answered for {after:?}")]
    Slow {
        /// Where it was posted to.
        place: String,
        /// How long it had.
        after: Duration,
    },
    /// The server is stopping.
    #[error("the upload was given up")]
    GivenUp,
}

impl UploadError {
    /// Whether the service might take a smaller chunk.
    pub(super) const fn is_too_large(&self) -> bool {
        match self {
            Self::Status { status, .. } => *status == 413,
            Self::Service(_) | Self::Slow { .. } | Self::GivenUp => false,
        }
    }
}

/// Posts chunks to a service.
#[derive(Clone, Debug)]
pub(super) struct Uploader {
    client: Arc<Client>,
    resource: Arc<str>,
    place: String,
    handle: Handle,
}

impl Uploader {
    pub(super) fn new(service: Arc<Service>, resource: &str, handle: Handle) -> Self {
        let client = Client::new(service);
        Self {
            place: client.place(resource),
            client: Arc::new(client),
            resource: resource.into(),
            handle,
        }
    }

    /// Where it posts to, without secrets.
    pub(super) fn place(&self) -> &str {
        &self.place
    }

    /// Posts a chunk, within this time, and puts what becomes of it into `inbox`; nothing when it is
    /// dropped before.
    pub(super) fn start(
        &self,
        chunk: Bytes,
        longest: Duration,
        inbox: Arc<Inbox>,
    ) -> AbortOnDropHandle<()> {
        let uploader = self.clone();
        let answer = Answer {
            inbox,
            given: Err(UploadError::GivenUp),
        };
        let task = self.handle.spawn(async move {
            answer.give(uploader.post(chunk, longest).await);
        });
        AbortOnDropHandle::new(task)
    }

    async fn post(&self, chunk: Bytes, longest: Duration) -> Result<(), UploadError> {
        let post = self.client.post(Post {
            resource: &self.resource,
            headers: HeaderMap::from_iter([
                (CONTENT_TYPE, HeaderValue::from_static("application/json")),
                (CONTENT_ENCODING, HeaderValue::from_static("gzip")),
            ]),
            body: chunk,
        });
        let slow = |_| UploadError::Slow {
            place: self.place.clone(),
            after: longest,
        };
        let answer = timeout(longest, post).await.map_err(slow)??;
        if answer.status.is_success() {
            return Ok(());
        }
        Err(UploadError::Status {
            place: self.place.clone(),
            status: answer.status.as_u16(),
        })
    }
}

/// Tells what became of an upload, whatever ends it.
struct Answer {
    inbox: Arc<Inbox>,
    given: Result<(), UploadError>,
}

impl Answer {
    fn give(mut self, given: Result<(), UploadError>) {
        self.given = given;
    }
}

impl Drop for Answer {
    fn drop(&mut self) {
        let given = std::mem::replace(&mut self.given, Err(UploadError::GivenUp));
        self.inbox.answer(given);
    }
}
