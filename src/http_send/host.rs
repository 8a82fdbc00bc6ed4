//! The hosts that are allowed, each with its breaker and its share of what may be under way.

use std::{collections::HashMap, sync::Arc, time::Instant};

use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    time::timeout_at,
};

use super::{
    Options,
    allow::Origin,
    breaker::{Breaker, Change},
    error::SendError,
};
use crate::telemetry::{
    Metrics,
    http_send::{BreakerClosed, BreakerOpened, HostAllowed},
};

/// All hosts, and room for requests in all.
#[derive(Debug)]
pub(super) struct Hosts {
    hosts: HashMap<Origin, Arc<Host>>,
    room: Arc<Semaphore>,
}

/// One host.
#[derive(Debug)]
pub(super) struct Host {
    pub(super) origin: Origin,
    pub(super) breaker: Arc<Breaker>,
    room: Arc<Semaphore>,
}

/// A request under way, for as long as this lives.
#[derive(Debug)]
pub(super) struct Permit {
    _own: OwnedSemaphorePermit,
    _all: OwnedSemaphorePermit,
}

impl Hosts {
    pub(super) fn new(options: &Options, metrics: &Metrics) -> Self {
        let host = |origin: &Origin| {
            let name = origin.to_string();
            HostAllowed { host: &name }.emit(metrics);
            let host = Host {
                origin: origin.clone(),
                breaker: Arc::new(Breaker::new(options.breaker)),
                room: Arc::new(Semaphore::new(options.max_in_flight_per_host)),
            };
            (origin.clone(), Arc::new(host))
        };
        Self {
            hosts: options.allow.iter().map(host).collect(),
            room: Arc::new(Semaphore::new(options.max_in_flight)),
        }
    }

    /// The host with this origin, if it is allowed.
    pub(super) fn of(&self, origin: &Origin) -> Result<&Arc<Host>, SendError> {
        let host = self.hosts.get(origin);
        host.ok_or_else(|| SendError::NotAllowed(origin.to_string()))
    }
}

impl Host {
    /// Waits for room for one more request, at most until then.
    pub(super) async fn enter(&self, hosts: &Hosts, until: Instant) -> Result<Permit, SendError> {
        let entering = async {
            // The host's own first: who waits for a slow host takes no room from the others.
            let own = Arc::clone(&self.room).acquire_owned().await.ok()?;
            let all = Arc::clone(&hosts.room).acquire_owned().await.ok()?;
            Some(Permit {
                _own: own,
                _all: all,
            })
        };
        let entered = timeout_at(until.into(), entering).await.ok().flatten();
        entered.ok_or_else(|| SendError::Overloaded(self.origin.to_string()))
    }

    /// Tells what has become of the breaker.
    pub(super) fn changed(
        &self,
        change: Option<Change>,
        error: Option<&SendError>,
        metrics: &Metrics,
    ) {
        let host = self.origin.to_string();
        match (change, error) {
            (Some(Change::Opened), Some(error)) => {
                BreakerOpened { host: &host, error }.emit(metrics);
            }
            (Some(Change::Closed), _) => BreakerClosed { host: &host }.emit(metrics),
            (Some(Change::Opened) | None, _) => {}
        }
    }
}
