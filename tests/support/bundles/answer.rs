//! What the server of bundles answers.

use std::{
    io, iter,
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use axum::{
    body::{Body, Bytes},
    http::{HeaderName, StatusCode, header},
    response::{IntoResponse as _, Response},
};
use futures_util::{StreamExt as _, stream};
use tokio::time::{interval, timeout};

use super::{Seen, Shared};

/// The content type that says: requests are held as they ask for.
pub(crate) const LONG_POLL: &str = "application/vnd.openpolicyagent.bundles";

/// How much [`Answer::Flood`] sends to who takes it, in bytes.
pub(crate) const FLOOD: usize = 100 << 20;

/// What is answered at one path.
#[derive(Clone, Debug)]
pub(crate) enum Answer {
    /// 200, or 304 for who has it.
    Version(Version),
    /// A status, headers and a body, whatever is asked.
    Reply(u16, Vec<(&'static str, String)>, Vec<u8>),
    /// 200 and these bytes, with one more announced; then the connection ends.
    Truncated(Vec<u8>),
    /// 200 and these bytes, one at a time, so far apart.
    Drip(Vec<u8>, Duration),
    /// Nothing, for ever.
    Stall,
    /// The head and these bytes, and then nothing, for ever.
    StallAfter(Vec<u8>),
    /// [`FLOOD`] bytes, with or without saying so before.
    Flood { announced: bool },
    /// The connection ends before the head.
    HangUp,
}

/// A version of a bundle.
#[derive(Clone, Debug)]
pub(crate) struct Version {
    archive: Vec<u8>,
    etag: String,
    content_type: &'static str,
    delta: Option<(String, Vec<u8>)>,
}

impl Version {
    /// The archive with this entity tag (without quotes).
    pub(crate) fn new(etag: &str, archive: Vec<u8>) -> Self {
        Self {
            archive,
            etag: format!("\"{etag}\""),
            content_type: "application/gzip",
            delta: None,
        }
    }

    /// Requests that have it are held until there is another, as long as they ask for (`Prefer: wait`).
    pub(crate) fn held(self) -> Self {
        Self {
            content_type: LONG_POLL,
            ..self
        }
    }

    /// Who has the version `from` and takes deltas (`Prefer: modes`) gets this archive in its place.
    pub(crate) fn delta(self, from: &str, archive: Vec<u8>) -> Self {
        Self {
            delta: Some((format!("\"{from}\""), archive)),
            ..self
        }
    }

    fn is_known_to(&self, seen: &Seen) -> bool {
        seen.header("if-none-match") == Some(&self.etag)
    }

    fn is_held(&self) -> bool {
        self.content_type == LONG_POLL
    }

    fn reply(self, seen: &Seen) -> Response {
        let headers = [
            (header::ETAG, self.etag.clone()),
            (header::CONTENT_TYPE, self.content_type.to_owned()),
        ];
        if self.is_known_to(seen) {
            return (StatusCode::NOT_MODIFIED, headers).into_response();
        }
        let takes_deltas = prefer(seen, "modes").is_some_and(|modes| modes.contains("delta"));
        let body = match self.delta {
            Some((from, delta))
                if takes_deltas && seen.header("if-none-match") == Some(from.as_str()) =>
            {
                delta
            }
            _ => self.archive,
        };
        (headers, body).into_response()
    }
}

impl From<Version> for Answer {
    fn from(version: Version) -> Self {
        Self::Version(version)
    }
}

impl Answer {
    /// A status without anything else.
    pub(crate) fn status(status: u16) -> Self {
        Self::Reply(status, Vec::new(), Vec::new())
    }

    /// 200 with this body.
    pub(crate) fn ok(body: impl Into<Vec<u8>>) -> Self {
        Self::Reply(200, Vec::new(), body.into())
    }

    /// A redirect to there.
    pub(crate) fn redirect(status: u16, to: &str) -> Self {
        Self::status(status).with("location", to)
    }

    /// The same with another header.
    pub(crate) fn with(self, name: &'static str, value: &str) -> Self {
        let Self::Reply(status, mut headers, body) = self else {
            panic!("only replies have headers");
        };
        headers.push((name, value.to_owned()));
        Self::Reply(status, headers, body)
    }
}

/// A part of `Prefer`, as OPA writes it.
fn prefer<'a>(seen: &'a Seen, name: &str) -> Option<&'a str> {
    let parts = seen.header("prefer")?.split(';');
    parts
        .filter_map(|part| part.split_once('='))
        .find_map(|(key, value)| (key == name).then_some(value))
}

/// The answer to one request.
pub(super) async fn to(seen: &Seen, shared: &Arc<Shared>) -> Response {
    let mut answers = shared.answers.subscribe();
    let held = |answer: Option<&Answer>| matches!(answer, Some(Answer::Version(version)) if version.is_held() && version.is_known_to(seen));
    if let Some(wait) = prefer(seen, "wait") {
        let other = answers.wait_for(|answers| !held(answers.get(&seen.path)));
        // After the wait: what there is.
        drop(timeout(Duration::from_secs(wait.parse().unwrap()), other).await);
    }
    let answer = answers.borrow().get(&seen.path).cloned();
    match answer {
        None => StatusCode::NOT_FOUND.into_response(),
        Some(Answer::Version(version)) => version.reply(seen),
        Some(Answer::Reply(status, headers, body)) => reply(status, headers, body),
        Some(Answer::Truncated(bytes)) => {
            let length = bytes.len() + 1;
            let begin = stream::iter(iter::once(Ok(Bytes::from(bytes))));
            let broken = stream::once(async {
                // Only after the begin has been handed to the network.
                tokio::task::yield_now().await;
                Err(io::Error::other("gone"))
            });
            let body = Body::from_stream(begin.chain(broken));
            ([(header::CONTENT_LENGTH, length.to_string())], body).into_response()
        }
        Some(Answer::Drip(bytes, every)) => drip(bytes, every),
        Some(Answer::Stall) => std::future::pending().await,
        Some(Answer::StallAfter(bytes)) => {
            let begin = stream::iter(iter::once(Ok::<_, io::Error>(Bytes::from(bytes))));
            Body::from_stream(begin.chain(stream::pending())).into_response()
        }
        Some(Answer::Flood { announced }) => flood(Arc::clone(shared), announced),
        Some(Answer::HangUp) => {
            let broken = iter::once(Err::<Bytes, _>(io::Error::other("gone")));
            Body::from_stream(stream::iter(broken)).into_response()
        }
    }
}

fn reply(status: u16, headers: Vec<(&'static str, String)>, body: Vec<u8>) -> Response {
    let status = StatusCode::from_u16(status).unwrap();
    let mut response = (status, Body::from(body)).into_response();
    for (name, value) in headers {
        let name = HeaderName::from_static(name);
        response.headers_mut().append(name, value.parse().unwrap());
    }
    response
}

fn drip(bytes: Vec<u8>, every: Duration) -> Response {
    let length = bytes.len();
    let drops = stream::unfold(
        (bytes.into_iter(), interval(every)),
        |(mut rest, mut clock)| async {
            clock.tick().await;
            let drop = Bytes::from(vec![rest.next()?]);
            Some((Ok::<_, io::Error>(drop), (rest, clock)))
        },
    );
    let body = Body::from_stream(drops);
    ([(header::CONTENT_LENGTH, length.to_string())], body).into_response()
}

fn flood(shared: Arc<Shared>, announced: bool) -> Response {
    const CHUNK: &[u8] = &[b' '; 1 << 16];
    const CHUNKS: usize = FLOOD / CHUNK.len();
    let chunks = (0..CHUNKS).map(move |_| {
        shared.flooded.fetch_add(CHUNK.len(), Ordering::SeqCst);
        Ok::<_, io::Error>(Bytes::from_static(CHUNK))
    });
    let body = Body::from_stream(stream::iter(chunks));
    if announced {
        ([(header::CONTENT_LENGTH, FLOOD.to_string())], body).into_response()
    } else {
        body.into_response()
    }
}
