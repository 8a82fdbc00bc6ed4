//! A closed loop over the same connections: how much a server can do when it is never idle.

use std::{
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use super::{Call, Connection, Tally};

/// `clients` on each of as many new connections, each with one check after the other until the
/// `window` is over.
pub(crate) async fn closed_loop(
    address: &str,
    (connections, clients): (usize, usize),
    call: &Call,
    window: Duration,
) -> Tally {
    let tally = Arc::new(Mutex::new(Tally::new(window)));
    let mut opened = Vec::new();
    for _ in 0..connections {
        opened.push(Connection::open(address, clients).await);
    }
    let end = Instant::now() + window;
    let mut loops = Vec::new();
    for connection in opened {
        for _ in 0..clients {
            let client = client(connection.clone(), call.clone(), end, Arc::clone(&tally));
            loops.push(tokio::spawn(client));
        }
    }
    for client in loops {
        client.await.unwrap();
    }
    Arc::into_inner(tally).unwrap().into_inner().unwrap()
}

async fn client(mut connection: Connection, call: Call, end: Instant, tally: Arc<Mutex<Tally>>) {
    while Instant::now() < end {
        let began = Instant::now();
        // There is no room until the other end has closed the stream before, too.
        if let Some(started) = connection.start(&call) {
            let answer = started.answer().await;
            let took = began.elapsed();
            tally.lock().unwrap().answered(&answer, took, took);
        }
        tokio::task::yield_now().await;
    }
}
