//! Policies that send, asked as the server asks them: fetched between two attempts, inside the budget.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use envoy_types::pb::envoy::service::auth::v3::{
    AttributeContext, CheckRequest, CheckResponse,
    attribute_context::{self, HttpRequest},
};
use futures_util::{FutureExt as _, poll};
use portcullis::{
    app::build::check_options,
    check::{Active, Call, CheckService, Knowledge, Options},
    clock::Clock,
    config::Config,
    http_send::{Client, Origin},
    input,
    policy::{Policy, PolicyFile},
    snapshot::Snapshot,
    telemetry::Metrics,
};
use prost::Message as _;

use crate::backend::{Answer, Backend, text};

const ALLOWED: i32 = 0;
const DENIED: i32 = 7;
const LATE: i32 = 14;

/// A gate whose policy may send to one backend.
struct Gate {
    service: CheckService,
    metrics: Arc<Metrics>,
}

impl Gate {
    /// `BACKEND` in the policy is where the backend is.
    fn new(policy: &str, backend: &Backend, change: impl FnOnce(&mut Options)) -> Self {
        let mut config = Config::default();
        config.portcullis.budget = Duration::from_secs(30);
        let origins = Origin::of_entry(&backend.origin()).unwrap();
        config.portcullis.http_send.allow = origins.into_iter().collect();
        let metrics = Arc::new(Metrics::new(None));
        let file = PolicyFile {
            name: "policy.rego".to_owned(),
            data_path: Vec::new(),
            bytes: policy.replace("BACKEND", &backend.origin()).into_bytes(),
        };
        let policy = Policy::load(&[file], &config.load_options()).unwrap();
        let sends = config.portcullis.http_send.clone();
        let knowledge = Knowledge {
            active: Snapshot::of(Active::new(policy, &input::Options::default())),
            callers: Arc::default(),
            sends: Client::new(sends, Clock::System, Arc::clone(&metrics)),
        };
        let mut options = check_options(&config);
        change(&mut options);
        let service = CheckService::new(knowledge, options, Arc::clone(&metrics), Clock::System);
        Self { service, metrics }
    }

    /// The code of the answer to a request of `path`.
    async fn check(&self, path: &str) -> i32 {
        let http = HttpRequest {
            method: "GET".to_owned(),
            path: path.to_owned(),
            ..HttpRequest::default()
        };
        let request = CheckRequest {
            attributes: Some(AttributeContext {
                request: Some(attribute_context::Request {
                    http: Some(http),
                    ..attribute_context::Request::default()
                }),
                ..AttributeContext::default()
            }),
        };
        let call = Call {
            metadata: &http::HeaderMap::new(),
            request: Bytes::from(request.encode_to_vec()),
            called: self.service.now(),
            arrived: self.service.now(),
        };
        let answer = self.service.check(call).await.unwrap();
        let answer = CheckResponse::decode(answer).unwrap();
        answer.status.unwrap().code
    }

    fn has(&self, series: &str) -> bool {
        self.metrics.encode().lines().any(|line| line == series)
    }
}

/// The backend decides, by what it says of the path.
const ASKS: &str = r#"package envoy.authz
default allow := false
allow if {
  said := http.send({"method": "GET", "url": concat("", ["BACKEND", input.attributes.request.http.path])})
  said.status_code == 200
  said.raw_body == "yes"
}
"#;

#[tokio::test]
async fn what_the_backend_says_decides_wherever_the_policy_is_evaluated() {
    let interpreted = format!("{ASKS}\nallow if walk([input], [[\"nowhere\"], _])\n");
    for policy in [ASKS, &interpreted] {
        for slice in [Duration::from_secs(30), Duration::ZERO] {
            let change = |options: &mut Options| options.isolation.slice = Some(slice);
            for (said, code) in [(text("yes"), ALLOWED), (text("no"), DENIED)] {
                let backend = Backend::start(said).await;
                let gate = Gate::new(policy, &backend, change);
                assert_eq!(gate.check("/a").await, code, "{slice:?}");
                assert_eq!(backend.seen().len(), 1);
                assert_eq!(backend.seen()[0].target, "/a");
                assert!(gate.has("portcullis_check_duration_seconds_count 1"));
                assert!(gate.has("portcullis_in_flight 0"));
            }
        }
    }
}

