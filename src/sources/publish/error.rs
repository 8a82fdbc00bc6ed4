//! Why a policy does not become the active one, told so that its author can fix it.

use std::sync::Arc;

use crate::{
    policy::{
        Diagnostic, LoadError,
        testing::{self, TestResult},
    },
    sources::bundles::status::{Failure, Stage},
};

/// Why an offer did not become part of the policy. It is kept, and tried again with later ones.
#[derive(Clone, Debug, thiserror::Error)]
pub enum ActivationError {
    /// It does not compile with the others.
    #[error(transparent)]
    Load(#[from] LoadError),
    /// Tests that come with it fail.
    #[error("{}", failed_tests(.0))]
    Tests(Vec<TestResult>),
    /// No bundle of this name is configured, or not any more, or not with the source it came from.
    #[error("no bundle `{0}` is configured")]
    Unexpected(Arc<str>),
}

impl ActivationError {
    /// Where it ended.
    pub fn stage(&self) -> Stage {
        match self {
            Self::Load(_) => Stage::Compile,
            Self::Tests(_) => Stage::Tests,
            Self::Unexpected(_) => Stage::Internal,
        }
    }

    /// The problems of the policy, each with its place.
    pub fn problems(&self) -> Vec<Diagnostic> {
        match self {
            Self::Load(LoadError(problems)) => problems.clone(),
            Self::Tests(results) => results.iter().map(problem_of_test).collect(),
            Self::Unexpected(_) => Vec::new(),
        }
    }

    /// What a bundle's status says about it.
    pub(in crate::sources) fn failure(&self) -> Failure {
        let mut errors = self.problems();
        errors.truncate(Failure::MAX_ERRORS);
        Failure {
            stage: self.stage(),
            message: self
                .to_string()
                .chars()
                .take(MOST_TEXT)
                .collect::<String>()
                .into(),
            errors: errors.into(),
            http_status: None,
        }
    }
}

/// How many tests fail, then each of them.
fn failed_tests(results: &[TestResult]) -> String {
    let plural = if results.len() == 1 { "" } else { "s" };
    let head = format!("{} failed test{plural} in the policy", results.len());
    let listed = results.iter().map(ToString::to_string);
    std::iter::once(head)
        .chain(listed)
        .collect::<Vec<_>>()
        .join("\n")
}

fn problem_of_test(result: &TestResult) -> Diagnostic {
    let outcome = match &result.outcome {
        testing::Outcome::Error(why) => format!("error: {why}"),
        testing::Outcome::Failed => "failed".to_owned(),
        testing::Outcome::Passed | testing::Outcome::Skipped => "did not fail".to_owned(),
    };
    Diagnostic {
        file: result.file.clone(),
        position: Some((result.line, 1)),
        message: format!("{}.{}: {outcome}", result.package, result.name),
        excerpt: None,
        hint: None,
    }
}

/// The most characters of an error that a status shows.
const MOST_TEXT: usize = 2_000;
