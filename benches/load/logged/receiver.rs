//! Where records are posted to: a server that takes them, takes its time, refuses them or is not there.

use std::{net::SocketAddr, thread, time::Duration};

use axum::{Router, body::Bytes, http::StatusCode};
use tokio::{net::TcpListener, sync::oneshot};

use crate::client::runtime;

/// How it behaves.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Manner {
    Healthy,
    Slow,
    Failing,
    Absent,
}

impl Manner {
    pub(crate) const ALL: [Self; 4] = [Self::Healthy, Self::Slow, Self::Failing, Self::Absent];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Healthy => "healthy",
            Self::Slow => "slow",
            Self::Failing => "failing",
            Self::Absent => "absent",
        }
    }
}

/// A server on a thread of its own; gone when this is dropped.
pub(crate) struct Receiver {
    address: SocketAddr,
    _stop: oneshot::Sender<()>,
}

impl Receiver {
    pub(crate) fn start(manner: Manner) -> Self {
        let (stop, stopped) = oneshot::channel::<()>();
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        let address = listener.local_addr().unwrap();
        if manner != Manner::Absent {
            thread::spawn(move || {
                runtime().block_on(async move {
                    let listener = TcpListener::from_std(listener).unwrap();
                    let app = Router::new().fallback(move |_: Bytes| answer(manner));
                    let serving = axum::serve(listener, app);
                    tokio::select! {
                        served = serving => served.unwrap(),
                        _ = stopped => {}
                    }
                });
            });
        }
        Self {
            address,
            _stop: stop,
        }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }
}

async fn answer(manner: Manner) -> StatusCode {
    match manner {
        Manner::Healthy => StatusCode::OK,
        Manner::Slow => {
            tokio::time::sleep(Duration::from_secs(3)).await;
            StatusCode::OK
        }
        // Absent: nobody asks.
        Manner::Failing | Manner::Absent => StatusCode::INTERNAL_SERVER_ERROR,
    }
}
