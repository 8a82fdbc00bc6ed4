//! Callers that ask through Envoy without a pause, for what is open and for what is closed, and accept
//! no other answer unless they are told that it may fail.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use tokio::{sync::watch, task::JoinHandle};

use crate::soon;

/// What gates decide by that are asked by [`Callers`]. Takes long enough that a check is always being
/// worked on.
pub(crate) const POLICY: &str = r#"package envoy.authz

default allow := false

allow if {
	input.parsed_path[0] == "open"
	count([x | some x in numbers.range(1, 500); x % 7 == 0]) == 71
}
"#;

/// What may be answered at the moment.
#[derive(Clone, Copy, PartialEq)]
enum Phase {
    /// What the policy says, and nothing else.
    Sound,
    /// That, or 503: the gate that was asked is gone.
    Broken,
    /// The load ends.
    Over,
}

/// Callers with a connection each, who ask for what is open and for what is closed in turns.
pub(crate) struct Callers {
    phase: watch::Sender<Phase>,
    answered: Arc<AtomicUsize>,
    tasks: Vec<JoinHandle<Told>>,
}

/// What callers were told.
#[derive(Default)]
pub(crate) struct Told {
    pub(crate) allowed: usize,
    pub(crate) denied: usize,
    pub(crate) failed: usize,
}

impl Callers {
    /// Callers of this port, who accept no failure.
    pub(crate) fn of(port: u16) -> Self {
        let (phase, now) = watch::channel(Phase::Sound);
        let answered = Arc::default();
        let url = format!("http://127.0.0.1:{port}");
        let tasks = (0..CALLERS)
            .map(|_| tokio::spawn(call(url.clone(), now.clone(), Arc::clone(&answered))))
            .collect();
        Self {
            phase,
            answered,
            tasks,
        }
    }

    /// From now on 503 is an answer: the gate that was asked may be gone.
    pub(crate) fn may_fail(&self) {
        self.phase.send_replace(Phase::Broken);
    }

    /// From now on nothing may fail any more.
    pub(crate) fn may_not_fail(&self) {
        self.phase.send_replace(Phase::Sound);
    }

    /// Waits until `more` requests are answered.
    pub(crate) async fn goes_on(&self, more: usize) {
        let until = self.answered.load(Ordering::SeqCst) + more;
        let enough = async {
            while self.answered.load(Ordering::SeqCst) < until {
                assert!(self.tasks.iter().all(|caller| !caller.is_finished()));
                tokio::task::yield_now().await;
            }
        };
        soon(enough).await;
    }

    /// Ends them; what they were told.
    pub(crate) async fn end(self) -> Told {
        self.phase.send_replace(Phase::Over);
        let mut told = Told::default();
        for caller in self.tasks {
            let of_caller = soon(caller).await.unwrap();
            told.allowed += of_caller.allowed;
            told.denied += of_caller.denied;
            told.failed += of_caller.failed;
        }
        told
    }
}

async fn call(url: String, phase: watch::Receiver<Phase>, answered: Arc<AtomicUsize>) -> Told {
    let builder = reqwest::Client::builder().no_proxy().http1_only();
    let client = builder.build().unwrap();
    let mut told = Told::default();
    loop {
        for (path, expected) in [("/open", 200), ("/closed", 403)] {
            let before = *phase.borrow();
            if before == Phase::Over {
                return told;
            }
            let answer = soon(client.get(format!("{url}{path}")).send())
                .await
                .unwrap();
            let status = answer.status().as_u16();
            answer.bytes().await.unwrap();
            // It may have been broken when this was asked, or only when it was answered.
            let broken = [before, *phase.borrow()].contains(&Phase::Broken);
            if status == 503 && broken {
                told.failed += 1;
            } else {
                assert_eq!(status, expected, "{path}");
                told.allowed += usize::from(status == 200);
                told.denied += usize::from(status == 403);
            }
            answered.fetch_add(1, Ordering::SeqCst);
        }
    }
}

/// How many there are.
pub(crate) const CALLERS: usize = 6;
