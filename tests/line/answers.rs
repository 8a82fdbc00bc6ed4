//! What an allow and a denial carry, over the wire.

use std::{io, sync::Arc};

use bytes::Bytes;
use envoy_types::pb::{
    envoy::service::auth::v3::{CheckResponse, check_response::HttpResponse},
    google::protobuf::value::Kind,
};
use futures_util::FutureExt as _;
use portcullis::{
    app::build::check_options,
    check::{
        Active, Call, Callers, CheckService,
        budget::{self, Budget},
        decide,
    },
    clock::Clock,
    input,
    outcome::CheckError,
    policy::{Entrypoint, Externals, LoadOptions, Policy, PolicyFile},
    request::RequestView,
    snapshot::Snapshot,
    sources::file::Files,
    telemetry::{
        Metrics,
        log::{Format, Level, subscriber},
    },
};
use prost::Message as _;

use crate::{
    failures::{code, decision_id},
    log, requests,
    server::{Server, config, knowledge},
};

const ANSWERS: &str = r#"package envoy.authz

default allow := {"allowed": false, "body": "no entry", "http_status": 429, "headers": {"x-why": "closed"}, "dynamic_metadata": {"team": "gate"}, "reason": "the rule"}

allow := {
	"allowed": true,
	"headers": {"x-user": "sleep"},
	"request_headers_to_remove": ["x-internal"],
	"response_headers_to_add": {"x-gate": "open"},
	"query_parameters_to_set": {"a b": "c&d"},
	"dynamic_metadata": {"team": "gate", "decision_id": "forged"},
} if input.parsed_path[0] == "open"
"#;

