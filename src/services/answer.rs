//! What a service answers, read within bounds.

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use reqwest::{Response, StatusCode, header::HeaderMap};
use tokio::time::timeout;

use super::error::ServiceError;

/// What a service answered.
#[derive(Clone, Debug)]
pub struct Answer {
    /// The status.
    pub status: StatusCode,
    /// The headers.
    pub headers: HeaderMap,
    /// The body, as it came: no encoding is undone. Empty unless the status is one of success.
    pub body: Bytes,
}

/// How much and how long.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bounds {
    /// The longest time between two pieces.
    pub(super) idle: Duration,
    /// The longest time for all of it.
    pub(super) whole: Duration,
    /// The most bytes.
    pub(super) most: u64,
}

impl Bounds {
    /// At most so many bytes, and so long between two pieces.
    pub(super) const fn new(idle: Duration, most: u64) -> Self {
        Self {
            idle,
            whole: LONGEST_BODY,
            most,
        }
    }
}

/// The longest time for a whole body: a gigabyte at less than one megabyte a second.
const LONGEST_BODY: Duration = Duration::from_mins(30);

/// The most memory that is set aside because an answer announces a body.
const MOST_SET_ASIDE: u64 = 64 << 20;

/// Reads the answer from `place`.
pub(super) async fn read(
    response: Response,
    place: &str,
    bounds: Bounds,
) -> Result<Answer, ServiceError> {
    let (status, headers) = (response.status(), response.headers().clone());
    let whole = timeout(bounds.whole, body(response, place, bounds)).await;
    let body = whole.unwrap_or_else(|_| Err(timed_out(place, "the whole answer", bounds.whole)))?;
    Ok(Answer {
        status,
        headers,
        body,
    })
}

/// Reads no more than `bounds.most` bytes, and none when more are announced.
async fn body(mut response: Response, place: &str, bounds: Bounds) -> Result<Bytes, ServiceError> {
    let too_large = || ServiceError::TooLarge {
        place: place.to_owned(),
        most: bounds.most,
    };
    let announced = response.content_length().unwrap_or_default();
    if announced > bounds.most {
        return Err(too_large());
    }
    let aside = usize::try_from(announced.min(MOST_SET_ASIDE)).unwrap_or_default();
    let mut body = BytesMut::with_capacity(aside);
    loop {
        let Ok(chunk) = timeout(bounds.idle, response.chunk()).await else {
            return Err(timed_out(
                place,
                "the next piece of the answer",
                bounds.idle,
            ));
        };
        let chunk = chunk.map_err(|source| broken(place, source))?;
        let Some(chunk) = chunk else {
            return Ok(body.freeze());
        };
        let length = u64::try_from(body.len().saturating_add(chunk.len()));
        if length.is_ok_and(|length| length <= bounds.most) {
            body.extend_from_slice(&chunk);
        } else {
            return Err(too_large());
        }
    }
}

/// The error of the connection to `place`.
pub(super) fn broken(place: &str, source: reqwest::Error) -> ServiceError {
    ServiceError::Transport {
        place: place.to_owned(),
        // It is named in `place`, without its secrets.
        source: source.without_url(),
    }
}

pub(super) fn timed_out(place: &str, what: &'static str, after: Duration) -> ServiceError {
    ServiceError::TimedOut {
        place: place.to_owned(),
        what,
        after,
    }
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use futures_util::stream;
    use http_body_util::StreamBody;
    use hyper::body::Frame;

    use super::*;

    /// A body of so many pieces, or without an end, which come one after the other at once.
    fn answering(pieces: Option<usize>) -> Response {
        let pieces = stream::unfold(pieces, |left| async move {
            if left == Some(0) {
                return None;
            }
            tokio::task::yield_now().await;
            let piece = Ok::<_, Infallible>(Frame::data(Bytes::from_static(b".")));
            Some((piece, left.map(|left| left.saturating_sub(1))))
        });
        let body = reqwest::Body::wrap(StreamBody::new(pieces));
        http::Response::new(body).into()
    }

    #[tokio::test]
    async fn a_body_that_never_ends_is_given_up() {
        let bounds = Bounds {
            whole: Duration::from_millis(50),
            ..Bounds::new(Duration::from_mins(1), u64::MAX)
        };
        let error = read(answering(None), "there", bounds).await.unwrap_err();
        assert!(error.to_string().starts_with("the whole answer of `there`"));
        let bounds = Bounds::new(Duration::from_mins(1), 1000);
        let answer = read(answering(Some(1000)), "there", bounds).await.unwrap();
        assert_eq!(answer.body.len(), 1000);
        assert!(read(answering(Some(1001)), "there", bounds).await.is_err());
    }
}
