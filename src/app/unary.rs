//! One unary gRPC call in raw bytes, straight on HTTP/2: no prost message, no codec and no boxed
//! body between the wire and the line of a check.
//!
//! Promises that everything that can be answered is answered by the line: a message that is too
//! large, compressed, cut off or late is handed on as an unreadable one and is denied there, because
//! a gRPC error would let the request through where Envoy fails open. What callers can make this
//! server hold in memory is bounded, and so is the time they may take.

use std::{
    pin::{Pin, pin},
    task::{Context, Poll},
    time::{Duration, Instant},
};

use bytes::{BufMut as _, Bytes, BytesMut};
use futures_util::FutureExt as _;
use http::{HeaderMap, HeaderValue, Response, header::CONTENT_TYPE};
use http_body_util::BodyExt as _;
use hyper::body::{Body, Frame};
use tokio::sync::Semaphore;
use tonic::Status;

use super::counted::Counted;
use crate::{
    check::{Call, CheckService},
    telemetry::Metrics,
};

/// Who answers calls, and who counts them.
#[derive(Clone, Copy, Debug)]
pub(super) struct Gate<'a> {
    pub(super) check: &'a CheckService,
    pub(super) intake: &'a Intake,
    pub(super) metrics: &'a Metrics,
}

/// Answers the unary call with these headers and this body.
pub(super) async fn call<B>(
    gate: Gate<'_>,
    headers: &HeaderMap,
    body: B,
    called: Instant,
) -> Response<Reply>
where
    B: Body<Data = Bytes> + Unpin,
{
    let Gate {
        check,
        intake,
        metrics,
    } = gate;
    if !is_grpc(headers) {
        let mut response = Response::new(Reply::default());
        *response.status_mut() = http::StatusCode::UNSUPPORTED_MEDIA_TYPE;
        return response;
    }
    let counted = Counted::begin(metrics, check, called);
    let (message, arrived) = match intake.read(body).await {
        Ok(Message::There(message)) => (message, called),
        // Until now the caller was waited for.
        Ok(Message::Came(message)) => (message, check.now()),
        Err(Unreadable::Broken) => {
            return failed(counted, Status::cancelled("the stream broke off"));
        }
        Err(unreadable) => {
            tracing::debug!(error = %unreadable, "no message to judge");
            (Bytes::from_static(UNREADABLE_MESSAGE), check.now())
        }
    };
    let call = Call {
        metadata: headers,
        called,
        request: message,
        arrived,
    };
    match check.check(call).await.and_then(|message| reply(&message)) {
        Ok(response) => {
            counted.answered();
            response
        }
        Err(status) => failed(counted, status),
    }
}

fn failed(counted: Counted<'_>, status: Status) -> Response<Reply> {
    counted.failed(&status);
    status.into_http()
}

fn is_grpc(headers: &HeaderMap) -> bool {
    headers
        .get(CONTENT_TYPE)
        .is_some_and(|value| value.as_bytes().starts_with(GRPC.as_bytes()))
}

fn reply(message: &[u8]) -> Result<Response<Reply>, Status> {
    let length = u32::try_from(message.len())
        .map_err(|_| Status::internal("the answer is longer than 4 GiB"))?;
    let mut framed = BytesMut::with_capacity(message.len().saturating_add(PREFIX));
    framed.put_u8(0);
    framed.put_u32(length);
    framed.put_slice(message);
    let mut trailers = HeaderMap::with_capacity(1);
    trailers.insert(Status::GRPC_STATUS, HeaderValue::from_static("0"));
    let mut response = Response::new(Reply {
        message: Some(framed.freeze()),
        trailers: Some(trailers),
    });
    response
        .headers_mut()
        .insert(CONTENT_TYPE, HeaderValue::from_static(GRPC));
    Ok(response)
}

/// The body of an answer: one message and the trailers, or nothing when the head says it all.
#[derive(Debug, Default)]
pub(super) struct Reply {
    message: Option<Bytes>,
    trailers: Option<HeaderMap>,
}

impl Body for Reply {
    type Data = Bytes;
    type Error = std::convert::Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        let frame = match self.message.take() {
            Some(message) => Some(Frame::data(message)),
            None => self.trailers.take().map(Frame::trailers),
        };
        Poll::Ready(frame.map(Ok))
    }

    fn is_end_stream(&self) -> bool {
        self.message.is_none() && self.trailers.is_none()
    }
}

