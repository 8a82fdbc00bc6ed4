//! The failure table, row by row.

use super::*;
use crate::chain::Chain;
use crate::{input::Value, policy::EvaluatorError};

fn malformed() -> MalformedDecision {
    Decision::parse(&Value::Null).expect_err("null is no decision")
}

/// One error a row of the failure table, and the row.
fn table() -> Vec<(CheckError, Reason, u16, Answer)> {
    use Answer::{Denied, Error};
    let cause = || EvaluatorError("cause".to_owned());
    vec![
        (EvalError::Undefined.into(), Reason::Undefined, 403, Denied),
        (
            EvalError::Conflict(None).into(),
            Reason::Conflict,
            403,
            Denied,
        ),
        (malformed().into(), Reason::MalformedDecision, 403, Denied),
        (
            EvalError::Failed(cause()).into(),
            Reason::Evaluation,
            403,
            Denied,
        ),
        (
            EvalError::InstructionLimit(1).into(),
            Reason::Evaluation,
            403,
            Denied,
        ),
        (EvalError::TimeLimit.into(), Reason::Budget, 503, Error),
        (CheckError::Budget(Stage::Input), Reason::Budget, 503, Error),
        (
            CheckError::Overload(Shed::InFlight),
            Reason::Overload,
            503,
            Error,
        ),
        (CheckError::NotReady, Reason::NotReady, 503, Error),
        (CheckError::Internal, Reason::Internal, 500, Denied),
    ]
}

#[test]
fn every_error_has_the_reason_status_and_answer_of_the_failure_table() {
    for (error, reason, status, answer) in table() {
        assert_eq!(error.reason(), reason, "{error}");
        assert_eq!(error.http_status(), status, "{error}");
        assert_eq!(Answer::of(&Err(error)), answer);
    }
}

#[test]
fn only_a_permit_is_answered_with_allowed() {
    let allow = Decision::parse(&Value::from(true));
    let deny = Decision::parse(&Value::from(false));
    assert_eq!(Answer::of(&allow.map_err(Into::into)), Answer::Allowed);
    assert_eq!(Answer::of(&deny.map_err(Into::into)), Answer::Denied);
    for reason in Reason::ALL {
        assert_ne!(reason.answer(), Answer::Allowed, "{}", reason.as_str());
    }
}

#[test]
fn the_stage_that_used_up_the_budget_is_known() {
    assert_eq!(
        CheckError::Budget(Stage::Admission).budget_stage(),
        Some(Stage::Admission)
    );
    assert_eq!(
        CheckError::from(EvalError::TimeLimit).budget_stage(),
        Some(Stage::Policy)
    );
    assert_eq!(CheckError::Overload(Shed::InFlight).budget_stage(), None);
}

#[test]
fn labels_of_reasons_and_stages_are_unlike() {
    let mut labels: Vec<_> = Reason::ALL.iter().map(|reason| reason.as_str()).collect();
    labels.sort_unstable();
    labels.dedup();
    assert_eq!(labels.len(), Reason::ALL.len());
    let mut stages: Vec<_> = Stage::ALL.iter().map(|stage| stage.as_str()).collect();
    stages.sort_unstable();
    stages.dedup();
    assert_eq!(stages.len(), Stage::ALL.len());
}

#[test]
fn a_chain_shows_every_cause_once() {
    let error = CheckError::from(EvalError::Failed(EvaluatorError("3:1: no".to_owned())));
    assert_eq!(
        Chain(&error).to_string(),
        "the policy gave no decision: the policy did not evaluate: 3:1: no"
    );
}
