//! How an answer goes wrong.

use std::{future::pending, io};

use axum::{
    body::{Body, Bytes, to_bytes},
    http::{HeaderName, StatusCode, header},
    response::{IntoResponse as _, Response},
};
use futures_util::{Stream, StreamExt as _, stream};

/// What comes instead of a good answer.
#[derive(Clone, Debug)]
pub(crate) enum Fault {
    /// A status without anything else.
    Status(u16),
    /// As many bytes, one of them another.
    Wrong,
    /// One byte less.
    Short,
    /// One byte more.
    Long,
    /// As many bytes announced, and then half of them.
    CutOff,
    /// Something else with 200.
    Text(String),
    /// The good answer with this header.
    Header(&'static str, String),
    /// The good answer without this header.
    Without(&'static str),
    /// 307 to there.
    Redirect(String),
    /// Nothing, for ever.
    Stall,
    /// Half of it, and then nothing, for ever.
    StallWithin,
    /// Bytes without end, unannounced.
    Flood,
}

impl Fault {
    pub(super) async fn instead_of(self, good: Response) -> Response {
        match self {
            Self::Status(code) => StatusCode::from_u16(code).unwrap().into_response(),
            Self::Text(text) => text.into_response(),
            Self::Redirect(to) => {
                (StatusCode::TEMPORARY_REDIRECT, [(header::LOCATION, to)]).into_response()
            }
            Self::Stall => pending().await,
            Self::Flood => {
                let chunk = Bytes::from(vec![0; 1 << 16]);
                let chunks = stream::repeat_with(move || Ok::<_, io::Error>(chunk.clone()));
                Body::from_stream(chunks).into_response()
            }
            Self::Header(name, value) => {
                let mut good = good;
                let name = HeaderName::from_static(name);
                good.headers_mut().insert(name, value.parse().unwrap());
                good
            }
            Self::Without(name) => {
                let mut good = good;
                good.headers_mut().remove(name);
                good
            }
            Self::Wrong => {
                let change = |bytes: &mut Vec<u8>| {
                    let middle = bytes.len() / 2;
                    bytes[middle] ^= 1;
                };
                changed(good, change).await
            }
            Self::Short => changed(good, |bytes| bytes.truncate(bytes.len() - 1)).await,
            Self::Long => changed(good, |bytes| bytes.push(0)).await,
            Self::CutOff => {
                let broken = Err(io::ErrorKind::ConnectionReset.into());
                half(good, stream::iter([broken])).await
            }
            Self::StallWithin => half(good, stream::pending()).await,
        }
    }
}

async fn changed(good: Response, change: impl FnOnce(&mut Vec<u8>)) -> Response {
    let (mut head, body) = good.into_parts();
    let mut bytes = to_bytes(body, usize::MAX).await.unwrap().to_vec();
    change(&mut bytes);
    head.headers.remove(header::CONTENT_LENGTH);
    Response::from_parts(head, Body::from(bytes))
}

/// Announces all of it, sends half of it, and goes on with `rest`.
async fn half(
    good: Response,
    rest: impl Stream<Item = io::Result<Bytes>> + Send + 'static,
) -> Response {
    let (mut head, body) = good.into_parts();
    let bytes = to_bytes(body, usize::MAX).await.unwrap();
    let length = bytes.len();
    head.headers.insert(header::CONTENT_LENGTH, length.into());
    let half = stream::iter([Ok(bytes.slice(..length / 2))]);
    Response::from_parts(head, Body::from_stream(half.chain(rest)))
}