/// What is taken in from callers.
#[derive(Debug)]
pub(super) struct Intake {
    /// Largest message in bytes.
    limit: u32,
    /// What the messages that arrive in pieces may hold together, in KiB.
    memory: Semaphore,
    /// How long a caller may take to send its message.
    patience: Duration,
}

impl Intake {
    /// Takes messages of up to `limit` bytes that arrive within `patience`.
    pub(super) fn new(limit: u32, patience: Duration) -> Self {
        // At least one message of the largest size fits, else it would wait for ever.
        let largest = kib(usize::try_from(limit).unwrap_or(usize::MAX));
        let memory = usize::try_from(largest).map_or(MEMORY_KIB, |kib| kib.max(MEMORY_KIB));
        Self {
            limit,
            memory: Semaphore::new(memory),
            patience,
        }
    }

    /// Reads the one message of a call. The timer is only armed for a caller that is not done yet.
    async fn read<B>(&self, body: B) -> Result<Message, Unreadable>
    where
        B: Body<Data = Bytes> + Unpin,
    {
        let mut read = pin!(self.read_message(body));
        match read.as_mut().now_or_never() {
            Some(message) => message.map(Message::There),
            None => tokio::time::timeout(self.patience, read)
                .await
                .unwrap_or(Err(Unreadable::Slow))
                .map(Message::Came),
        }
    }

    /// A message that comes in one piece is not copied.
    async fn read_message<B>(&self, mut body: B) -> Result<Bytes, Unreadable>
    where
        B: Body<Data = Bytes> + Unpin,
    {
        let first = next_piece(&mut body).await?.ok_or(Unreadable::CutOff)?;
        let missing = self.missing(&first)?;
        let framed = if missing == 0 {
            first
        } else {
            // Room is taken for what has come, not for what is announced: that costs a caller nothing.
            let mut framed = BytesMut::from(first);
            let mut held = self.memory.acquire_many(kib(framed.len())).await;
            while self.missing(&framed)? > 0 {
                let piece = next_piece(&mut body).await?.ok_or(Unreadable::CutOff)?;
                let grown = kib(framed.len().saturating_add(piece.len()));
                let more = grown.saturating_sub(kib(framed.len()));
                if let (Ok(held), Ok(more)) = (&mut held, self.memory.acquire_many(more).await) {
                    held.merge(more);
                }
                framed.put(piece);
            }
            framed.freeze()
        };
        if !body.is_end_stream() && next_piece(&mut body).await?.is_some() {
            return Err(Unreadable::TooMany);
        }
        Ok(framed.slice(PREFIX..))
    }

    /// How many bytes of the one message `framed` does not hold yet; at most, while even its
    /// length is unknown.
    fn missing(&self, framed: &[u8]) -> Result<u32, Unreadable> {
        let Some((&[compressed, a, b, c, d], message)) = framed.split_first_chunk::<PREFIX>()
        else {
            return Ok(self.limit.max(1));
        };
        if compressed != 0 {
            return Err(Unreadable::Compressed);
        }
        let length = u32::from_be_bytes([a, b, c, d]);
        if length > self.limit {
            return Err(Unreadable::TooLarge);
        }
        let received = u32::try_from(message.len()).map_err(|_| Unreadable::TooMany)?;
        length.checked_sub(received).ok_or(Unreadable::TooMany)
    }
}

/// The message of a call.
#[derive(Debug)]
enum Message {
    /// It was there when it was asked for first.
    There(Bytes),
    /// It took the caller some time.
    Came(Bytes),
}

/// Why a stream carries no message to judge.
#[derive(Debug, thiserror::Error)]
enum Unreadable {
    /// Over the configured limit.
    #[error("the message is over the limit")]
    TooLarge,
    /// The stream ended first.
    #[error("the stream ended before its message was complete")]
    CutOff,
    /// A unary call has one message.
    #[error("the stream carries more than one message")]
    TooMany,
    /// No compression is offered.
    #[error("compressed messages are not supported")]
    Compressed,
    /// Not complete within [`Intake::patience`].
    #[error("the message did not arrive in time")]
    Slow,
    /// The caller went away.
    #[error("the stream broke off")]
    Broken,
}

