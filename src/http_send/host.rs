//! The hosts that are allowed, each with its breaker and its share of what may be under way.

use std::{
    collections::HashMap,
    sync::Arc,
    time::{Duration, Instant},
};

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
use crate::{
    median::Median,
    telemetry::{
        Metrics,
        http_send::{BreakerClosed, BreakerOpened, HostAllowed},
    },
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
    usual: Median,
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
                usual: Median::default(),
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
    /// Notes how long a response took.
    pub(super) fn took(&self, duration: Duration) {
        self.usual.note(duration);
    }

    /// Room for one more request that has time until then. Who finds none waits in line, and leaves it
    /// when less time is left than the host usually takes: others behind may have more.
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
        let latest = until.checked_sub(self.usual.get()).unwrap_or(until);
        // Looks for room before it looks at the time.
        let entered = timeout_at(latest.into(), entering).await.ok().flatten();
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

#[cfg(test)]
mod tests {
    use std::pin::pin;

    use futures_util::{FutureExt as _, poll};

    use super::*;

    #[tokio::test]
    async fn who_finds_no_room_waits_while_more_time_is_left_than_the_host_takes() {
        let origin = Origin::of_entry("http://a.b").unwrap().remove(0);
        let options = Options {
            allow: vec![origin.clone()],
            max_in_flight_per_host: 1,
            ..Options::default()
        };
        let hosts = Hosts::new(&options, &Metrics::new(None));
        let host = hosts.of(&origin).unwrap();
        host.took(Duration::from_secs(1));
        let in_time = |millis| Instant::now() + Duration::from_millis(millis);
        // Where there is room nobody is turned away.
        let permit = host.enter(&hosts, in_time(500)).now_or_never();
        let permit = permit.unwrap().unwrap();
        let turned_away = host.enter(&hosts, in_time(500)).now_or_never();
        assert!(matches!(turned_away, Some(Err(SendError::Overloaded(_)))));
        let mut waits = pin!(host.enter(&hosts, in_time(60_000)));
        assert!(poll!(&mut waits).is_pending());
        drop(permit);
        assert!(waits.await.is_ok());
    }
}
