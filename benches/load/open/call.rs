//! One unary gRPC call over `h2`, from prepared bytes to the bytes of its answer.

use std::{
    io,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    task::{Context, Poll, Waker},
    time::Duration,
};

use bytes::{BufMut as _, Bytes, BytesMut};
use h2::{
    Reason, RecvStream, SendStream,
    client::{Builder, ResponseFuture, SendRequest},
};
use http::{HeaderMap, Request};
use tokio::net::TcpStream;

use super::answer::{Answer, Failure};

/// What is called, with what, and for how long one waits.
#[derive(Clone)]
pub(crate) struct Call {
    head: Request<()>,
    frame: Bytes,
    timeout: Duration,
    read: fn(&[u8]) -> Answer,
}

impl Call {
    /// A check of this `CheckRequest`, as an Envoy asks.
    pub(crate) fn check(request: &[u8], timeout: Duration) -> Self {
        let path = "/envoy.service.auth.v3.Authorization/Check";
        Self::new(path, request, timeout, Answer::of_check)
    }

    /// Whether the server as a whole is serving, as a kubelet asks.
    pub(crate) fn health(timeout: Duration) -> Self {
        let path = "/grpc.health.v1.Health/Check";
        Self::new(path, &[], timeout, Answer::of_health)
    }

    fn new(path: &str, message: &[u8], timeout: Duration, read: fn(&[u8]) -> Answer) -> Self {
        let head = Request::post(format!("http://ext-authz{path}"))
            .header("te", "trailers")
            .header("content-type", "application/grpc")
            .header("grpc-timeout", format!("{}m", timeout.as_millis()));
        let mut frame = BytesMut::with_capacity(message.len() + 5);
        frame.put_u8(0);
        frame.put_u32(u32::try_from(message.len()).unwrap());
        frame.put_slice(message);
        Self {
            head: head.body(()).unwrap(),
            frame: frame.freeze(),
            timeout,
            read,
        }
    }
}

/// One HTTP/2 connection; clones share it.
#[derive(Clone)]
pub(crate) struct Connection {
    sender: SendRequest<Bytes>,
    outstanding: Arc<AtomicUsize>,
    most: usize,
    ended: Arc<AtomicBool>,
}

impl Connection {
    /// To `address`, for up to `most` calls at a time, and never more than the server lets.
    pub(crate) async fn open(address: &str, most: usize) -> Self {
        Self::try_open(address, most)
            .await
            .unwrap_or_else(|error| panic!("`{address}` cannot be reached: {error}"))
    }

    /// The same where the server may be gone.
    pub(super) async fn try_open(address: &str, most: usize) -> io::Result<Self> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        let (sender, connection) = Builder::new()
            // More than all answers together have.
            .initial_window_size(1 << 20)
            .initial_connection_window_size(1 << 24)
            .handshake(stream)
            .await
            .map_err(io::Error::other)?;
        let ended = Arc::new(AtomicBool::new(false));
        let end = Arc::clone(&ended);
        tokio::spawn(async move {
            // What went wrong shows in the calls.
            connection.await.ok();
            end.store(true, Ordering::Relaxed);
        });
        Ok(Self {
            sender,
            outstanding: Arc::default(),
            most,
            ended,
        })
    }

    /// Whether it takes no more calls for good.
    pub(super) fn has_ended(&self) -> bool {
        self.ended.load(Ordering::Relaxed)
    }

    /// Sends a call, or nothing when there is no room.
    pub(crate) fn start(&mut self, call: &Call) -> Option<Started> {
        let most = self.most.min(self.sender.current_max_send_streams());
        if self.outstanding.load(Ordering::Relaxed) >= most {
            return None;
        }
        let mut context = Context::from_waker(Waker::noop());
        let ready = match self.sender.poll_ready(&mut context) {
            Poll::Pending => return None,
            Poll::Ready(ready) => ready,
        };
        let sent = ready
            .and_then(|()| self.sender.send_request(call.head.clone(), false))
            .and_then(|(response, mut stream)| {
                stream.send_data(call.frame.clone(), true)?;
                Ok((response, stream))
            });
        let Ok((response, stream)) = sent else {
            // The server wants no more of this connection.
            self.ended.store(true, Ordering::Relaxed);
            return None;
        };
        Some(Started {
            response,
            stream,
            timeout: call.timeout,
            read: call.read,
            _place: Place::take(&self.outstanding),
        })
    }
}

/// One of the places of a connection.
struct Place(Arc<AtomicUsize>);

impl Place {
    fn take(outstanding: &Arc<AtomicUsize>) -> Self {
        outstanding.fetch_add(1, Ordering::Relaxed);
        Self(Arc::clone(outstanding))
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// A call on its way.
pub(crate) struct Started {
    response: ResponseFuture,
    stream: SendStream<Bytes>,
    timeout: Duration,
    read: fn(&[u8]) -> Answer,
    _place: Place,
}

impl Started {
    /// What comes of it; cancelled when its time runs out.
    pub(crate) async fn answer(mut self) -> Answer {
        match tokio::time::timeout(self.timeout, message(self.response)).await {
            Ok(Ok(message)) => (self.read)(&message),
            Ok(Err(failure)) => Answer::failed(failure),
            Err(_elapsed) => {
                self.stream.send_reset(Reason::CANCEL);
                Answer::failed(Failure::TimedOut)
            }
        }
    }
}

/// The one message of a gRPC answer with status 0.
async fn message(response: ResponseFuture) -> Result<Bytes, Failure> {
    let response = response.await.map_err(|error| Failure::broken(&error))?;
    if !response.status().is_success() {
        return Err(Failure::Broken(format!("HTTP {}", response.status())));
    }
    status(response.headers())?;
    let mut body = response.into_body();
    let framed = read(&mut body)
        .await
        .map_err(|error| Failure::broken(&error))?;
    if let Some(trailers) = body
        .trailers()
        .await
        .map_err(|error| Failure::broken(&error))?
    {
        status(&trailers)?;
    }
    // One byte says whether it is compressed, four how long it is.
    match framed.split_at_checked(5) {
        Some(([0, ..], _)) => Ok(framed.slice(5..)),
        _ => Err(Failure::Broken("no message".to_owned())),
    }
}

/// Mostly one frame, which is not copied.
async fn read(body: &mut RecvStream) -> Result<Bytes, h2::Error> {
    let mut whole = Bytes::new();
    while let Some(data) = body.data().await {
        let data = data?;
        body.flow_control().release_capacity(data.len())?;
        whole = if whole.is_empty() {
            data
        } else {
            [whole, data].concat().into()
        };
    }
    Ok(whole)
}

/// An error status, wherever it stands.
fn status(headers: &HeaderMap) -> Result<(), Failure> {
    let text = |name| {
        headers
            .get(name)
            .map(|value| String::from_utf8_lossy(value.as_bytes()))
    };
    match text("grpc-status") {
        None => Ok(()),
        Some(code) if code == "0" => Ok(()),
        Some(code) => {
            let message = text("grpc-message").unwrap_or_default();
            Err(Failure::Grpc(format!("gRPC status {code}: {message}")))
        }
    }
}
