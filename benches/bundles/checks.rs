//! Checks without end on a thread of their own, and how long each of them took.

use std::{
    collections::HashMap,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
        mpsc,
    },
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use envoy_types::pb::envoy::service::auth::v3::{
    AttributeContext, CheckRequest,
    attribute_context::{HttpRequest, Request},
};
use hdrhistogram::Histogram;
use portcullis::{
    check::{Active, Callers, budget, decide},
    clock::Clock,
    decision::Decision,
    policy::Externals,
    request::RequestView,
    snapshot::Snapshot,
};
use prost::Message as _;

use crate::archive::name;

/// Long enough that a busy machine changes no answer.
const PATIENT: budget::Options = budget::Options {
    budget: Duration::from_mins(1),
    reply_margin: Duration::ZERO,
    instructions: 10_000_000,
    memory: 64 * 1024 * 1024,
};

/// A check of the user `name`, as wire bytes.
pub(crate) fn request(name: &str, path: &str) -> Vec<u8> {
    let http = HttpRequest {
        method: "GET".to_owned(),
        path: path.to_owned(),
        host: "shop.example.com".to_owned(),
        headers: HashMap::from([("x-user".to_owned(), name.to_owned())]),
        ..HttpRequest::default()
    };
    let request = Request {
        http: Some(http),
        ..Request::default()
    };
    let attributes = AttributeContext {
        request: Some(request),
        ..AttributeContext::default()
    };
    CheckRequest {
        attributes: Some(attributes),
    }
    .encode_to_vec()
}

/// Decides once and asserts the answer.
pub(crate) fn check(active: &Active, callers: &Callers, request: &[u8], allowed: bool) {
    let mut budget = budget::Budget::offline(&PATIENT, Clock::System);
    let view = RequestView::parse(request).unwrap();
    let mut externals = Externals::default();
    let decided = decide(active, callers, &view, &mut externals, &mut budget);
    assert_eq!(matches!(decided.outcome, Ok(Decision::Allow(_))), allowed);
}

/// The thread.
pub(crate) struct Load {
    phase: Arc<AtomicUsize>,
    stopped: Arc<AtomicBool>,
    thread: JoinHandle<Vec<Histogram<u64>>>,
}

impl Load {
    /// Checks users among `entries` by whatever is active.
    pub(crate) fn start(active: Snapshot<Active>, entries: usize, phases: usize) -> Self {
        let phase = Arc::new(AtomicUsize::new(0));
        let stopped = Arc::new(AtomicBool::new(false));
        let (now, stop) = (Arc::clone(&phase), Arc::clone(&stopped));
        let (ready, is_ready) = mpsc::channel();
        let thread = thread::spawn(move || {
            let callers = Callers::default();
            let mut requests: Vec<_> = (0..8_192)
                .map(|at| (request(&name(at * 7_919 % entries), "/"), true))
                .collect();
            requests.push((request("nobody", "/"), false));
            let mut times = vec![Histogram::new(3).unwrap(); phases];
            ready.send(()).unwrap();
            for (request, allowed) in requests.iter().cycle() {
                if stop.load(Ordering::Relaxed) {
                    break;
                }
                let began = Instant::now();
                check(
                    active.load().as_deref().unwrap(),
                    &callers,
                    request,
                    *allowed,
                );
                let took = began.elapsed().as_nanos().try_into().unwrap();
                times[now.load(Ordering::Relaxed)].record(took).unwrap();
            }
            times
        });
        is_ready.recv().unwrap();
        Self {
            phase,
            stopped,
            thread,
        }
    }

    /// From now on times count for this phase.
    pub(crate) fn enter(&self, phase: usize) {
        self.phase.store(phase, Ordering::Relaxed);
    }

    /// The times of each phase, in nanoseconds.
    pub(crate) fn stop(self) -> Vec<Histogram<u64>> {
        self.stopped.store(true, Ordering::Relaxed);
        self.thread.join().unwrap()
    }
}
