//! The service sink at a real server: what arrives, in which order, and what is counted of the rest.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use bytes::Bytes;
use portcullis::{
    decision_log::{
        Entry, Sink as _,
        service::{Limit, Options, ServiceSink, Trigger},
    },
    outcome::Answer as Outcome,
    services::{Credentials, Service, Tls, Token},
    telemetry::{DecisionId, Metrics, decision_log},
};
use serde_json::{Value, json};
use tokio::runtime::Handle;

use crate::logs::{Answer, LogServer};

/// Posts to `/v1/decisions` of this server, as soon as may be.
pub(crate) fn options(server: &LogServer) -> Options {
    Options {
        service: Arc::new(Service {
            name: "logs".into(),
            url: format!("{}/v1", server.origin()).parse().unwrap(),
            oci: false,
            response_header_timeout: Duration::from_secs(30),
            headers: [("x-tenant".to_owned(), "shop".to_owned().into())].into(),
            tls: Tls::default(),
            credentials: Credentials::Bearer {
                token: Token::Given("t0ken".to_owned().into()),
                scheme: "Bearer".to_owned(),
            },
        }),
        resource: "decisions".to_owned(),
        upload_bytes: 32_768,
        limit: Limit::Bytes(1 << 20),
        min_delay: Duration::ZERO,
        max_delay: Duration::ZERO,
        most_per_second: None,
        trigger: Trigger::Periodic,
        spill: None,
    }
}

/// A sink, and how much was offered to it.
pub(crate) struct Offered {
    sink: ServiceSink,
    metrics: Arc<Metrics>,
    /// The number of the next record.
    pub(crate) records: u64,
    first: u64,
}

impl Offered {
    pub(crate) fn start(options: &Options) -> Self {
        Self::start_at(0, options)
    }

    /// The same with another number for the first record.
    pub(crate) fn start_at(first: u64, options: &Options) -> Self {
        let sinks = [decision_log::Sink::Service];
        let metrics = Arc::new(Metrics::new(None).with_decision_log(&sinks));
        Self {
            sink: ServiceSink::start(options, Handle::current(), Arc::clone(&metrics)).unwrap(),
            metrics,
            records: first,
            first,
        }
    }

    /// Offers so many records, with their numbers and what compresses badly.
    pub(crate) fn offer(&mut self, records: u64) {
        for _ in 0..records {
            let id = DecisionId::random();
            let record = json!({"decision_id": id.as_str(), "n": self.records});
            self.offer_this(&record);
        }
    }

    pub(crate) fn offer_this(&mut self, record: &Value) {
        self.records += 1;
        self.sink.offer(&Entry {
            json: Bytes::from(record.to_string()),
            at: Duration::from_secs(1_700_000_000),
            decision_id: DecisionId::random(),
            answer: Outcome::Denied,
            trace: None,
        });
        self.sink.idle();
    }

    /// Ends the sink, which has so long: every record is sent, lost, or waiting.
    pub(crate) fn finish(&mut self, within: Duration) {
        self.sink.finish(Instant::now() + within);
        let (sent, dropped, waiting) = (self.sent(), self.all_dropped(), self.waiting());
        let all = self.records - self.first + self.count("replayed_total");
        assert_eq!(sent + dropped + waiting, all, "{sent} {dropped} {waiting}");
    }

    /// The value of `portcullis_decision_log_<sample>`.
    pub(crate) fn count(&self, sample: &str) -> u64 {
        let start = format!("portcullis_decision_log_{sample} ");
        let text = self.metrics.encode();
        let line = text.lines().find_map(|line| line.strip_prefix(&start));
        line.unwrap_or_else(|| panic!("no `{start}`"))
            .parse()
            .unwrap()
    }

    pub(crate) fn sent(&self) -> u64 {
        self.count("sent_total{sink=\"service\"}")
    }

    pub(crate) fn dropped(&self, cause: &str) -> u64 {
        self.count(&format!(
            "dropped_total{{sink=\"service\",cause=\"{cause}\"}}"
        ))
    }

    pub(crate) fn waiting(&self) -> u64 {
        self.count("buffered_records{sink=\"service\"}")
    }

    fn all_dropped(&self) -> u64 {
        let causes = decision_log::SinkCause::ALL.iter();
        causes.map(|cause| self.dropped(cause.as_str())).sum()
    }

    /// Waits until this holds of what is counted.
    pub(crate) async fn until(&self, what: &str, wanted: impl Fn(&Self) -> bool) {
        let found = async {
            while !wanted(self) {
                tokio::task::yield_now().await;
            }
        };
        let found = tokio::time::timeout(PATIENCE, found).await;
        assert!(found.is_ok(), "{what}: not within {PATIENCE:?}");
    }
}

