//! How an answer goes wrong.

use std::{future::pending, io};

use axum::{
    body::{Body, Bytes, to_bytes},
    http::{HeaderName, StatusCode, header},
    response::{IntoResponse as _, Response},
};
use futures_util::{StreamExt as _, stream};

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
                let chunk = Bytes::from_static(&[0; 1 << 16]);
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
            Self::Wrong | Self::Short | Self::Long | Self::CutOff | Self::StallWithin => {
                self.changed(good).await
            }
        }
    }

    async fn changed(self, good: Response) -> Response {
        let (mut head, body) = good.into_parts();
        let mut bytes = to_bytes(body, usize::MAX).await.unwrap().to_vec();
        let length = bytes.len();
        head.headers.remove(header::CONTENT_LENGTH);
        let half = Bytes::copy_from_slice(&bytes[..length / 2]);
        let body = match self {
            Self::Wrong => {
                bytes[length / 2] ^= 1;
                Body::from(bytes)
            }
            Self::Short => {
                bytes.pop();
                Body::from(bytes)
            }
            Self::Long => {
                bytes.push(0);
                Body::from(bytes)
            }
            Self::StallWithin => {
                head.headers.insert(header::CONTENT_LENGTH, length.into());
                let half = stream::iter([Ok::<_, io::Error>(half)]);
                Body::from_stream(half.chain(stream::pending()))
            }
            _ => {
                head.headers.insert(header::CONTENT_LENGTH, length.into());
                let broken = Err(io::ErrorKind::ConnectionReset.into());
                Body::from_stream(stream::iter([Ok::<_, io::Error>(half), broken]))
            }
        };
        Response::from_parts(head, body)
    }
}
