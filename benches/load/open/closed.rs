//! A closed loop over the same connections: how much a server can do when it is never idle.

use std::{
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use super::{Call, Connection, Tally, Took};

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
    let began = Instant::now();
    let mut loops = Vec::new();
    for connection in opened {
        for _ in 0..clients {
            let tally = Arc::clone(&tally);
            let client = client(connection.clone(), call.clone(), began, tally);
            loops.push(tokio::spawn(client));
        }
    }
    for client in loops {
        client.await.unwrap();
    }
    Arc::into_inner(tally).unwrap().into_inner().unwrap()
}

async fn client(mut connection: Connection, call: Call, began: Instant, tally: Arc<Mutex<Tally>>) {
    let window = tally.lock().unwrap().window;
    while began.elapsed() < window {
        let sent = Instant::now();
        // There is no room until the other end has closed the stream before, too.
        if let Some(started) = connection.start(&call) {
            let answer = started.answer().await;
            let took = Took {
                latency: sent.elapsed(),
                on_the_way: sent.elapsed(),
                into_window: began.elapsed(),
            };
            tally.lock().unwrap().answered(&answer, took);
        }
        tokio::task::yield_now().await;
    }
}
