//! The composition around the line of a check: listeners, TLS, health, reflection, admin, shutdown.
//!
//! [`App::start`] opens the admin port, where `/readyz` tells what is pending; [`App::listen`] opens
//! the gRPC port and is called once a policy is active; [`Bound::run`] serves until a stop is asked
//! for and then goes step by step: not ready, grace, GOAWAY, drain, end.

pub mod build;
pub mod counts;
pub mod listen;
pub mod raw;
pub mod serve;
pub mod tls;

mod health;
mod reflection;
mod route;
mod unary;

use std::{error::Error, fmt::Write as _, sync::Arc, time::Duration};

use futures_util::stream;
use tokio::task::AbortHandle;

use self::{
    counts::Counts,
    listen::{Address, BindError, Listener},
    route::Routes,
    serve::{Context, Http2, Serving},
    tls::{Tls, TlsError},
};
use crate::{
    admin,
    check::CheckService,
    ready::{Pending, Ready},
    shutdown::Watch,
};

/// How the server is reached and how it stops.
#[derive(Clone, Debug)]
pub struct ServerOptions {
    /// Where checks are answered.
    pub listen: Address,
    /// TLS on that port; plaintext without.
    pub tls: Option<tls::Options>,
    /// HTTP/2 on that port.
    pub http2: Http2,
    /// Largest check in bytes. A larger one is denied as unreadable.
    pub max_request_bytes: u32,
    /// Whether gRPC reflection is offered.
    pub reflection: bool,
    /// Where the admin endpoints are served, if at all.
    pub admin: Option<Address>,
    /// How long checks are still taken after readiness ended, so that callers can notice.
    pub grace: Duration,
    /// How long checks in flight may take to finish after that.
    pub drain_timeout: Duration,
}

impl Default for ServerOptions {
    fn default() -> Self {
        let on_every_interface = |port| Address::Tcp {
            host: String::new(),
            port,
        };
        Self {
            listen: on_every_interface(9191),
            tls: None,
            http2: Http2::default(),
            max_request_bytes: 4 * 1024 * 1024,
            reflection: false,
            admin: Some(on_every_interface(8282)),
            grace: Duration::from_secs(5),
            drain_timeout: Duration::from_secs(20),
        }
    }
}

