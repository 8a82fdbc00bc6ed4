//! Which definitions gave the answer.
//!
//! Beside every definition of the entrypoint stands one that has the same bodies and whose value tells
//! which body it was; one evaluation asks for all of them. Where a definition is nothing but a
//! reference to another rule, those of that rule are told as well: one step, no further.

mod companions;

use std::sync::{Arc, OnceLock};

pub(super) use companions::assigned;

use companions::{Companion, Decides, Writer};

use crate::input::Value;
use crate::policy::entrypoint::Target;
use crate::policy::index::Index;
use crate::policy::load::ModuleSource;
use crate::policy::refs::data_path;
use crate::policy::run::{Ask, Interpreter};
use crate::policy::{EvalError, EvaluatorError, Externals, Limits, Policy, builtins, modules};

/// One definition of a rule, or one `else` of it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Location {
    /// The rule, as `data.envoy.authz.allow`.
    pub rule: Arc<str>,
    /// The file it is in.
    pub file: Arc<str>,
    /// The line it begins at, from 1; of an `else` its own.
    pub row: u32,
    /// Its number among the definitions of the rule, in the order of the files, from 0.
    pub index: usize,
    /// Whether it is the rule's `default`.
    pub default: bool,
}

/// What finds out which definitions decided; made when somebody asks.
#[derive(Debug)]
pub(in crate::policy) struct Deciders {
    entrypoint: Option<Vec<String>>,
    ready: OnceLock<Result<Ready, String>>,
}

impl Deciders {
    /// For the rules that `target` asks for; nothing is known of one that is a query.
    pub(in crate::policy) fn of(target: &Target) -> Self {
        Self {
            entrypoint: target.path().map(<[String]>::to_vec),
            ready: OnceLock::new(),
        }
    }

    /// The same, made anew.
    pub(in crate::policy) fn again(&self) -> Self {
        Self {
            entrypoint: self.entrypoint.clone(),
            ready: OnceLock::new(),
        }
    }
}

impl Policy {
    /// The definitions that gave the answer to this input: those of the entrypoint that hold, else its
    /// `default`. Where one of them only names another rule, that rule's definitions follow it. Empty
    /// for an entrypoint that is a query, and where the answer comes from base data.
    ///
    /// The first call compiles the policy once more. Evaluates on the interpreter: not for the line.
    pub fn decided_by(
        &self,
        input: Value,
        limits: Limits,
        externals: &mut Externals,
    ) -> Result<Vec<Location>, EvalError> {
        let Some(entrypoint) = &self.deciders.entrypoint else {
            return Ok(Vec::new());
        };
        let ready = self.deciders.ready.get_or_init(|| {
            let index = self.rules.of(&self.runner);
            Ready::new(index, entrypoint, self.runner.interpreter().engine())
        });
        match ready {
            Ok(ready) => ready.decided_by(input, limits, externals),
            Err(why) => Err(EvalError::Failed(EvaluatorError(why.clone()))),
        }
    }
}

/// A compiled policy with the companions in it.
#[derive(Debug)]
struct Ready {
    asked: Interpreter,
    question: Ask,
    /// What each companion's number stands for.
    companions: Vec<Companion>,
    entrypoint: Vec<Decides>,
}

impl Ready {
    fn new(
        index: &Index,
        entrypoint: &[String],
        mut engine: regorus::Engine,
    ) -> Result<Self, String> {
        let mut writer = Writer::new(index);
        let entrypoint = writer.rules(entrypoint, 1);
        let Writer {
            prefix,
            additions,
            companions,
            asked,
            ..
        } = writer;
        let package = format!("{prefix}by");
        let collector = ModuleSource {
            name: format!("<{package}>"),
            text: format!("package {package}\n{asked}\nnobody := []\n"),
            v0: false,
            bundle: None,
        };
        let sources = additions.into_iter().enumerate();
        let sources = sources.map(|(at, addition)| addition.source(format!("<{prefix}{at}>")));
        for source in sources.chain([collector]) {
            modules::add(&mut engine, &source)?;
        }
        let rule = data_path([
            package.as_str(),
            if asked.is_empty() { "nobody" } else { "all" },
        ]);
        engine
            .compile_with_entrypoint(&rule.as_str().into())
            .map_err(|error| error.to_string())?;
        Ok(Self {
            asked: Interpreter::asking(&engine, String::new()),
            question: Ask::Rule(rule),
            companions,
            entrypoint,
        })
    }

    fn decided_by(
        &self,
        input: Value,
        limits: Limits,
        externals: &mut Externals,
    ) -> Result<Vec<Location>, EvalError> {
        let ask = || self.asked.answer(&self.question, input, limits);
        let value = builtins::observed(limits, || externals.during(ask))?;
        let held = held(&value);
        let mut found = Vec::new();
        self.collect(&self.entrypoint, &held, &mut found);
        Ok(found)
    }

    fn collect(&self, decides: &[Decides], held: &[(usize, usize)], found: &mut Vec<Location>) {
        for rule in decides {
            let before = found.len();
            for number in &rule.companions {
                let body = held.iter().find(|(held, _)| held == number);
                let companion = self.companions.get(*number);
                if let (Some((_, body)), Some(companion)) = (body, companion) {
                    found.extend(companion.bodies.get(*body).cloned());
                    self.collect(&companion.through, held, found);
                }
            }
            if found.len() == before {
                found.extend(rule.default.clone());
            }
        }
    }
}

/// The companions that have a value, each with the number of its body.
fn held(value: &Value) -> Vec<(usize, usize)> {
    let number = |value: &Value| usize::try_from(value.as_u64().ok()?).ok();
    let pair = |value: &Value| {
        let items = value.as_array().ok()?;
        Some((number(items.first()?)?, number(items.get(1)?)?))
    };
    value
        .as_set()
        .map(|set| set.iter().filter_map(pair).collect())
        .unwrap_or_default()
}

#[cfg(test)]
mod tests;
