//! Waiting until a call is due, more exactly than a runtime's timer does, which counts milliseconds.

use std::{
    sync::{Arc, mpsc},
    thread,
    time::Instant,
};

use tokio::{sync::Notify, task::yield_now};

use crate::{arguments::Arguments, setting::Setting};

/// How the generator waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Pace {
    /// Never sleeps: for a generator with a core of its own.
    Spin,
    /// Sleeps: about 60 µs late, but others can use the core.
    Sleep,
}

impl Pace {
    /// What suits a server that is run like this.
    pub(crate) fn of(arguments: &Arguments, setting: &Setting) -> Self {
        let suiting = if setting.shares() {
            Self::Sleep
        } else {
            Self::Spin
        };
        arguments.pace.unwrap_or(suiting)
    }
}

/// Waits.
pub(super) enum Pacer {
    Spin,
    Sleep(Sleeper),
}

impl Pacer {
    pub(super) fn new(pace: Pace) -> Self {
        match pace {
            Pace::Spin => Self::Spin,
            Pace::Sleep => Self::Sleep(Sleeper::start()),
        }
    }

    /// Lets other tasks run at least once, then until `due`.
    pub(super) async fn until(&self, due: Instant) {
        yield_now().await;
        match self {
            Self::Spin => {
                while Instant::now() < due {
                    yield_now().await;
                }
            }
            Self::Sleep(sleeper) => {
                if Instant::now() < due {
                    sleeper.until(due).await;
                }
            }
        }
    }
}

/// A thread that sleeps on behalf of a task; it ends with this.
pub(super) struct Sleeper {
    orders: mpsc::Sender<Instant>,
    awake: Arc<Notify>,
}

impl Sleeper {
    fn start() -> Self {
        let (orders, taken) = mpsc::channel::<Instant>();
        let awake = Arc::new(Notify::new());
        let wake = Arc::clone(&awake);
        thread::spawn(move || {
            for due in taken {
                thread::sleep(due.saturating_duration_since(Instant::now()));
                wake.notify_one();
            }
        });
        Self { orders, awake }
    }

    async fn until(&self, due: Instant) {
        self.orders.send(due).unwrap();
        self.awake.notified().await;
    }
}
