//! Stopping: who asks for it, and who waits for the request.
//!
//! The first SIGTERM or SIGINT asks for a graceful stop, the second one for a stop at once. What
//! happens in between (not ready, grace, GOAWAY, drain) is the business of `app`.

use std::{io, sync::Arc};

use tokio::{
    signal::unix::{SignalKind, signal},
    sync::watch,
};

/// A trigger and its watch: nothing has been asked for yet.
pub fn channel() -> (Trigger, Watch) {
    let (sender, receiver) = watch::channel(Phase::Running);
    (Trigger(Arc::new(sender)), Watch(receiver))
}

/// How far the stop has been asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Phase {
    Running,
    Graceful,
    AtOnce,
}

/// Asks for a stop; clones ask on behalf of the same process.
#[derive(Clone, Debug)]
pub struct Trigger(Arc<watch::Sender<Phase>>);

impl Trigger {
    /// Asks for a graceful stop.
    pub fn graceful(&self) {
        self.raise_to(Phase::Graceful);
    }

    /// Asks for a stop without waiting for anything.
    pub fn at_once(&self) {
        self.raise_to(Phase::AtOnce);
    }

    /// Asks for a graceful stop on the first SIGTERM or SIGINT and for a stop at once on the
    /// second. Returns after the second; fails when the handlers cannot be installed.
    pub async fn on_signals(&self) -> io::Result<()> {
        let mut terminate = signal(SignalKind::terminate())?;
        let mut interrupt = signal(SignalKind::interrupt())?;
        for stop in [Self::graceful, Self::at_once] {
            tokio::select! {
                _ = terminate.recv() => (),
                _ = interrupt.recv() => (),
            }
            stop(self);
        }
        Ok(())
    }

    /// A stop that was asked for is never taken back.
    fn raise_to(&self, phase: Phase) {
        self.0.send_if_modified(|current| {
            let higher = phase > *current;
            if higher {
                *current = phase;
            }
            higher
        });
    }
}

/// Waits for a stop to be asked for.
#[derive(Clone, Debug)]
pub struct Watch(watch::Receiver<Phase>);

impl Watch {
    /// Waits until a stop of either kind is asked for.
    pub async fn asked(&mut self) {
        self.reached(Phase::Graceful).await;
    }

    /// Waits until a stop at once is asked for.
    pub async fn asked_at_once(&mut self) {
        self.reached(Phase::AtOnce).await;
    }

    /// When every trigger is gone nobody can ask any more, so this waits for ever.
    async fn reached(&mut self, phase: Phase) {
        if self.0.wait_for(|current| *current >= phase).await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt as _;

    use super::*;

    #[test]
    fn nothing_stops_before_it_is_asked_for() {
        let (_trigger, mut watch) = channel();
        assert!(watch.asked().now_or_never().is_none());
    }

    #[test]
    fn a_graceful_stop_is_not_a_stop_at_once() {
        let (trigger, mut watch) = channel();
        trigger.graceful();
        assert!(watch.asked().now_or_never().is_some());
        assert!(watch.asked_at_once().now_or_never().is_none());
    }

    #[test]
    fn a_stop_at_once_is_not_taken_back() {
        let (trigger, mut watch) = channel();
        trigger.at_once();
        trigger.graceful();
        assert!(watch.asked_at_once().now_or_never().is_some());
    }

    #[tokio::test]
    async fn the_first_signal_is_graceful_and_the_second_is_not() {
        let (trigger, mut watch) = channel();
        let mut again = watch.clone();
        let send = |signal: &str| {
            let own = std::process::id().to_string();
            let sent = std::process::Command::new("kill")
                .args([signal, &own])
                .status();
            assert!(sent.unwrap().success());
        };
        // The handlers are installed by the first poll, before anything is sent.
        let (handled, ()) = tokio::join!(trigger.on_signals(), async {
            send("-TERM");
            watch.asked().await;
            assert!(again.asked_at_once().now_or_never().is_none());
            send("-INT");
            watch.asked_at_once().await;
        });
        handled.unwrap();
    }

    #[test]
    fn a_lost_trigger_is_not_a_stop() {
        let (trigger, mut watch) = channel();
        drop(trigger);
        assert!(watch.asked().now_or_never().is_none());
    }
}
