//! What differs from check to check, of records that no gate makes easily.

use bytes::Bytes;

use super::*;
use crate::{
    identity::Xfcc,
    outcome::CheckError,
    policy::Externals,
    request::RequestView,
    telemetry::{DecisionId, StageTimes},
};

fn record(outcome: CheckError, sampled: bool) -> Record {
    let mut stages = StageTimes::default();
    stages.record(Stage::Admission, Duration::from_micros(30));
    stages.record(Stage::Policy, Duration::from_micros(50));
    Record {
        decision_id: DecisionId::random(),
        at: Duration::from_secs(10),
        request: Bytes::new(),
        outcome: Err(outcome),
        dry_run: false,
        duration: Duration::from_micros(100),
        stages,
        token: None,
        policy: None,
        externals: Externals::default(),
        trace: Some(Trace {
            trace_id: [1; 16],
            span_id: [2; 8],
            parent: None,
            sampled,
        }),
        shed: None,
    }
}

fn spans(record: &Record, on_error: OnError) -> Vec<Span> {
    let request = RequestView::parse(&record.request);
    let mut spans = Vec::new();
    let recorded = Recorded::new(record, &request, Xfcc::default());
    of_check(&recorded, on_error, |span| spans.push(span));
    spans
}

fn has(span: &Span, attribute: &KeyValue) -> bool {
    span.attributes.contains(attribute)
}

#[test]
fn a_check_that_is_not_sampled_has_no_spans() {
    let record = record(CheckError::NotReady, false);
    assert!(spans(&record, OnError::default()).is_empty());
}

#[test]
fn the_stages_that_a_check_came_through_follow_each_other_from_its_start() {
    let spans = spans(&record(CheckError::NotReady, true), OnError::default());
    let times: Vec<_> = spans
        .iter()
        .map(|span| {
            (
                span.name.as_str(),
                span.start_time_unix_nano,
                span.end_time_unix_nano,
            )
        })
        .collect();
    let start = 9_999_900_000;
    assert_eq!(
        times,
        [
            (NAME, start, 10_000_000_000),
            ("portcullis.admission", start, start + 30_000),
            ("portcullis.policy", start + 30_000, start + 80_000),
        ]
    );
    assert_eq!(spans[0].flags, SAMPLED | HAS_IS_REMOTE);
    assert!(spans[0].parent_span_id.is_empty());
}

#[test]
fn the_status_of_grpc_is_that_of_the_answer() {
    for (error, dry_run, on_error, code) in [
        (CheckError::NotReady, false, OnError::GrpcError, 14),
        (CheckError::NotReady, true, OnError::GrpcError, 0),
        (CheckError::NotReady, false, OnError::DeniedResponse, 0),
        (CheckError::NotReady, false, OnError::ErrorResponse, 0),
        (CheckError::Internal, false, OnError::GrpcError, 0),
    ] {
        let mut record = record(error, true);
        record.dry_run = dry_run;
        let spans = spans(&record, on_error);
        let want = number("rpc.grpc.status_code", code);
        assert!(has(&spans[0], &want), "{:?}", spans[0]);
        let marked = has(&spans[0], &attribute("portcullis.dry_run", "true"));
        assert_eq!(marked, dry_run);
    }
}

#[test]
fn a_spent_budget_names_its_stage_and_is_an_error() {
    let spans = spans(
        &record(CheckError::Budget(Stage::Policy), true),
        OnError::default(),
    );
    assert!(has(&spans[0], &attribute("portcullis.stage", "policy")));
    let status = spans[0].status.clone().unwrap();
    assert_eq!(
        (status.message.as_str(), status.code()),
        ("budget", StatusCode::Error)
    );
}
