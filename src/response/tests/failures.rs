//! The failure table, row by row, on the wire.

use super::*;
use crate::identity::jwt::JwtError;

struct Row {
    outcome: Outcome,
    http: u32,
    code: i32,
    body: &'static str,
    headers: &'static [&'static str],
}

fn malformed() -> CheckError {
    decide("null").expect_err("null is no decision")
}

fn row(error: impl Into<CheckError>, http: u32, code: i32, body: &'static str) -> Row {
    Row {
        outcome: Err(error.into()),
        http,
        code,
        body,
        headers: &[],
    }
}

fn judged() -> Vec<Row> {
    let failed = EvalError::Failed(EvaluatorError("secret text".to_owned()));
    let policy = "denied: policy error";
    vec![
        row(EvalError::Undefined, 403, 7, ""),
        row(EvalError::Conflict(None), 403, 7, policy),
        row(malformed(), 403, 7, policy),
        row(failed, 403, 7, policy),
        row(EvalError::InstructionLimit(9), 403, 7, policy),
        row(CheckError::Internal, 500, 13, "denied: internal error"),
        token(
            JwtError::Missing,
            &["www-authenticate: Bearer realm=\"portcullis\" [0]"],
        ),
        token(
            JwtError::KeysUnavailable,
            &["www-authenticate: Bearer realm=\"portcullis\" [0]"],
        ),
        token(
            JwtError::Expired,
            &[
                "www-authenticate: Bearer realm=\"portcullis\", error=\"invalid_token\", error_description=\"expired\" [0]",
            ],
        ),
    ]
}

/// A provider that denies on its own.
fn token(error: JwtError, headers: &'static [&'static str]) -> Row {
    Row {
        headers,
        ..row(
            CheckError::Token(error),
            401,
            16,
            "denied: a valid token is required",
        )
    }
}

fn not_judged() -> Vec<Row> {
    let late = "unavailable: authorization timed out";
    vec![
        row(CheckError::Budget(Stage::Input), 503, 14, late),
        row(EvalError::TimeLimit, 503, 14, late),
        Row {
            headers: &["retry-after: 1 [0]"],
            ..row(
                CheckError::Overload(Shed::InFlight),
                503,
                14,
                "unavailable: authorization is overloaded",
            )
        },
        Row {
            headers: &["retry-after: 1 [0]"],
            ..row(
                CheckError::NotReady,
                503,
                14,
                "unavailable: authorization is not ready",
            )
        },
    ]
}

fn with(on_error: OnError) -> Options {
    Options {
        on_error,
        ..Options::default()
    }
}

fn check(row: &Row, response: &DeniedHttpResponse) {
    let outcome = &row.outcome;
    assert_eq!(
        response.status.expect("a status").code,
        i32::try_from(row.http).unwrap()
    );
    assert_eq!(lines(&response.headers), row.headers, "{outcome:?}");
    let body = if row.body.is_empty() {
        String::new()
    } else {
        format!("{} (decision_id {ID})", row.body)
    };
    assert_eq!(response.body, body, "{outcome:?}");
}

#[test]
fn every_failure_is_a_denied_response_by_default() {
    for row in judged().into_iter().chain(not_judged()) {
        let response = answer(&row.outcome, &Options::default());
        assert_eq!(code(&response), row.code, "{:?}", row.outcome);
        assert_eq!(decision_id(&response), Some(ID));
        check(&row, &denied(response));
    }
}

#[test]
fn an_error_response_is_given_only_where_nothing_was_judged() {
    for row in not_judged() {
        let response = answer(&row.outcome, &with(OnError::ErrorResponse));
        assert_eq!(code(&response), row.code, "{:?}", row.outcome);
        assert_eq!(decision_id(&response), Some(ID));
        let Some(HttpResponse::ErrorResponse(content)) = &response.http_response else {
            panic!("{response:?}");
        };
        check(&row, content);
    }
    for row in judged() {
        denied(answer(&row.outcome, &with(OnError::ErrorResponse)));
    }
}

#[test]
fn a_grpc_error_is_given_only_where_nothing_was_judged() {
    for row in not_judged() {
        match respond(&row.outcome, ID, &with(OnError::GrpcError)) {
            Reply::GrpcError { code, message } => {
                assert_eq!(code, tonic::Code::Unavailable);
                assert_eq!(message, row.body);
            }
            Reply::Response(bytes) => panic!("{:?}", decode(&bytes)),
        }
    }
    for row in judged() {
        denied(answer(&row.outcome, &with(OnError::GrpcError)));
    }
    let denial = answer(&decide("false"), &with(OnError::GrpcError));
    assert_eq!(code(&denial), 7);
}

#[test]
fn a_request_that_cannot_be_read_gets_400() {
    let error = crate::request::InvalidRequest::TooManyHeaders(100_000);
    let response = answer(&Err(error.into()), &Options::default());
    assert_eq!(code(&response), 7);
    let denied = denied(response);
    assert_eq!(denied.status.expect("a status").code, 400);
    assert!(denied.body.starts_with("denied: malformed request ("));
}
