//! The failure table (contracts §4), each row over the wire: answer, metadata, metric, log line.

use envoy_types::pb::{
    envoy::service::auth::v3::{CheckResponse, DeniedHttpResponse, check_response::HttpResponse},
    google::protobuf::value::Kind,
};

use crate::{
    log,
    provoke::{Provoked, ROWS, Row},
    requests,
};

/// The decision id in the dynamic metadata.
pub(crate) fn decision_id(answer: &CheckResponse) -> String {
    let metadata = answer.dynamic_metadata.as_ref().expect("always there");
    match &metadata.fields["decision_id"].kind {
        Some(Kind::StringValue(id)) if id.len() == 36 => id.clone(),
        other => panic!("no decision id: {other:?}"),
    }
}

pub(crate) fn code(answer: &CheckResponse) -> i32 {
    answer.status.as_ref().expect("status is always set").code
}

fn header<'a>(denied: &'a DeniedHttpResponse, name: &str) -> Option<&'a str> {
    let mut headers = denied.headers.iter().filter_map(|h| h.header.as_ref());
    let found = headers.find(|header| header.key == name);
    found.map(|header| header.value.as_str())
}

/// Whether the row may be answered as an error at all.
fn is_error(row: &Row) -> bool {
    row.outcome == "error"
}

fn check_http(row: &Row, denied: &DeniedHttpResponse, id: &str) {
    let status = denied.status.as_ref().map(|status| status.code);
    assert_eq!(status, Some(row.http), "{}", row.name);
    let retry_after = matches!(row.reason, "overload" | "not_ready").then_some("7");
    assert_eq!(header(denied, "retry-after"), retry_after, "{}", row.name);
    assert!(
        denied.body.starts_with(row.body),
        "{}: {}",
        row.name,
        denied.body
    );
    let ours = !matches!(row.reason, "policy" | "undefined");
    assert_eq!(
        denied.body.contains(id),
        ours,
        "{}: {}",
        row.name,
        denied.body
    );
    for internal in [row.cause, "envoy.authz", "policy.rego"] {
        let told = !internal.is_empty() && denied.body.contains(internal);
        let public = internal == "time" || row.body.contains(internal);
        assert!(
            !told || public,
            "{} tells `{internal}`: {}",
            row.name,
            denied.body
        );
    }
}

/// Metric and log line of a check that ran into `row`.
async fn check_traces(row: &Row, provoked: &Provoked, id: &str, dry_run: bool) {
    let (outcome, reason) = (row.outcome, row.reason);
    let series = format!("portcullis_checks_total{{outcome=\"{outcome}\",reason=\"{reason}\"}}");
    assert_eq!(
        provoked.server.metric(&series).await,
        Some(1.0),
        "{}: {series}",
        row.name
    );
    let allowed = "portcullis_checks_total{outcome=\"allowed\",reason=\"policy\"}";
    // The line that could not be written belongs to an allow that was counted before.
    let allowed_before = if reason == "internal" { 1.0 } else { 0.0 };
    assert_eq!(
        provoked.server.metric(allowed).await,
        Some(allowed_before),
        "{}",
        row.name
    );
    let line = log::of_check(id);
    assert_eq!(line["reason"], reason, "{line}");
    if dry_run {
        assert_eq!(line["outcome"], "allowed", "{line}");
        assert_eq!(line["would"], outcome, "{line}");
        assert_eq!(line["dry_run"], true, "{line}");
    } else {
        assert_eq!(line["outcome"], outcome, "{line}");
    }
    let error = line["error"].as_str().unwrap_or_default();
    assert!(error.contains(row.cause), "{}: {error}", row.name);
    assert_eq!(
        error.is_empty(),
        row.cause.is_empty(),
        "{}: {error}",
        row.name
    );
    if reason == "budget" {
        assert_eq!(line["budget.stage"], "policy", "{line}");
    }
}

/// The row was that one request's trouble.
async fn check_alive(row: &Row, provoked: &Provoked) {
    assert_eq!(
        provoked.server.get("/livez").await.status,
        200,
        "{}",
        row.name
    );
    if row.reason == "budget" || row.reason == "overload" {
        let fast = provoked.server.check(&requests::path("/fast")).await;
        assert_eq!(code(&fast), 0, "{}: {fast:?}", row.name);
    }
    if row.reason == "internal" {
        let other = provoked.server.check(&requests::path("/")).await;
        assert_eq!(code(&other), 0, "{}: {other:?}", row.name);
        assert_eq!(
            provoked.server.metric("portcullis_panics_total").await,
            Some(1.0)
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn every_row_is_a_denial_with_its_status_metric_and_log_line() {
    for row in ROWS {
        let provoked = row.provoke(&[]).await;
        let answer = provoked.answer.as_ref().expect(row.name);
        let id = decision_id(answer);
        assert_eq!(code(answer), row.code, "{}", row.name);
        match &answer.http_response {
            Some(HttpResponse::DeniedResponse(denied)) => check_http(row, denied, &id),
            // Envoy answers an empty 403 by itself.
            None => assert_eq!((row.http, row.name), (403, "policy")),
            other => panic!("{}: {other:?}", row.name),
        }
        check_traces(row, &provoked, &id, false).await;
        check_alive(row, &provoked).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn only_what_was_not_judged_is_an_error_response_when_that_is_wanted() {
    for row in ROWS {
        let provoked = row.provoke(&["portcullis.on_error=error_response"]).await;
        let answer = provoked.answer.as_ref().expect(row.name);
        assert_eq!(code(answer), row.code, "{}", row.name);
        match &answer.http_response {
            Some(HttpResponse::ErrorResponse(error)) => {
                assert!(is_error(row), "{}", row.name);
                check_http(row, error, &decision_id(answer));
            }
            Some(HttpResponse::DeniedResponse(_)) | None => {
                assert!(!is_error(row), "{}", row.name);
            }
            Some(HttpResponse::OkResponse(_)) => panic!("{} is let through", row.name),
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn only_what_was_not_judged_is_a_grpc_error_when_that_is_wanted() {
    for row in ROWS {
        let provoked = row.provoke(&["portcullis.on_error=grpc_error"]).await;
        match &provoked.answer {
            Err(status) => {
                assert!(is_error(row), "{}: {status}", row.name);
                assert_eq!(status.code(), tonic::Code::Unavailable, "{}", row.name);
            }
            Ok(answer) => {
                assert!(!is_error(row), "{}", row.name);
                assert_eq!(code(answer), row.code, "{}", row.name);
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn dry_run_lets_every_row_through_and_changes_nothing() {
    for on_error in ["denied_response", "error_response", "grpc_error"] {
        let on_error = format!("portcullis.on_error={on_error}");
        for row in ROWS {
            let set = [
                "plugins.envoy_ext_authz_grpc.dry-run=true",
                on_error.as_str(),
            ];
            let provoked = row.provoke(&set).await;
            let answer = provoked.answer.as_ref().expect(row.name);
            assert_eq!(code(answer), 0, "{}", row.name);
            assert_eq!(answer.http_response, None, "{}", row.name);
            let id = decision_id(answer);
            let fields = &answer.dynamic_metadata.as_ref().unwrap().fields;
            assert_eq!(fields.len(), 1, "{}", row.name);
            check_traces(row, &provoked, &id, true).await;
        }
    }
}
