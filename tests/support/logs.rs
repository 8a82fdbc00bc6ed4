//! A server of decision logs that misbehaves on demand, and remembers what it took.
//!
//! Include it as a module of a test (`#[path = "support/logs.rs"] mod logs;`). It names no other module of
//! the tests.

use std::{io, io::Read as _, net::SocketAddr, sync::Arc, sync::Mutex, time::Duration};

use flate2::bufread::GzDecoder;
use http_body_util::{BodyExt as _, Full};
use hyper::{
    Request, Response,
    body::{Bytes, Incoming},
    header::{HeaderMap, LOCATION},
    server::conn::http1,
    service::service_fn,
};
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::{net::TcpListener, sync::watch, task::JoinSet};
use tokio_util::task::AbortOnDropHandle;

/// What an upload is answered with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Answer {
    /// It is taken, and answered with 204.
    Taken,
    /// It is not taken.
    Status(u16),
    /// It is sent elsewhere.
    Redirect,
    /// Never answered, until the answer is another.
    Hang,
    /// The connection is closed in the middle.
    Close,
    /// Taken if it has at most so many bytes, 413 otherwise.
    AtMost(usize),
}

/// An upload that came.
#[derive(Clone, Debug)]
pub(crate) struct Upload {
    pub(crate) path: String,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
    pub(crate) taken: bool,
}

impl Upload {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().unwrap())
    }

    /// The records in it, which is what its headers say.
    pub(crate) fn records(&self) -> Vec<Value> {
        assert_eq!(self.header("content-encoding"), Some("gzip"));
        assert_eq!(self.header("content-type"), Some("application/json"));
        let mut json = String::new();
        let mut decoder = GzDecoder::new(&*self.body);
        decoder.read_to_string(&mut json).unwrap();
        assert!(decoder.into_inner().is_empty(), "more than one gzip member");
        serde_json::from_str(&json).unwrap()
    }
}

/// The server; it is gone when this is dropped.
pub(crate) struct LogServer {
    address: SocketAddr,
    shared: Arc<Shared>,
    serving: Mutex<Option<AbortOnDropHandle<()>>>,
}

struct Shared {
    answer: watch::Sender<Answer>,
    seen: watch::Sender<Vec<Upload>>,
}

impl LogServer {
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let shared = Arc::new(Shared {
            answer: watch::Sender::new(Answer::Taken),
            seen: watch::Sender::default(),
        });
        Self {
            address: listener.local_addr().unwrap(),
            serving: Mutex::new(Some(serve(listener, Arc::clone(&shared)))),
            shared,
        }
    }

    pub(crate) fn origin(&self) -> String {
        format!("http://{}", self.address)
    }

    /// What is answered from now on.
    pub(crate) fn answer(&self, answer: Answer) {
        self.shared.answer.send_replace(answer);
    }

    /// Nobody listens there any more.
    pub(crate) fn leave(&self) {
        self.serving.lock().unwrap().take();
    }

    /// Listens there again.
    pub(crate) async fn come_back(&self) {
        let listener = TcpListener::bind(self.address).await.unwrap();
        let serving = serve(listener, Arc::clone(&self.shared));
        *self.serving.lock().unwrap() = Some(serving);
    }

    /// Everything that came, taken or not.
    pub(crate) fn seen(&self) -> Vec<Upload> {
        self.shared.seen.borrow().clone()
    }

    /// What was taken.
    pub(crate) fn taken(&self) -> Vec<Upload> {
        let mut seen = self.seen();
        seen.retain(|upload| upload.taken);
        seen
    }

    /// The records that were taken, in the order in which they came.
    pub(crate) fn records(&self) -> Vec<Value> {
        self.taken().iter().flat_map(Upload::records).collect()
    }

    /// Waits until this holds of what came.
    pub(crate) async fn until(&self, what: &str, wanted: impl Fn(&[Upload]) -> bool) {
        let mut seen = self.shared.seen.subscribe();
        let wait = seen.wait_for(|seen| wanted(seen));
        let waited = tokio::time::timeout(PATIENCE, wait).await;
        assert!(waited.is_ok(), "{what}: not within {PATIENCE:?}");
    }

    /// Waits until so many records were taken.
    pub(crate) async fn until_taken(&self, records: usize) {
        let taken = |seen: &[Upload]| {
            let taken = seen.iter().filter(|upload| upload.taken);
            taken.map(|upload| upload.records().len()).sum::<usize>() >= records
        };
        self.until(&format!("{records} records"), taken).await;
    }
}

fn serve(listener: TcpListener, shared: Arc<Shared>) -> AbortOnDropHandle<()> {
    AbortOnDropHandle::new(tokio::spawn(async move {
        let mut connections = JoinSet::new();
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            let shared = Arc::clone(&shared);
            let service = service_fn(move |request| answer(request, Arc::clone(&shared)));
            connections
                .spawn(http1::Builder::new().serve_connection(TokioIo::new(stream), service));
        }
    }))
}

async fn answer(
    request: Request<Incoming>,
    shared: Arc<Shared>,
) -> io::Result<Response<Full<Bytes>>> {
    let (head, body) = request.into_parts();
    let body = body.collect().await.map_err(io::Error::other)?.to_bytes();
    let now = *shared.answer.borrow();
    let too_large = matches!(now, Answer::AtMost(most) if body.len() > most);
    let taken = matches!(now, Answer::Taken | Answer::AtMost(_)) && !too_large;
    shared.seen.send_modify(|seen| {
        seen.push(Upload {
            path: head.uri.to_string(),
            headers: head.headers,
            body,
            taken,
        });
    });
    let status = match now {
        Answer::Taken | Answer::AtMost(_) if taken => 204,
        Answer::Taken | Answer::AtMost(_) => 413,
        Answer::Status(status) => status,
        Answer::Redirect => 307,
        Answer::Close => return Err(io::ErrorKind::ConnectionReset.into()),
        Answer::Hang => {
            let mut answers = shared.answer.subscribe();
            answers
                .wait_for(|answer| *answer != Answer::Hang)
                .await
                .ok();
            503
        }
    };
    let builder = Response::builder().status(status);
    let builder = match now {
        Answer::Redirect => builder.header(LOCATION, "/elsewhere"),
        Answer::Taken | Answer::Status(_) | Answer::Hang | Answer::Close | Answer::AtMost(_) => {
            builder
        }
    };
    Ok(builder.body(Full::default()).unwrap())
}

/// Long, because it only ends tests that fail.
const PATIENCE: Duration = Duration::from_mins(1);
