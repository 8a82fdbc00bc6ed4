//! Real servers on free ports, real clients, and certificates made on the spot.

pub(crate) mod certificates;
pub(crate) mod client;

use std::{
    collections::BTreeMap,
    future::Future,
    net::SocketAddr,
    sync::{Arc, atomic::AtomicBool, atomic::Ordering},
    time::Duration,
};

use portcullis::{
    admin::{Health, Views},
    app::{App, ServerOptions, StartError, Stopped, counts::Counts, listen::Bound, tls},
    check::CheckService,
    ready::Ready,
    shutdown::{self, Trigger},
};
use serde_json::json;
use tokio::{sync::watch, task::JoinHandle};

/// A server that answers.
pub(crate) struct Running {
    pub(crate) grpc: Bound,
    pub(crate) admin: SocketAddr,
    pub(crate) ready: Ready,
    pub(crate) stop: Trigger,
    pub(crate) counts: Arc<Counts>,
    pub(crate) certificate: Option<watch::Receiver<tls::Status>>,
    serving: JoinHandle<Stopped>,
}

impl Running {
    /// Starts a server with what `change` makes of [`options`].
    pub(crate) async fn start(change: impl FnOnce(&mut ServerOptions)) -> Self {
        let mut options = options();
        change(&mut options);
        Self::try_start(options).await.unwrap()
    }

    pub(crate) async fn try_start(options: ServerOptions) -> Result<Self, StartError> {
        let ready = Ready::new();
        let app = App::start(options, views(ready.clone())).await?;
        let admin = tcp(app.admin().unwrap());
        let counts = app.counts();
        let bound = app.listen(check_service()).await?;
        let (stop, stopping) = shutdown::channel();
        Ok(Self {
            grpc: bound.grpc().clone(),
            admin,
            ready,
            stop,
            counts,
            certificate: bound.certificate(),
            serving: tokio::spawn(bound.run(stopping)),
        })
    }

    /// Waits for the end of the server.
    pub(crate) async fn stopped(self) -> Stopped {
        soon(self.serving).await.unwrap()
    }
}

/// The service that the servers of these tests answer with.
pub(crate) fn check_service() -> CheckService {
    CheckService::default()
}

/// Free ports on the loopback interface, no grace.
pub(crate) fn options() -> ServerOptions {
    ServerOptions {
        listen: "127.0.0.1:0".parse().unwrap(),
        admin: Some("127.0.0.1:0".parse().unwrap()),
        grace: Duration::ZERO,
        ..ServerOptions::default()
    }
}

/// Views with something to recognise in each.
pub(crate) fn views(ready: Ready) -> Views {
    views_with_bundles(ready, Arc::new(AtomicBool::new(true)))
}

/// The bundle, and the plugin `bundle` with it, is active while `active` says so.
pub(crate) fn views_with_bundles(ready: Ready, active: Arc<AtomicBool>) -> Views {
    Views {
        ready,
        health: Arc::new(move || {
            let up = active.load(Ordering::SeqCst);
            Health {
                bundles_activated: up,
                plugins: BTreeMap::from([
                    ("bundle".to_owned(), up),
                    ("envoy_ext_authz_grpc".to_owned(), true),
                ]),
            }
        }),
        metrics: Arc::new(|| "# EOF\n".to_owned()),
        policy: Arc::new(|| json!({"revision": "r1"})),
        config: json!({"listen": ":9191"}),
        version: json!({"version": "0.0.0"}),
    }
}

pub(crate) fn tcp(bound: &Bound) -> SocketAddr {
    match bound {
        Bound::Tcp(address) => *address,
        Bound::Unix(_) | Bound::Abstract(_) => panic!("`{bound}` is not a TCP address"),
    }
}

/// Fails a test that would hang.
pub(crate) async fn soon<F: Future>(future: F) -> F::Output {
    tokio::time::timeout(Duration::from_secs(20), future)
        .await
        .expect("within twenty seconds")
}
