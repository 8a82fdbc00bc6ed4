//! The port that shows decisions, apart from the one that answers checks: in a mesh everything that
//! reaches that one looks as if it came from this machine.
//!
//! Promises that nobody is answered who is neither on this machine nor on the list of callers, whatever
//! the configuration says, that the usual address being taken is no reason not to serve, and that
//! whoever watches does not hold up the end.

use std::{
    convert::Infallible, fs, io, os::unix::fs::PermissionsExt as _, path::PathBuf, sync::Arc,
    time::Duration,
};

use http::{Request, Response};
use hyper::body::Incoming;
use tokio_util::task::AbortOnDropHandle;
use tonic::{body::Body, service::Routes};
use tower::ServiceExt as _;

use super::{
    listen::{BindError, Bound, Listener},
    serve::{Answers, Context, Peers, Serving},
    tls::{FilesError, Tls},
};
use crate::{
    config::{self, Config, Http2, ListenAddr, ObserveAddr},
    observe::{Observers, Options},
    telemetry::{
        Metrics, ObserverNotStarted, ObserverStarted,
        recorder::{Consumer, Interest},
    },
};

/// Why the port is not opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The address.
    #[error(transparent)]
    Bind(#[from] BindError),
    /// The socket file cannot be kept to the user of this process.
    #[error("the socket `{}` cannot be made private", path.display())]
    Private {
        /// The file.
        path: PathBuf,
        /// What the kernel said.
        #[source]
        source: io::Error,
    },
    /// Others could come, and nobody would ask who they are.
    #[error("`{0}` can be reached from elsewhere, and needs TLS with a list of callers")]
    Open(Bound),
    /// The certificate.
    #[error("its TLS cannot be set up")]
    Tls(#[from] FilesError),
}

/// The open port.
#[derive(Debug)]
pub(super) struct Observing {
    bound: Bound,
    serving: Serving,
    _reload: Option<AbortOnDropHandle<()>>,
}

/// Opens the port, and makes the consumer that it shows the decisions of. `None`: nobody is to see any,
/// or the usual address cannot be had.
pub(super) async fn open(
    config: &Config,
    interest: &Interest,
    metrics: &Metrics,
) -> Result<Option<(Box<dyn Consumer>, Observing)>, OpenError> {
    let ours = &config.portcullis.observe;
    let Some(address) = ours.addr.address() else {
        return Ok(None);
    };
    let listener = match (listen(&address).await, &ours.addr) {
        (Err(error), ObserveAddr::Usual) => {
            ObserverNotStarted { error: &error }.emit();
            return Ok(None);
        }
        (listener, ObserveAddr::Usual | ObserveAddr::At(_) | ObserveAddr::Off) => listener?,
    };
    let bound = listener.bound().clone();
    let peers = peers(&bound, ours.tls.as_ref())?;
    // The series of connections and certificates are about the gRPC port; what happens here is logged.
    let apart = Arc::new(Metrics::new(None));
    let tls = ours.tls.clone();
    let tls = tls.map(|tls| Tls::load(tls, &apart)).transpose()?;
    let options = Options {
        capacity: ours.capacity,
        keep: ours.record,
    };
    let (ring, observers) = Observers::new(options, interest, metrics);
    let context = Context::new(
        Shown(Routes::new(observers.service()).prepare()),
        tls.as_ref().map(Tls::acceptor),
        http2(),
        LINGER,
        Arc::clone(&apart),
    );
    let serving = Serving::start(listener, context.only(peers));
    let reload = tls.map(|tls| AbortOnDropHandle::new(tokio::spawn(tls.keep_fresh(apart))));
    ObserverStarted {
        address: &bound.to_string(),
    }
    .emit();
    let observing = Observing {
        bound,
        serving,
        _reload: reload,
    };
    Ok(Some((Box::new(ring), observing)))
}

impl Observing {
    /// Where it is really listened.
    pub(super) fn bound(&self) -> &Bound {
        &self.bound
    }

    /// Lets go of who watches, at once if they do not go. To be called after the recorder's end, which
    /// ends what they watch.
    pub(super) async fn finish(self) {
        let drained = tokio::time::timeout(LINGER, self.serving.drain()).await;
        if drained.is_err() {
            self.serving.abort();
        }
    }
}

async fn listen(address: &ListenAddr) -> Result<Listener, OpenError> {
    let listener = Listener::bind(address).await?;
    if let Bound::Unix(path) = listener.bound() {
        // Who comes before this is asked who they are all the same.
        let private = fs::Permissions::from_mode(0o600);
        fs::set_permissions(path, private).map_err(|source| OpenError::Private {
            path: path.clone(),
            source,
        })?;
    }
    Ok(listener)
}

/// Whom to listen to. What a name stands for is known only now.
fn peers(bound: &Bound, tls: Option<&config::Tls>) -> Result<Peers, OpenError> {
    let local = match bound {
        Bound::Tcp(address) => address.ip().is_loopback(),
        Bound::Unix(_) | Bound::Abstract(_) => true,
    };
    if local {
        return Ok(Peers::Own);
    }
    if tls.is_some_and(config::Tls::knows_callers) {
        Ok(Peers::Any)
    } else {
        Err(OpenError::Open(bound.clone()))
    }
}

/// Few callers, for a long time.
fn http2() -> Http2 {
    Http2 {
        max_connections: 32,
        max_concurrent_streams: 16,
        max_connection_age: None,
        ..Http2::default()
    }
}

/// What the port answers with.
#[derive(Debug)]
struct Shown(Routes);

impl Answers for Shown {
    type Body = Body;

    async fn answer(
        self: Arc<Self>,
        request: Request<Incoming>,
    ) -> Result<Response<Body>, Infallible> {
        self.0.clone().oneshot(request.map(Body::new)).await
    }
}

/// How long whoever watches may take to go.
const LINGER: Duration = Duration::from_secs(1);
