//! Callers that ask all the time while something changes, and accept no failure meanwhile.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use tokio::task::JoinHandle;

use crate::{Mesh, client::Caller};

/// Callers that go on until they are stopped and accept nothing but an allow.
pub(crate) struct Load {
    stop: Arc<AtomicBool>,
    workers: Vec<JoinHandle<Vec<Answer>>>,
}

/// What one request was answered.
pub(crate) struct Answer {
    /// The policy's number, which its data has too.
    pub(crate) version: usize,
    /// The decision id, where the gate is configured to send it.
    pub(crate) decision_id: Option<String>,
}

/// The response header that brings the decision id, when `portcullis.decision_id_header` says so.
pub(crate) const DECISION_ID: &str = "x-decision-id";

impl Load {
    /// Four callers of `/open`.
    pub(crate) fn on(mesh: &Mesh) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let client = mesh.client(&Caller::Workload("sleep"));
        let url = mesh.url(&Caller::Workload("sleep"), "inbound", "/open");
        let workers = (0..4)
            .map(|_| tokio::spawn(call(client.clone(), url.clone(), Arc::clone(&stop))))
            .collect();
        Self { stop, workers }
    }

    /// Ends the load; the answers, all of which were allows.
    pub(crate) async fn end(self) -> Vec<Answer> {
        self.stop.store(true, Ordering::Relaxed);
        let mut answers = Vec::new();
        for worker in self.workers {
            let of_worker = worker.await.unwrap();
            assert!(!of_worker.is_empty(), "a worker sent nothing");
            answers.extend(of_worker);
        }
        answers
    }
}

/// No answer is older than the one before, and none mixes two versions.
async fn call(client: reqwest::Client, url: String, stop: Arc<AtomicBool>) -> Vec<Answer> {
    let (mut answers, mut newest) = (Vec::new(), 0);
    while !stop.load(Ordering::Relaxed) {
        let answer = client.get(&url).send().await.unwrap();
        assert_eq!(answer.status(), 200);
        let header = |name: &str| answer.headers().get(name)?.to_str().ok();
        let version = |name: &str| -> usize { header(name).unwrap().parse().unwrap() };
        assert_eq!(version("x-policy"), version("x-data"));
        assert!(version("x-policy") >= newest, "an older policy came back");
        newest = version("x-policy");
        answers.push(Answer {
            version: newest,
            decision_id: header(DECISION_ID).map(str::to_owned),
        });
    }
    answers
}
