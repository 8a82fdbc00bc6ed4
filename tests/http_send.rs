//! `http.send` against a backend of our own on loopback: what is sent and returned, what is refused, what
//! is kept and shared, and what a backend can do wrong.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

#[path = "support/certificates.rs"]
#[expect(dead_code, reason = "other tests use the rest")]
mod certificates;

#[path = "http_send/backend.rs"]
mod backend;
#[path = "http_send/breaking.rs"]
mod breaking;
#[path = "http_send/caching.rs"]
mod caching;
#[path = "http_send/example.rs"]
mod example;
#[path = "http_send/faults.rs"]
mod faults;
#[path = "http_send/fields.rs"]
mod fields;
#[path = "http_send/gate.rs"]
mod gate;
#[path = "http_send/opa.rs"]
mod opa;
#[path = "http_send/refusals.rs"]
mod refusals;
#[path = "http_send/sharing.rs"]
mod sharing;
#[path = "http_send/stale.rs"]
mod stale;
#[path = "http_send/tls.rs"]
mod tls;
#[path = "http_send/traced.rs"]
mod traced;

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use portcullis::{
    clock::{Clock, Now, Reading},
    http_send::{Client, Options, Origin},
    input::Value,
    policy::{Answer, Unanswered},
    telemetry::Metrics,
};
use reqwest::dns::Resolve;
use serde_json::json;

/// A client, with its metrics and a clock that can be put forward.
pub(crate) struct Sender {
    pub(crate) client: Client,
    metrics: Arc<Metrics>,
    ahead: &'static AtomicU64,
}

impl Sender {
    /// May send to these.
    pub(crate) fn to(allow: &[&str]) -> Self {
        Self::with(allow, |_| {})
    }

    /// May send to these, with other options than the usual.
    pub(crate) fn with(allow: &[&str], change: impl FnOnce(&mut Options)) -> Self {
        let (options, metrics, ahead) = parts(allow, change);
        let client = Client::new(options, ahead_by(ahead), Arc::clone(&metrics));
        Self {
            client,
            metrics,
            ahead,
        }
    }

    /// The same with names of the test's own.
    pub(crate) fn resolving(allow: &[&str], resolver: Arc<dyn Resolve>) -> Self {
        let (options, metrics, ahead) = parts(allow, |_| {});
        let client =
            Client::with_resolver(options, ahead_by(ahead), Arc::clone(&metrics), resolver);
        Self {
            client,
            metrics,
            ahead,
        }
    }

    /// Sends, with more time than is ever needed.
    pub(crate) async fn send(
        &self,
        request: serde_json::Value,
    ) -> Result<serde_json::Value, String> {
        self.send_within(request, Duration::from_secs(20)).await
    }

    /// Sends, with so much time.
    pub(crate) async fn send_within(
        &self,
        request: serde_json::Value,
        time: Duration,
    ) -> Result<serde_json::Value, String> {
        let answer = self.answer(request, time).await;
        answer
            .map(|value| serde_json::from_str(&value.to_json_str().unwrap()).unwrap())
            .map_err(|error| error.to_string())
    }

    /// The answer as evaluations take it.
    pub(crate) async fn answer(&self, request: serde_json::Value, time: Duration) -> Answer {
        let deadline = Instant::now() + time;
        self.client.send(&Value::from(request), deadline).await
    }

    /// Whether the call ends the evaluation, and with `raise_error: false` is a response all the same.
    pub(crate) async fn refuses(&self, mut request: serde_json::Value) -> bool {
        let time = Duration::from_secs(20);
        let refused = match self.answer(request.clone(), time).await {
            Err(Unanswered::Refused(_)) => true,
            Ok(_) | Err(Unanswered::Failed(_)) => false,
        };
        request["raise_error"] = false.into();
        let told = self.send(request).await.unwrap();
        assert!(!refused || told["error"]["message"].is_string(), "{told}");
        refused
    }

    /// Sends and returns the `raw_body`.
    pub(crate) async fn body(&self, request: serde_json::Value) -> String {
        let response = self.send(request).await.unwrap();
        response["raw_body"].as_str().unwrap().to_owned()
    }

    /// Lets so much time pass.
    pub(crate) fn pass(&self, time: Duration) {
        let millis = u64::try_from(time.as_millis()).unwrap();
        self.ahead.fetch_add(millis, Ordering::SeqCst);
    }

    /// How many calls had this result.
    pub(crate) fn count(&self, result: &str) -> u64 {
        self.sample(&format!(
            "portcullis_http_send_total{{result=\"{result}\"}}"
        ))
    }

    /// The value of a sample.
    pub(crate) fn sample(&self, name: &str) -> u64 {
        let text = self.metrics.encode();
        let line = text.lines().find_map(|line| line.strip_prefix(name));
        line.unwrap_or_else(|| panic!("no {name} in\n{text}"))
            .trim()
            .parse()
            .unwrap()
    }
}

/// The clocks of this machine put forward by so many milliseconds.
fn ahead_by(millis: &'static AtomicU64) -> Clock {
    let reading = move || {
        let (now, ahead) = (Clock::System.now(), millis.load(Ordering::SeqCst));
        let ahead = Duration::from_millis(ahead);
        Now {
            unix: now.unix + ahead,
            instant: now.instant + ahead,
        }
    };
    Clock::By(Reading(Box::leak(Box::new(reading))))
}

fn parts(
    allow: &[&str],
    change: impl FnOnce(&mut Options),
) -> (Options, Arc<Metrics>, &'static AtomicU64) {
    let mut options = Options {
        allow: allow
            .iter()
            .flat_map(|entry| Origin::of_entry(entry).unwrap())
            .collect(),
        ..Options::default()
    };
    change(&mut options);
    let ahead: &'static AtomicU64 = Box::leak(Box::default());
    (options, Arc::new(Metrics::new(None)), ahead)
}

/// A plain request.
pub(crate) fn get(url: &str) -> serde_json::Value {
    json!({"method": "GET", "url": url})
}

/// The same with more fields.
#[expect(
    clippy::needless_pass_by_value,
    reason = "it is written where it is passed"
)]
pub(crate) fn get_with(url: &str, more: serde_json::Value) -> serde_json::Value {
    let mut request = get(url);
    for (key, value) in more.as_object().unwrap() {
        request[key] = value.clone();
    }
    request
}