#[tokio::test]
async fn one_request_may_depend_on_the_answer_to_another() {
    let policy = r#"package envoy.authz
default allow := false
first := http.send({"method": "POST", "url": "BACKEND/first", "raw_body": input.attributes.request.http.path})
second := http.send({"method": "POST", "url": "BACKEND/second", "raw_body": first.raw_body})
allow if second.raw_body == "yes"
"#;
    for (said, code) in [(text("yes"), ALLOWED), (text("no"), DENIED)] {
        let backend = Backend::start(said).await;
        let gate = Gate::new(policy, &backend, |_| {});
        assert_eq!(gate.check("/a").await, code);
        let targets: Vec<_> = backend.seen().into_iter().map(|seen| seen.target).collect();
        assert_eq!(targets, ["/first", "/second"]);
    }
}

#[tokio::test]
async fn a_backend_that_hangs_costs_the_budget_of_who_asked_and_nobody_else() {
    let backend = Backend::start(Answer::Stall).await;
    let policy = format!("{ASKS}\nallow if input.attributes.request.http.path == \"/open\"\n");
    let gate = Gate::new(
        &policy.replace(
            "allow if {",
            "allow if {\n  input.attributes.request.http.path != \"/open\"",
        ),
        &backend,
        |options| {
            options.budget.budget = Duration::from_millis(300);
        },
    );
    let mut hangs = Box::pin(gate.check("/hangs"));
    assert!(poll!(&mut hangs).is_pending());
    // On the same thread, without waiting for anything.
    assert_eq!(gate.check("/open").now_or_never(), Some(ALLOWED));
    assert_eq!(hangs.await, LATE);
    assert!(gate.has(r#"portcullis_budget_exceeded_total{stage="policy"} 1"#));
    assert!(gate.has("portcullis_in_flight 0"));
}

#[tokio::test]
async fn a_caller_that_leaves_while_a_backend_is_asked_is_no_check_in_flight() {
    let backend = Backend::start(Answer::Stall).await;
    let gate = Gate::new(ASKS, &backend, |_| {});
    let mut hangs = Box::pin(gate.check("/hangs"));
    assert!(poll!(&mut hangs).is_pending());
    assert!(gate.has("portcullis_in_flight 1"));
    drop(hangs);
    assert!(gate.has("portcullis_in_flight 0"));
    assert!(gate.has("portcullis_abandoned_total 1"));
    assert!(gate.has("portcullis_check_duration_seconds_count 0"));
}

#[tokio::test]
async fn a_policy_that_asks_without_end_is_denied_at_the_bound() {
    let policy = |most: u32| {
        format!(
            r#"package envoy.authz
default allow := false
said(x) := http.send({{"method": "GET", "url": sprintf("BACKEND/%d", [x])}})
allow if {{
  every x in numbers.range(1, {most}) {{
    said(x).status_code == 200
  }}
}}
"#
        )
    };
    let backend = Backend::start(text("yes")).await;
    for (most, code, asked) in [(16, ALLOWED, 16), (17, DENIED, 32)] {
        let gate = Gate::new(&policy(most), &backend, |_| {});
        assert_eq!(gate.check("/a").await, code, "{most}");
        assert_eq!(backend.seen().len(), asked, "{most}");
        let denied = gate.has(r#"portcullis_checks_total{outcome="denied",reason="evaluation"} 1"#);
        assert_eq!(denied, code == DENIED);
    }
}

#[tokio::test]
async fn a_path_too_long_to_be_asked_about_is_denied_also_where_no_answer_means_allowed() {
    let policy = r#"package envoy.authz
default allow := true
allow := false if http.send({"method": "GET", "url": concat("", ["BACKEND/", urlquery.encode(input.attributes.request.http.path)])}).raw_body == "bad"
"#;
    let interpreted = format!("{policy}\nother if walk([input], [[\"nowhere\"], _])\n");
    for policy in [policy, &interpreted] {
        let backend = Backend::start(text("good")).await;
        let gate = Gate::new(policy, &backend, |_| {});
        assert_eq!(gate.check("/a").await, ALLOWED);
        assert_eq!(gate.check(&"/".repeat(6000)).await, DENIED);
        assert!(gate.has(r#"portcullis_checks_total{outcome="denied",reason="evaluation"} 1"#));
        backend.set(text("bad"));
        assert_eq!(gate.check("/a").await, DENIED);
    }
}

#[tokio::test]
async fn a_host_that_is_not_allowed_is_not_asked_and_the_request_is_denied() {
    let (allowed, other) = (
        Backend::start(text("yes")).await,
        Backend::start(text("yes")).await,
    );
    let elsewhere = ASKS.replace("BACKEND", &other.origin());
    let gate = Gate::new(&elsewhere, &allowed, |_| {});
    assert_eq!(gate.check("/a").await, DENIED);
    assert!(other.seen().is_empty());
    let gate = Gate::new(&elsewhere, &other, |_| {});
    assert_eq!(gate.check("/a").await, ALLOWED);
}