/// Why the server does not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The gRPC port.
    #[error("the gRPC port cannot be opened")]
    Grpc(#[source] BindError),
    /// The admin port.
    #[error("the admin port cannot be opened")]
    Admin(#[source] BindError),
    /// The certificate of the gRPC port.
    #[error("TLS on the gRPC port cannot be set up")]
    Tls(#[from] TlsError),
    /// The embedded descriptors of reflection.
    #[error("reflection cannot be set up")]
    Reflection(#[from] tonic_reflection::server::Error),
}

/// A server whose admin port is open, and whose gRPC port is not yet.
#[derive(Debug)]
pub struct App {
    options: ServerOptions,
    ready: Ready,
    listening: Pending,
    tls: Option<Tls>,
    admin: Option<AdminPort>,
    counts: Arc<Counts>,
}

impl App {
    /// Loads the certificate and opens the admin port.
    pub async fn start(options: ServerOptions, views: admin::Views) -> Result<Self, StartError> {
        let ready = views.ready.clone();
        let listening = ready.register("listener");
        let tls = options.tls.clone().map(Tls::load).transpose()?;
        let admin = match &options.admin {
            Some(address) => Some(AdminPort::open(address, views).await?),
            None => None,
        };
        Ok(Self {
            options,
            ready,
            listening,
            tls,
            admin,
            counts: Arc::default(),
        })
    }

    /// Where the admin endpoints are really served.
    pub fn admin(&self) -> Option<&listen::Bound> {
        self.admin.as_ref().map(|port| &port.bound)
    }

    /// Counters of the gRPC port.
    pub fn counts(&self) -> Arc<Counts> {
        Arc::clone(&self.counts)
    }

    /// Opens the gRPC port. To be called once a policy is active: before, a connection refused is
    /// the only answer that nobody can take for a yes.
    pub async fn listen(self, check: CheckService) -> Result<Bound, StartError> {
        let options = self.options;
        let routes = Routes::new(
            check,
            self.ready.clone(),
            options.max_request_bytes,
            options.reflection,
        )?;
        let listener = Listener::bind(&options.listen)
            .await
            .map_err(StartError::Grpc)?;
        let grpc = listener.bound().clone();
        let context = Context::new(
            routes,
            self.tls.as_ref().map(Tls::acceptor),
            options.http2,
            options.drain_timeout,
            self.counts,
        );
        let serving = Serving::start(listener, context);
        self.listening.done();
        Ok(Bound {
            grpc,
            certificate: self.tls.as_ref().map(Tls::status),
            admin: self.admin,
            ready: self.ready,
            serving,
            reload: self
                .tls
                .map(|tls| AbortOnDrop(tokio::spawn(tls.keep_fresh()).abort_handle())),
            grace: options.grace,
            drain_timeout: options.drain_timeout,
        })
    }
}

/// A server that answers checks.
#[derive(Debug)]
pub struct Bound {
    grpc: listen::Bound,
    admin: Option<AdminPort>,
    ready: Ready,
    serving: Serving,
    certificate: Option<tokio::sync::watch::Receiver<tls::Status>>,
    reload: Option<AbortOnDrop>,
    grace: Duration,
    drain_timeout: Duration,
}

impl Bound {
    /// Where checks are really answered.
    pub fn grpc(&self) -> &listen::Bound {
        &self.grpc
    }

    /// Where the admin endpoints are really served.
    pub fn admin(&self) -> Option<&listen::Bound> {
        self.admin.as_ref().map(|port| &port.bound)
    }

    /// Follows the certificate of the gRPC port; `None` without TLS.
    pub fn certificate(&self) -> Option<tokio::sync::watch::Receiver<tls::Status>> {
        self.certificate.clone()
    }

    /// Serves until a stop is asked for, and stops. A stop at once cuts every step short.
    pub async fn run(self, mut stop: Watch) -> Stopped {
        let mut at_once = stop.clone();
        stop.asked().await;
        let stopped = tokio::select! {
            biased;
            () = at_once.asked_at_once() => Stopped::AtOnce,
            stopped = self.stop() => stopped,
        };
        if stopped != Stopped::Drained {
            let connections = self.serving.abort();
            tracing::warn!(connections, "stopped before everything was answered");
        }
        drop(self.reload);
        stopped
    }

    async fn stop(&self) -> Stopped {
        tracing::info!("not ready any more, about to stop");
        self.ready.drain();
        tokio::time::sleep(self.grace).await;
        tracing::info!("draining");
        tokio::time::timeout(self.drain_timeout, self.serving.drain())
            .await
            .map_or(Stopped::TimedOut, |()| Stopped::Drained)
    }
}

/// How the server stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stopped {
    /// Everything that was asked is answered.
    Drained,
    /// Some callers did not finish within the drain time.
    TimedOut,
    /// A second signal cut it short.
    AtOnce,
}

/// The open admin port; it closes when this is dropped, after the drain.
#[derive(Debug)]
struct AdminPort {
    bound: listen::Bound,
    _serving: AbortOnDrop,
}

impl AdminPort {
    async fn open(address: &Address, views: admin::Views) -> Result<Self, StartError> {
        let listener = Listener::bind(address).await.map_err(StartError::Admin)?;
        let bound = listener.bound().clone();
        let incoming = stream::unfold(listener, async |listener| {
            Some((listener.accept().await, listener))
        });
        let serving = tokio::spawn(admin::serve(incoming, views));
        Ok(Self {
            bound,
            _serving: AbortOnDrop(serving.abort_handle()),
        })
    }
}

#[derive(Debug)]
struct AbortOnDrop(AbortHandle);

impl Drop for AbortOnDrop {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// An error and its causes on one line.
fn with_causes(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        // Writing to a string does not fail.
        if write!(text, ": {error}").is_err() {
            break;
        }
        cause = error.source();
    }
    text
}

/// The service that Envoy calls, as health and reflection name it.
const AUTHORIZATION: &str = "envoy.service.auth.v3.Authorization";