#[tokio::test(flavor = "multi_thread")]
async fn an_allow_carries_its_changes_and_the_real_decision_id() {
    let server = Server::start(ANSWERS, &[]).await;
    let answer = server.check(&requests::path("/open")).await;
    assert_eq!(code(&answer), 0);
    let Some(HttpResponse::OkResponse(ok)) = &answer.http_response else {
        panic!("{answer:?}")
    };
    assert_eq!(ok.headers[0].header.as_ref().unwrap().key, "x-user");
    assert_eq!(ok.headers_to_remove, ["x-internal"]);
    assert_eq!(
        ok.response_headers_to_add[0].header.as_ref().unwrap().value,
        "open"
    );
    let parameter = &ok.query_parameters_to_set[0];
    assert_eq!(
        (parameter.key.as_str(), parameter.value.as_str()),
        ("a%20b", "c%26d")
    );
    let line = log::of_check(&decision_id(&answer));
    assert_eq!(line["outcome"], "allowed");
    let team = &answer.dynamic_metadata.as_ref().unwrap().fields["team"].kind;
    assert_eq!(team, &Some(Kind::StringValue("gate".to_owned())));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_denial_carries_status_body_and_headers_and_keeps_its_reason_to_the_log() {
    let server = Server::start(ANSWERS, &[]).await;
    let answer = server.check(&requests::path("/closed")).await;
    assert_eq!(code(&answer), 7);
    let Some(HttpResponse::DeniedResponse(denied)) = &answer.http_response else {
        panic!("{answer:?}")
    };
    assert_eq!(denied.status.as_ref().unwrap().code, 429);
    assert_eq!(denied.body, "no entry");
    assert_eq!(denied.headers[0].header.as_ref().unwrap().key, "x-why");
    assert!(!format!("{answer:?}").contains("the rule"));
    let line = log::of_check(&decision_id(&answer));
    assert_eq!(line["policy.reason"], "the rule");
}

#[tokio::test(flavor = "multi_thread")]
async fn every_answer_has_a_decision_id_of_its_own() {
    let server = Server::start(ANSWERS, &[]).await;
    let mut ids = std::collections::BTreeSet::new();
    for n in 0..20 {
        let path = if n % 2 == 0 { "/open" } else { "/closed" };
        ids.insert(decision_id(&server.check(&requests::path(path)).await));
    }
    assert_eq!(ids.len(), 20);
}

#[tokio::test(flavor = "multi_thread")]
async fn credentials_of_a_request_are_not_in_its_log_line() {
    let server = Server::start(ANSWERS, &[]).await;
    let token = "eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJzZWNyZXQifQ.c2lnbmF0dXJl";
    let request = requests::http(requests::GET, |http| {
        http.path = format!("/closed/{token}?access_token={token}");
        http.headers
            .insert("authorization".to_owned(), format!("Bearer {token}"));
        http.headers
            .insert("cookie".to_owned(), format!("session={token}"));
    });
    let line = log::of_check(&decision_id(&server.check(&request).await)).to_string();
    assert!(line.contains("/closed"), "{line}");
    assert!(
        !line.contains(token) && !line.contains("access_token"),
        "{line}"
    );
}

/// A policy whose answer is always this.
pub(crate) fn always(answer: &str) -> Active {
    let file = PolicyFile {
        name: "policy.rego".to_owned(),
        data_path: Vec::new(),
        bytes: format!("package envoy.authz\n\nallow := {answer}\n").into_bytes(),
    };
    let path = ["envoy", "authz", "allow"].map(str::to_owned);
    let options = LoadOptions {
        entrypoint: Entrypoint::Path(path.to_vec()),
        v0_compatible: false,
        strict_builtin_errors: false,
    };
    let policy = Policy::load(&[file], &options).unwrap();
    Active::new(policy, &input::Options::default())
}

#[test]
fn a_log_that_always_panics_takes_no_answer_away() {
    struct Panics;
    impl io::Write for Panics {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            panic!("the log is gone")
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    let service = || {
        let metrics = Arc::new(Metrics::new(None));
        let mut options = check_options(&config(&[]));
        // All on this thread, whose log it is.
        options.isolation.slice = Some(options.budget.budget);
        CheckService::new(
            knowledge(Snapshot::of(always("true")), &metrics),
            options,
            metrics,
            Clock::System,
        )
    };
    // The line about the first caller without a principal is written on the check itself.
    let request = Bytes::from(requests::principal(""));
    let check = |service: &CheckService| {
        let call = Call {
            metadata: &http::HeaderMap::new(),
            request: request.clone(),
            called: service.now(),
            arrived: service.now(),
        };
        let checked = service.check(call).now_or_never();
        let bytes = checked.expect("nothing to wait for").unwrap();
        code(&CheckResponse::decode(bytes).unwrap())
    };
    let log = subscriber(Level::Debug, Format::Json, false, || Panics);
    let (first, second) = tracing::subscriber::with_default(log, || {
        let service = service();
        (check(&service), check(&service))
    });
    assert_eq!((first, second), (13, 13));
    let log = subscriber(Level::Debug, Format::Json, false, io::sink);
    let working = tracing::subscriber::with_default(log, || check(&service()));
    assert_eq!(working, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unverified_token_brings_no_claims() {
    let policy = r#"package envoy.authz

default allow := false

allow if {
	input.parsed_path[0] == "claims"
	input.jwt
}

allow if {
	input.parsed_path[0] == "claims"
	contains(json.marshal(object.remove(input, ["attributes"])), "issuer.example")
}

allow if {
	input.parsed_path[0] == "error"
	input.jwt_error != ""
}
"#;
    let server = Server::start(policy, &[]).await;
    for capture in [
        "http1-mtls-jwt",
        "http1-plaintext-jwt",
        "http1-plaintext-badjwt",
    ] {
        for (path, expected) in [("/claims", 7), ("/error", 0)] {
            let request = requests::http(capture, |http| path.clone_into(&mut http.path));
            assert_eq!(
                code(&server.check(&request).await),
                expected,
                "{capture} {path}"
            );
        }
    }
}

#[test]
fn an_allow_that_comes_after_the_budget_is_none() {
    let active = always("true");
    let bytes = requests::capture(requests::GET).encode_to_vec();
    let view = RequestView::parse(&bytes).unwrap();
    let clock = Clock::Fixed(Clock::System.now());
    let with = |budget| {
        let options = budget::Options {
            budget: std::time::Duration::from_secs(budget),
            ..budget::Options::default()
        };
        let mut budget = Budget::offline(&options, clock);
        decide(
            &active,
            &Callers::default(),
            &view,
            &mut Externals::default(),
            &mut budget,
        )
        .outcome
    };
    assert!(matches!(with(0), Err(CheckError::Budget(_))));
    assert!(matches!(
        with(10),
        Ok(portcullis::decision::Decision::Allow(_))
    ));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_without_a_rule_to_ask_does_not_start() {
    for (name, module) in [
        ("no policy at all", None),
        ("an empty module", Some("package envoy.authz\n")),
        (
            "a module of another package",
            Some("package other\n\nallow := true\n"),
        ),
        (
            "another rule",
            Some("package envoy.authz\n\npermit := true\n"),
        ),
    ] {
        let folder = tempfile::tempdir().unwrap();
        if let Some(module) = module {
            std::fs::write(folder.path().join("policy.rego"), module).unwrap();
        }
        let mut files = Files::new(&[]).unwrap();
        files.add_path(folder.path().to_str().unwrap()).unwrap();
        let built = portcullis::app::build::build(&config(&[]), files).await;
        assert!(built.is_err(), "{name}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_without_any_path_serves_the_embedded_default_and_it_denies() {
    log::start();
    let files = Files::new(&[]).unwrap();
    let server = Server::of(files, tempfile::tempdir().unwrap(), &[]).await;
    let answer = server.check(&requests::path("/admin")).await;
    assert_eq!(code(&answer), 7);
    let policy = server.json("/policy").await;
    assert_eq!(policy["source"], "the embedded default policy");
}
