//! The gRPC service: so many watchers at once, each with its own stream.

use std::{sync::Arc, time::Duration};

use futures_util::stream::{self, BoxStream, StreamExt as _};
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    task::spawn_blocking,
};
use tonic::{Request, Response, Status};

use super::{
    filter::{Filter, InvalidFilter},
    proto::{
        ObserveRequest, ObserveResponse, observe_response,
        observer_server::{Observer, ObserverServer},
    },
    reader::{Asked, Event, Reader},
    ring::{Options, Readers, Ring},
};
use crate::telemetry::{
    Metrics,
    metrics::{Observe, Watching},
    recorder::Interest,
};

/// Answers those who want to see decisions.
#[derive(Clone, Debug)]
pub struct Observers {
    readers: Readers,
    places: Arc<Semaphore>,
    metrics: Observe,
}

impl Observers {
    /// The ring, for the recorder, and who answers from it.
    pub fn new(options: Options, interest: &Interest, metrics: &Metrics) -> (Ring, Self) {
        let (ring, readers) = Ring::new(options, interest);
        let observers = Self {
            readers,
            places: Arc::new(Semaphore::new(MOST_WATCHERS)),
            metrics: metrics.observe().clone(),
        };
        (ring, observers)
    }

    /// As a service of a gRPC port.
    pub fn service(self) -> ObserverServer<Self> {
        ObserverServer::new(self).max_decoding_message_size(LARGEST_REQUEST)
    }
}

#[tonic::async_trait]
impl Observer for Observers {
    type ObserveStream = BoxStream<'static, Result<ObserveResponse, Status>>;

    async fn observe(
        &self,
        request: Request<ObserveRequest>,
    ) -> Result<Response<Self::ObserveStream>, Status> {
        let asked = asked(&request.into_inner())
            .map_err(|invalid| Status::invalid_argument(invalid.to_string()))?;
        let place = Arc::clone(&self.places).try_acquire_owned();
        let place = place.map_err(|_full| {
            let text = format!("{MOST_WATCHERS} are watching already");
            Status::resource_exhausted(text)
        })?;
        let watching = self.metrics.watch();
        let (readers, metrics) = (self.readers.clone(), self.metrics.clone());
        let reader = spawn_blocking(move || Reader::new(readers, asked, metrics)).await;
        let reader = reader.map_err(|_| Status::internal("internal error"))?;
        let watcher = Watcher {
            reader,
            _watching: watching,
            _place: place,
        };
        let events = stream::unfold(watcher, async |mut watcher| {
            let event = watcher.reader.next().await?;
            Some((response(event), watcher))
        });
        Ok(Response::new(events.boxed()))
    }
}

/// A reader that holds a place.
struct Watcher {
    reader: Reader,
    _watching: Watching,
    _place: OwnedSemaphorePermit,
}

fn asked(request: &ObserveRequest) -> Result<Asked, InvalidFilter> {
    let filter = request.filter.as_ref().map(Filter::of).transpose()?;
    Ok(Asked {
        since: request.since.as_ref().map(since_epoch).unwrap_or_default(),
        last: request.last.map_or(usize::MAX, |last| {
            usize::try_from(last).unwrap_or(usize::MAX)
        }),
        follow: request.follow,
        filter: filter.unwrap_or_default(),
    })
}

/// A time before 1970 is before everything.
fn since_epoch(at: &prost_types::Timestamp) -> Duration {
    let seconds = u64::try_from(at.seconds).unwrap_or_default();
    let nanoseconds = u64::try_from(at.nanos).unwrap_or_default();
    Duration::from_secs(seconds).saturating_add(Duration::from_nanos(nanoseconds))
}

fn response(event: Event) -> Result<ObserveResponse, Status> {
    let event = match event {
        Event::Decision(decision) => observe_response::Event::Decision(decision.message()),
        Event::Lost(count) => observe_response::Event::Lost(count),
        Event::Ended => return Err(Status::unavailable("the gate is stopping")),
    };
    Ok(ObserveResponse { event: Some(event) })
}

/// Most who watch at the same time.
const MOST_WATCHERS: usize = 16;
/// Largest request in bytes: a filter of the largest kind, with room.
const LARGEST_REQUEST: usize = 64 * 1024;
