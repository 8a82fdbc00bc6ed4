//! The composition around the line of a check: listeners, TLS, health, reflection, admin, shutdown.
//!
//! [`App::start`] opens the admin port, where `/readyz` tells what is pending; [`App::listen`] opens
//! the gRPC port and is called once a policy is active; [`Bound::run`] serves until a stop is asked
//! for and then goes step by step: not ready, grace, GOAWAY, drain, end.

pub mod build;
pub mod discovery;
pub mod listen;
pub mod observe;
pub mod raw;
pub mod tls;

mod counted;
mod health;
mod memory;
mod patience;
mod reflection;
mod route;
mod serve;
mod told;
mod unary;

pub(crate) use told::redaction;

use std::sync::Arc;

use futures_util::stream;
use tokio_util::task::AbortOnDropHandle;

use self::{
    listen::{BindError, Listener},
    route::Routes,
    serve::{Context, Serving},
    tls::{FilesError, Tls},
};
use crate::{
    admin,
    check::CheckService,
    config::{Config, ListenAddr, Shutdown},
    ready::{Pending, Ready},
    shutdown::Watch,
    telemetry::{Metrics, ServerDraining, ServerStarted, ServerStopped},
};

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
    Tls(#[from] FilesError),
    /// The port that shows decisions.
    #[error("the port that shows decisions cannot be opened")]
    Observe(#[from] observe::OpenError),
    /// The embedded descriptors of reflection.
    #[error("reflection cannot be set up")]
    Reflection(#[from] tonic_reflection::server::Error),
}

/// A server whose admin port is open, and whose gRPC port is not yet.
#[derive(Debug)]
pub struct App<'c> {
    config: &'c Config,
    ready: Ready,
    listening: Pending,
    tls: Option<Tls>,
    admin: AdminPort,
    metrics: Arc<Metrics>,
}

impl<'c> App<'c> {
    /// Loads the certificate and opens the admin port, which shows `views`. What happens to
    /// connections is counted in `metrics`.
    pub async fn start(
        config: &'c Config,
        views: admin::Views,
        metrics: Arc<Metrics>,
    ) -> Result<Self, StartError> {
        let ready = views.ready.clone();
        let listening = ready.register("listener");
        let tls = config.portcullis.tls.clone();
        let tls = tls.map(|tls| Tls::load(tls, &metrics)).transpose()?;
        let admin = AdminPort::open(&config.portcullis.admin.addr, views).await?;
        Ok(Self {
            config,
            ready,
            listening,
            tls,
            admin,
            metrics,
        })
    }

    /// Where the admin endpoints are really served.
    pub fn admin(&self) -> &listen::Bound {
        &self.admin.bound
    }

    /// Opens the gRPC port. To be called once a policy is active: before, a connection refused is
    /// the only answer that nobody can take for a yes.
    pub async fn listen(self, check: CheckService) -> Result<Bound, StartError> {
        let (plugin, ours) = (&self.config.plugin, &self.config.portcullis);
        let routes = Routes::new(
            check,
            self.ready.clone(),
            Arc::clone(&self.metrics),
            plugin.max_recv_msg_size,
            plugin.enable_reflection,
        )?;
        let listener = Listener::bind(&plugin.addr)
            .await
            .map_err(StartError::Grpc)?;
        let grpc = listener.bound().clone();
        let context = Context::new(
            routes,
            self.tls.as_ref().map(Tls::acceptor),
            ours.http2,
            ours.shutdown.drain_timeout,
            Arc::clone(&self.metrics),
        );
        let serving = Serving::start(listener, context);
        let metrics = self.metrics;
        let reload = self
            .tls
            .map(|tls| AbortOnDropHandle::new(tokio::spawn(tls.keep_fresh(metrics))));
        self.listening.done();
        Ok(Bound {
            grpc,
            admin: self.admin,
            ready: self.ready,
            serving,
            shutdown: ours.shutdown,
            _reload: reload,
        })
    }
}

/// A server that answers checks.
#[derive(Debug)]
pub struct Bound {
    grpc: listen::Bound,
    admin: AdminPort,
    ready: Ready,
    serving: Serving,
    shutdown: Shutdown,
    _reload: Option<AbortOnDropHandle<()>>,
}

impl Bound {
    /// Where checks are really answered.
    pub fn grpc(&self) -> &listen::Bound {
        &self.grpc
    }

    /// Where the admin endpoints are really served.
    pub fn admin(&self) -> &listen::Bound {
        &self.admin.bound
    }

    /// Says where it serves, serves until a stop is asked for, and stops. A stop at once cuts every
    /// step short.
    pub async fn run(self, mut stop: Watch) -> Stopped {
        ServerStarted {
            grpc: &self.grpc.to_string(),
            admin: &self.admin.bound.to_string(),
        }
        .emit();
        let mut at_once = stop.clone();
        stop.asked().await;
        let stopped = tokio::select! {
            biased;
            () = at_once.asked_at_once() => Stopped::AtOnce,
            stopped = self.stop() => stopped,
        };
        let cut_off = match stopped {
            Stopped::Drained => 0,
            Stopped::TimedOut | Stopped::AtOnce => self.serving.abort(),
        };
        ServerStopped { cut_off }.emit();
        stopped
    }

    async fn stop(&self) -> Stopped {
        let Shutdown {
            grace,
            drain_timeout,
        } = self.shutdown;
        ServerDraining { grace }.emit();
        self.ready.drain();
        tokio::time::sleep(grace).await;
        tokio::time::timeout(drain_timeout, self.serving.drain())
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
    _serving: AbortOnDropHandle<()>,
}

impl AdminPort {
    async fn open(address: &ListenAddr, views: admin::Views) -> Result<Self, StartError> {
        let listener = Listener::bind(address).await.map_err(StartError::Admin)?;
        let bound = listener.bound().clone();
        let incoming = stream::unfold(listener, async |listener| {
            Some((listener.accept().await, listener))
        });
        let serving = tokio::spawn(admin::serve(incoming, views));
        Ok(Self {
            bound,
            _serving: AbortOnDropHandle::new(serving),
        })
    }
}

/// The service that Envoy calls, as health and reflection name it.
const AUTHORIZATION: &str = "envoy.service.auth.v3.Authorization";
