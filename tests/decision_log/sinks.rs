//! Sinks in trouble behind the real binary: every check is answered as ever, and every record is sent,
//! dropped and counted, or still waiting.

use std::{collections::BTreeSet, fs};

use bytes::Bytes;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::{
    gate::Gate,
    logs::{Answer, LogServer},
    requests,
};

pub(crate) const POLICY: &str = r#"package envoy.authz

default allow := false

allow if input.parsed_path[0] == "open"
"#;

/// An allow and a deny, each with a body of so many bytes.
fn twins(body: usize) -> [(Bytes, i32); 2] {
    [("/open", 0), ("/closed", 7)].map(|(path, code)| {
        let request = requests::http(requests::POST, |http| {
            path.clone_into(&mut http.path);
            http.headers
                .insert("content-type".to_owned(), "text/plain".to_owned());
            http.body = "x".repeat(body);
        });
        (request.into(), code)
    })
}

/// What became of the records of one sink.
#[derive(Debug, PartialEq, Eq)]
struct Counts {
    decisions: u64,
    sent: u64,
    dropped: u64,
    /// With the sink.
    waiting: u64,
    /// On the way to every sink.
    queued: u64,
}

impl Counts {
    async fn of(gate: &Gate, sink: &str) -> Self {
        let label = format!("sink=\"{sink}\"");
        let of_sink = [label.as_str()];
        let log = async |name: &str, labels: &[&str]| {
            gate.sum(&format!("decision_log_{name}"), labels).await
        };
        Self {
            decisions: log("decisions_total", &[]).await,
            sent: log("sent_total", &of_sink).await,
            dropped: log("dropped_total", &of_sink).await
                + log("dropped_total", &["sink=\"all\""]).await
                + log("skipped_total", &[]).await,
            waiting: log("buffered_records", &of_sink).await,
            queued: log("queue_records", &[]).await,
        }
    }

    /// The counts once nothing is on its way between two of them.
    async fn settled(gate: &Gate, sink: &str, decisions: u64) -> Self {
        gate.until("the counts add up", async |gate| {
            let counts = Self::of(gate, sink).await;
            let sum = counts.sent + counts.dropped + counts.waiting;
            let settled = counts.queued == 0 && counts.decisions == decisions && sum == decisions;
            settled.then_some(counts)
        })
        .await
    }

    /// The counts when nothing waits any more.
    async fn done(gate: &Gate, sink: &str, decisions: u64) -> Self {
        gate.until("nothing waits", async |gate| {
            let counts = Self::of(gate, sink).await;
            let done = counts.waiting == 0
                && counts.queued == 0
                && counts.sent + counts.dropped == decisions;
            done.then_some(counts)
        })
        .await
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_console_that_nobody_reads_loses_what_does_not_fit_and_tells_how_much() {
    let config = json!({"decision_logs": {"console": true}});
    let mut gate = Gate::start(POLICY, &config).await;
    gate.stderr().pause();
    // With the body in two spellings a record is more than 36 KiB: more than twice what may wait.
    gate.checks(&twins(16 * 1024), 2_000).await;
    let counts = Counts::settled(&gate, "console", 2_000).await;
    assert!(counts.dropped > 0 && counts.waiting > 0, "{counts:?}");
    gate.stderr().read_on();
    let done = Counts::done(&gate, "console", 2_000).await;
    assert_eq!(done.dropped, counts.dropped, "what was lost is lost");
    let records = |gate: &Gate| gate.stderr().count("openpolicyagent.org/decision_logs");
    let sent = usize::try_from(done.sent).unwrap();
    gate.until("all is read", async |gate| {
        (records(gate) == sent).then_some(())
    })
    .await;
    assert!(gate.stop().success());
    gate.stderr().ended();
    assert_eq!(records(&gate), sent);
    // Lines of both logs are whole.
    assert!(gate.stderr().lines().len() >= sent);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_cannot_be_written_gets_every_record_once_it_can() {
    let folder = TempDir::new().unwrap();
    // A file where the folder of the log should be.
    let logs = folder.path().join("logs");
    fs::write(&logs, "").unwrap();
    let path = logs.join("decisions.log");
    let file = json!({"path": path, "max_bytes": 1 << 20, "max_files": 100});
    let config = json!({"portcullis": {"decision_logs": {"file": file}}});
    let mut gate = Gate::start(POLICY, &config).await;
    gate.checks(&twins(10), 600).await;
    let counts = Counts::settled(&gate, "file", 600).await;
    assert_eq!((counts.sent, counts.waiting), (0, 600));
    let failures = ["sink=\"file\""];
    assert!(gate.sum("decision_log_failures_total", &failures).await > 0);
    fs::remove_file(&logs).unwrap();
    gate.checks(&twins(10), 400).await;
    let done = Counts::done(&gate, "file", 1_000).await;
    assert_eq!((done.sent, done.dropped), (1_000, 0));
    assert!(gate.stop().success());
    let mut ids = BTreeSet::new();
    let mut files = 0;
    for entry in fs::read_dir(&logs).unwrap() {
        let path = entry.unwrap().path();
        let text = fs::read_to_string(&path).unwrap();
        assert!(text.ends_with('\n') && text.len() <= 1 << 20, "{path:?}");
        files += 1;
        for line in text.lines() {
            let record: Value = serde_json::from_str(line).unwrap();
            ids.insert(record["decision_id"].as_str().unwrap().to_owned());
        }
    }
    assert!(
        files > 1,
        "records of a megabyte and more are in several files"
    );
    assert_eq!(ids.len(), 1_000, "every record, once");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_in_trouble_costs_records_that_are_counted_and_no_answer() {
    for trouble in [Some(Answer::Hang), Some(Answer::Status(500)), None] {
        let server = LogServer::start().await;
        match trouble {
            Some(answer) => server.answer(answer),
            None => server.leave(),
        }
        let reporting = json!({
            "buffer_type": "event",
            "buffer_size_limit_events": 100,
            "min_delay_seconds": 1,
            "max_delay_seconds": 1,
        });
        let config = json!({
            "services": {"logs": {"url": server.origin()}},
            "decision_logs": {"service": "logs", "reporting": reporting},
        });
        let gate = Gate::start(POLICY, &config).await;
        gate.checks(&twins(10), 1_000).await;
        let counts = Counts::settled(&gate, "service", 1_000).await;
        assert_eq!(counts.sent, 0, "{trouble:?}");
        assert!(
            counts.dropped > 0 && counts.waiting > 0,
            "{trouble:?} {counts:?}"
        );
        match trouble {
            Some(_) => server.answer(Answer::Taken),
            None => server.come_back().await,
        }
        let done = Counts::done(&gate, "service", 1_000).await;
        assert!(done.sent > 0, "{trouble:?} {done:?}");
        let records = server.records();
        let ids: BTreeSet<_> = records
            .iter()
            .map(|r| r["decision_id"].to_string())
            .collect();
        assert_eq!(ids.len(), records.len(), "none twice");
        assert_eq!(
            ids.len(),
            usize::try_from(done.sent).unwrap(),
            "{trouble:?}"
        );
    }
}
