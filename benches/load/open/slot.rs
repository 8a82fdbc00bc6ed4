//! A connection that is replaced when it is lost.

use std::io;

use futures_util::FutureExt as _;
use tokio::task::JoinHandle;

use super::call::{Call, Connection, Started};

/// One of the connections of a generator.
pub(super) struct Slot {
    address: String,
    outstanding: usize,
    connection: Connection,
    /// The next one, on its way.
    next: Option<JoinHandle<io::Result<Connection>>>,
}

impl Slot {
    pub(super) async fn open(address: &str, outstanding: usize) -> Self {
        Self {
            address: address.to_owned(),
            outstanding,
            connection: Connection::open(address, outstanding).await,
            next: None,
        }
    }

    /// Sends a call, or nothing when there is no room or no connection right now.
    pub(super) fn start(&mut self, call: &Call) -> Option<Started> {
        if self.connection.has_ended() {
            self.renew();
        }
        self.connection.start(call)
    }

    /// Begins to replace the connection, or does it when the next one is there.
    fn renew(&mut self) {
        let Some(mut next) = self.next.take() else {
            let (address, outstanding) = (self.address.clone(), self.outstanding);
            let next = async move { Connection::try_open(&address, outstanding).await };
            self.next = Some(tokio::spawn(next));
            return;
        };
        match (&mut next).now_or_never() {
            None => self.next = Some(next),
            // Where it failed, the next call begins anew.
            Some(opened) => {
                if let Ok(connection) = opened.unwrap() {
                    self.connection = connection;
                }
            }
        }
    }
}
