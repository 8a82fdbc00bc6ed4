//! Rules beside the entrypoint, such as `data.system.log.mask`: evaluated by path, under the limits of
//! an evaluation and off the line of a check.
//!
//! Nothing is compiled for them. A policy that is never asked pays nothing; the first question looks
//! over its rules once, every further one runs on the interpreter as a decision does. Nothing from
//! outside is known here: `http.send` is an error.

use std::sync::OnceLock;

use super::entrypoint::is_whole_rule;
use super::index::Index;
use super::refs::data_path;
use super::run::{Ask, Runner};
use super::{EvalError, Limits, Policy, builtins};
use crate::input::Value;

/// Where the rules of a policy are, found when somebody asks.
#[derive(Debug, Default)]
pub(super) struct Rules(OnceLock<Index>);

impl Rules {
    /// The rules that `runner` evaluates.
    pub(super) fn of(&self, runner: &Runner) -> &Index {
        self.0
            .get_or_init(|| Index::new(runner.interpreter().engine().get_modules().as_slice()))
    }
}

impl Policy {
    /// The value at `data.<path>` for this input: of a rule, of everything below a package, or base
    /// data. `None` where that is undefined, or where there is nothing.
    pub fn query(
        &self,
        path: &[&str],
        input: Value,
        limits: Limits,
    ) -> Result<Option<Value>, EvalError> {
        let question = self.question(path);
        let interpreter = self.runner.interpreter();
        match builtins::observed(limits, || interpreter.answer(&question, input, limits)) {
            Ok(Value::Undefined) | Err(EvalError::Undefined) => Ok(None),
            Ok(value) => Ok(Some(value)),
            Err(error) => Err(error),
        }
    }

    /// Whether a rule stands at `data.<path>`, above it or below it, so that [`query`](Self::query) may
    /// find a value.
    pub fn defines(&self, path: &[&str]) -> bool {
        let path = owned(path);
        let rules = self.rules.of(&self.runner);
        rules.touching(&path).any(|id| !rules.is_function(id))
    }

    /// A rule by itself is asked for as it stands; everything else as a reference, which is read and
    /// analysed each time.
    fn question(&self, path: &[&str]) -> Ask {
        let text = data_path(path.iter().copied());
        let rules = self.rules.of(&self.runner);
        if is_one_rule(rules, &owned(path)) {
            Ask::Rule(text)
        } else {
            Ask::Query(text)
        }
    }
}

/// Whether `path` is a rule with nothing below it and no keys in its heads.
pub(super) fn is_one_rule(rules: &Index, path: &[String]) -> bool {
    let mut below = rules.rules_below(path);
    match (below.next(), below.next()) {
        (Some((rule, ids)), None) => rule == path && ids.iter().all(|id| is_whole_rule(rules, *id)),
        (Some(_), Some(_)) | (None, _) => false,
    }
}

fn owned(path: &[&str]) -> Vec<String> {
    path.iter().map(|segment| (*segment).to_owned()).collect()
}

#[cfg(test)]
mod tests;