/// The numbers of the records that the server took.
pub(crate) fn numbers(server: &LogServer) -> Vec<u64> {
    let number = |record: &Value| record["n"].as_u64().unwrap();
    server.records().iter().map(number).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn every_record_arrives_once_in_order_in_chunks_that_come_close_to_the_limit() {
    for limit in [Limit::Bytes(64 << 20), Limit::Records(10_000)] {
        let server = LogServer::start().await;
        let mut offered = Offered::start(&Options {
            upload_bytes: 8_192,
            limit,
            ..options(&server)
        });
        offered.offer(5_000);
        offered.finish(PATIENCE);
        assert_eq!(numbers(&server), (0..5_000).collect::<Vec<u64>>());
        assert_eq!(offered.sent(), 5_000);
        let uploads = server.seen();
        let largest = uploads.iter().map(|upload| upload.body.len()).max();
        assert!((4_096..=8_192).contains(&largest.unwrap()), "{largest:?}");
        for upload in uploads {
            assert_eq!(upload.path, "/v1/decisions");
            assert_eq!(upload.header("authorization"), Some("Bearer t0ken"));
            assert_eq!(upload.header("x-tenant"), Some("shop"));
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_periodic_sink_waits_for_its_pause_and_an_immediate_one_for_a_chunk() {
    for limit in [Limit::Bytes(64 << 20), Limit::Records(100_000)] {
        let hour = Duration::from_hours(1);
        let patient = |server: &LogServer, trigger| Options {
            upload_bytes: 4_096,
            limit,
            min_delay: hour,
            max_delay: hour,
            trigger,
            ..options(server)
        };
        let (slow, quick) = (LogServer::start().await, LogServer::start().await);
        let mut periodic = Offered::start(&patient(&slow, Trigger::Periodic));
        let mut immediate = Offered::start(&patient(&quick, Trigger::Immediate));
        periodic.offer(2_000);
        immediate.offer(2_000);
        periodic
            .until("all wait", |sink| sink.waiting() == 2_000)
            .await;
        let most = |sink: &Offered| sink.sent() > 1_500 && sink.sent() + sink.waiting() == 2_000;
        immediate.until("most are sent", most).await;
        assert_eq!(slow.seen().len(), 0);
        assert_ne!(immediate.waiting(), 0, "what makes no chunk waits");
        for (mut sink, server) in [(periodic, &slow), (immediate, &quick)] {
            sink.finish(PATIENCE);
            assert_eq!(numbers(server), (0..2_000).collect::<Vec<u64>>());
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_taken_is_sent_again_before_anything_newer() {
    for wrong in [
        Answer::Status(500),
        Answer::Status(400),
        Answer::Status(422),
        Answer::Status(401),
        Answer::Redirect,
        Answer::Close,
    ] {
        let server = LogServer::start().await;
        server.answer(wrong);
        let mut offered = Offered::start(&options(&server));
        offered.offer(10);
        server.until("two attempts", |seen| seen.len() >= 2).await;
        assert_eq!(offered.sent(), 0, "{wrong:?}");
        offered.offer(10);
        server.answer(Answer::Taken);
        server.until_taken(20).await;
        offered.finish(PATIENCE);
        assert_eq!(numbers(&server), (0..20).collect::<Vec<u64>>(), "{wrong:?}");
        assert_eq!(offered.sent(), 20);
        assert_ne!(offered.count("failures_total{sink=\"service\"}"), 0);
        let elsewhere = |path: &str| path.contains("elsewhere");
        assert!(!server.seen().iter().any(|upload| elsewhere(&upload.path)));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_comes_back_gets_everything() {
    let server = LogServer::start().await;
    server.leave();
    let mut offered = Offered::start(&options(&server));
    offered.offer(50);
    let failed = |sink: &Offered| sink.count("failures_total{sink=\"service\"}") > 1;
    offered.until("two attempts", failed).await;
    assert_eq!((offered.sent(), offered.waiting()), (0, 50));
    server.come_back().await;
    server.until_taken(50).await;
    offered.finish(PATIENCE);
    assert_eq!(numbers(&server), (0..50).collect::<Vec<u64>>());
}

#[tokio::test(flavor = "multi_thread")]
async fn chunks_that_the_server_finds_too_large_are_halved_until_they_are_not() {
    let server = LogServer::start().await;
    server.answer(Answer::AtMost(2_000));
    let mut offered = Offered::start(&options(&server));
    offered.offer(2_000);
    offered.finish(PATIENCE);
    assert_eq!(numbers(&server), (0..2_000).collect::<Vec<u64>>());
    assert_eq!(offered.sent(), 2_000);
    let refused = server.seen().len() - server.taken().len();
    // It is learned: not each chunk is refused.
    assert!((1..10).contains(&refused), "{refused}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_finds_everything_too_large_is_not_asked_without_a_pause() {
    let server = LogServer::start().await;
    server.answer(Answer::AtMost(0));
    let mut offered = Offered::start(&options(&server));
    let before = Instant::now();
    offered.offer(2_000);
    server.until("some attempts", |seen| seen.len() >= 4).await;
    // 100, 200 and 400 ms, of which chance takes half at most.
    assert!(before.elapsed() >= Duration::from_millis(350));
    server.answer(Answer::Taken);
    offered.finish(PATIENCE);
    assert_eq!(numbers(&server), (0..2_000).collect::<Vec<u64>>());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_record_that_is_too_large_loses_what_others_answered_and_then_is_dropped() {
    let noise: String = std::iter::repeat_with(fastrand::alphanumeric)
        .take(9_000)
        .collect();
    for (limit, answer) in [(4_096, Answer::Taken), (32_768, Answer::AtMost(4_096))] {
        let server = LogServer::start().await;
        server.answer(answer);
        let mut offered = Offered::start(&Options {
            upload_bytes: limit,
            ..options(&server)
        });
        offered.offer(1);
        offered.offer_this(&json!({"n": 1, "nd_builtin_cache": {"http.send": noise}, "z": 1.0e2}));
        offered.offer_this(&json!({"n": 2, "input": noise}));
        offered.offer_this(&json!({"n": 3}));
        offered.finish(PATIENCE);
        assert_eq!(numbers(&server), [0, 1, 3]);
        assert_eq!(server.records()[1], json!({"n": 1, "z": 1.0e2}));
        assert_eq!((offered.sent(), offered.dropped("too_large")), (3, 1));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn when_memory_is_full_the_oldest_go_and_are_counted_exactly() {
    for (limit, most) in [(Limit::Bytes(20_000), 1_000), (Limit::Records(300), 700)] {
        let server = LogServer::start().await;
        server.answer(Answer::Hang);
        let mut offered = Offered::start(&Options {
            upload_bytes: 2_048,
            limit,
            ..options(&server)
        });
        offered.offer(20);
        server
            .until("the first upload", |seen| !seen.is_empty())
            .await;
        offered.offer(20_000);
        let settled = |sink: &Offered| {
            sink.dropped("buffer_full") + sink.waiting() == sink.records && sink.waiting() < most
        };
        offered.until("what does not fit is dropped", settled).await;
        server.answer(Answer::Taken);
        offered.finish(PATIENCE);
        let arrived = numbers(&server);
        assert!(arrived.is_sorted_by(|a, b| a < b));
        assert_eq!(arrived.last(), Some(&20_019), "the newest stay");
        assert_eq!(u64::try_from(arrived.len()).unwrap(), offered.sent());
        assert_eq!(offered.sent() + offered.dropped("buffer_full"), 20_020);
        // What was on its way when there was room is still there.
        assert_eq!(arrived[0], 0);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn more_than_may_be_in_a_second_is_dropped_and_counted() {
    let server = LogServer::start().await;
    let mut offered = Offered::start(&Options {
        most_per_second: Some(10.0),
        ..options(&server)
    });
    offered.offer(25);
    offered.finish(PATIENCE);
    assert_eq!(numbers(&server), (0..10).collect::<Vec<u64>>());
    assert_eq!((offered.sent(), offered.dropped("rate_limit")), (10, 15));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_end_waits_for_nobody_longer_than_it_may() {
    for answer in [Answer::Hang, Answer::Status(503)] {
        let server = LogServer::start().await;
        server.answer(answer);
        let mut offered = Offered::start(&Options {
            min_delay: Duration::from_hours(1),
            max_delay: Duration::from_hours(1),
            ..options(&server)
        });
        offered.offer(100);
        let before = Instant::now();
        offered.finish(Duration::from_secs(1));
        assert!(before.elapsed() < Duration::from_secs(20));
        assert_ne!(server.seen().len(), 0, "the end is an attempt");
        assert_eq!((offered.sent(), offered.dropped("shutdown")), (0, 100));
        assert_eq!(offered.waiting(), 0);
    }
}

/// Long, because it only ends tests that fail.
const PATIENCE: Duration = Duration::from_mins(1);
