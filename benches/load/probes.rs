//! Health checks beside a load: on a connection of their own, ten a second, each with a second to be
//! answered, as a kubelet gives it.

use std::{
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use tokio::{task::JoinHandle, time::interval};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::open::{Call, Connection, Tally, Took};

const EVERY: Duration = Duration::from_millis(100);
const PATIENCE: Duration = Duration::from_secs(1);

/// Probes that are on their way until they are stopped.
pub(crate) struct Probes {
    stop: CancellationToken,
    task: JoinHandle<Tally>,
}

impl Probes {
    pub(crate) async fn start(address: &str) -> Self {
        let stop = CancellationToken::new();
        let connection = Connection::open(address, 64).await;
        let task = tokio::spawn(probe(connection, stop.clone()));
        Self { stop, task }
    }

    /// What became of them; allowed is who was serving.
    pub(crate) async fn stop(self) -> Tally {
        self.stop.cancel();
        self.task.await.unwrap()
    }
}

async fn probe(mut connection: Connection, stop: CancellationToken) -> Tally {
    let began = Instant::now();
    let call = Call::health(PATIENCE);
    let tally = Arc::new(Mutex::new(Tally::new(Duration::ZERO)));
    let tasks = TaskTracker::new();
    let mut turns = interval(EVERY);
    while stop.run_until_cancelled(turns.tick()).await.is_some() {
        let Some(started) = connection.start(&call) else {
            tally.lock().unwrap().full += 1;
            continue;
        };
        let (tally, sent) = (Arc::clone(&tally), Instant::now());
        tasks.spawn(async move {
            let answer = started.answer().await;
            let took = Took {
                latency: sent.elapsed(),
                on_the_way: sent.elapsed(),
                into_window: began.elapsed(),
            };
            tally.lock().unwrap().answered(&answer, took);
        });
    }
    tasks.close();
    tasks.wait().await;
    let mut tally = Arc::into_inner(tally).unwrap().into_inner().unwrap();
    tally.window = began.elapsed();
    tally
}