/// The next data that is not empty; `None` at the end of the stream.
async fn next_piece<B>(body: &mut B) -> Result<Option<Bytes>, Unreadable>
where
    B: Body<Data = Bytes> + Unpin,
{
    while let Some(frame) = body.frame().await {
        let data = frame.map_err(|_| Unreadable::Broken)?.into_data();
        if let Ok(piece) = data
            && !piece.is_empty()
        {
            return Ok(Some(piece));
        }
    }
    Ok(None)
}

fn kib(bytes: usize) -> u32 {
    u32::try_from(bytes.div_ceil(1024)).unwrap_or(u32::MAX)
}

/// Bytes before a message: the compression flag and the length, big-endian.
const PREFIX: usize = 5;
/// The content type of gRPC; callers may add `+proto`.
const GRPC: &str = "application/grpc";
/// A message that ends inside its first field, so that the line denies it as undecodable.
const UNREADABLE_MESSAGE: &[u8] = &[0x0a];
/// What the messages that arrive in pieces may hold together, in KiB, unless one needs more.
const MEMORY_KIB: usize = 256 * 1024;

#[cfg(test)]
mod tests {
    use futures_util::stream;
    use http_body_util::StreamBody;
    use proptest::prelude::*;

    use super::*;

    const LIMIT: u32 = 64;

    fn framed(message: &[u8]) -> Vec<u8> {
        let length = u32::try_from(message.len()).unwrap();
        [&[0], &length.to_be_bytes()[..], message].concat()
    }

    fn read(pieces: Vec<Vec<u8>>) -> Result<Bytes, Unreadable> {
        let frames = pieces
            .into_iter()
            .map(|piece| Ok::<_, Status>(Frame::data(Bytes::from(piece))));
        Intake::new(LIMIT, Duration::MAX)
            .read_message(StreamBody::new(stream::iter(frames)))
            .now_or_never()
            .expect("nothing to wait for")
    }

    proptest! {
        #[test]
        fn a_message_is_the_same_in_whatever_pieces_it_arrives(
            message in prop::collection::vec(any::<u8>(), 0..=64),
            cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..6),
        ) {
            let wire = framed(&message);
            let mut cuts: Vec<_> = cuts.iter().map(|cut| cut.index(wire.len())).collect();
            cuts.extend([0, wire.len()]);
            cuts.sort_unstable();
            let pieces = cuts.windows(2).map(|cut| wire[cut[0]..cut[1]].to_vec()).collect();
            prop_assert_eq!(read(pieces).unwrap(), message);
        }
    }

    #[test]
    fn a_stream_without_one_whole_message_is_refused_by_its_rule() {
        let over = framed(&[7; 65]);
        for (pieces, rule) in [
            (vec![], "the stream ended before its message was complete"),
            (
                vec![vec![0, 0, 0]],
                "the stream ended before its message was complete",
            ),
            (
                vec![vec![0, 0, 0, 0, 9, 1]],
                "the stream ended before its message was complete",
            ),
            (
                vec![[framed(b"a"), framed(b"b")].concat()],
                "the stream carries more than one message",
            ),
            (
                vec![framed(b"a"), framed(b"b")],
                "the stream carries more than one message",
            ),
            (
                vec![vec![1, 0, 0, 0, 1, 7]],
                "compressed messages are not supported",
            ),
            (vec![over.clone()], "the message is over the limit"),
            (vec![over[..6].to_vec()], "the message is over the limit"),
            (
                vec![vec![0, 0xff, 0xff, 0xff, 0xff]],
                "the message is over the limit",
            ),
        ] {
            assert_eq!(
                read(pieces.clone()).unwrap_err().to_string(),
                rule,
                "{pieces:?}"
            );
        }
    }

    #[tokio::test]
    async fn a_caller_that_never_finishes_is_given_up() {
        let frames = stream::iter([Ok::<_, Status>(Frame::data(Bytes::from_static(&[0])))]);
        let body = StreamBody::new(futures_util::StreamExt::chain(frames, stream::pending()));
        let read = Intake::new(LIMIT, Duration::from_millis(1))
            .read(body)
            .await;
        assert!(matches!(read, Err(Unreadable::Slow)));
    }
}
