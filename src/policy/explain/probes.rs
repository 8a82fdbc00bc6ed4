//! Questions about the insides of rules, asked of the evaluator itself: for every statement a rule that
//! gives all the ways in which the body holds up to there, for every operand one that gives its value.
//!
//! They are written as Rego beside the policy and go the same way as it does, so that they mean what it
//! means. What does not compile by itself is asked together with its neighbour, or not at all: order
//! matters little in Rego, and a statement may need one that stands behind it.

mod write;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use super::addition::PREFIX;
use super::plan::{Adjusted, Plans};
use crate::input::Value;
use crate::policy::check::analysis;
use crate::policy::data::DataTree;
use crate::policy::diagnostic::Diagnostic;
use crate::policy::entrypoint::Target;
use crate::policy::index::Index;
use crate::policy::load::ModuleSource;
use crate::policy::refs::data_path;
use crate::policy::run::{Ask, Interpreter};
use crate::policy::{EvalError, Limits, LoadError, LoadOptions, builtins, modules};
use write::{Kind, Spot, Written};

/// A policy with questions about it.
#[derive(Debug)]
pub(super) struct Probes {
    pub(super) plans: Plans,
    prefix: String,
    /// The package of each module.
    packages: Vec<Vec<String>>,
    asked: Interpreter,
    /// What the questions of functions and of `every` are given.
    given: Arc<Mutex<Vec<Value>>>,
}

/// Which question.
#[derive(Clone, Copy, Debug)]
pub(super) enum Question {
    /// All ways in which the first so many statements hold.
    Rows(usize),
    /// The values of the body.
    Value,
    /// The values of an operand of a step.
    Operand(usize, usize),
    /// The arguments of a call in a step.
    Call(usize, usize),
    /// Key and value of what `every` goes through in a step.
    Elements(usize),
}

impl Probes {
    /// Questions about all that `target` can reach.
    pub(super) fn new(
        sources: &[ModuleSource],
        index: &Index,
        data: &DataTree,
        target: &Target,
        options: &LoadOptions,
    ) -> Result<Self, LoadError> {
        let reachable = target.reachable(index);
        let prefix = index.fresh_prefix(PREFIX);
        let given = Arc::new(Mutex::new(Vec::new()));
        let mut adjusted = Adjusted::default();
        let mut problems = Vec::new();
        for _ in 0..MOST_ATTEMPTS {
            let plans = Plans::new(index, &reachable, &adjusted);
            let written = write::all(index, &plans, &adjusted, &prefix);
            let built = build(sources, &written, data, options, (&prefix, &given));
            problems = match built {
                Ok(engine) => {
                    return Ok(Self {
                        plans,
                        prefix,
                        packages: index.modules.iter().map(|m| m.package.clone()).collect(),
                        asked: Interpreter::asking(&engine, String::new()),
                        given,
                    });
                }
                Err(problems) => problems,
            };
            let mut helped = false;
            for problem in &problems {
                let spot = written.spot(problem);
                helped |= spot.is_some_and(|spot| adjust(&plans, spot, &mut adjusted));
            }
            if !helped {
                break;
            }
        }
        Err(LoadError(problems))
    }

    /// Asks about body number `body`, which was given `given`.
    pub(super) fn ask(
        &self,
        (body, given): (usize, &[Value]),
        question: Question,
        input: &Value,
        limits: Limits,
    ) -> Result<Vec<Value>, EvalError> {
        let planned = self.plans.bodies.get(body);
        let package = planned.and_then(|planned| self.packages.get(planned.module));
        let name = write::name(&self.prefix, body, question);
        let path = package.into_iter().flatten().chain([&name]);
        let rule = Ask::Rule(data_path(path.map(String::as_str)));
        self.given
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone_from(&given.to_vec());
        let ask = || self.asked.answer(&rule, input.clone(), limits);
        match builtins::observed(limits, ask)? {
            Value::Array(values) => Ok(values.to_vec()),
            Value::Null
            | Value::Bool(_)
            | Value::Number(_)
            | Value::String(_)
            | Value::Set(_)
            | Value::Object(_)
            | Value::Undefined => Ok(Vec::new()),
        }
    }
}

/// Compiles the policy with the questions, or says which do not compile.
fn build(
    sources: &[ModuleSource],
    written: &Written,
    data: &DataTree,
    options: &LoadOptions,
    (prefix, given): (&str, &Arc<Mutex<Vec<Value>>>),
) -> Result<regorus::Engine, Vec<Diagnostic>> {
    let all = sources.iter().chain(&written.sources).cloned().collect();
    let mut problems = Vec::new();
    let mut parsed = modules::parse(all, &mut problems);
    if !problems.is_empty() {
        return Err(problems);
    }
    let unusable = |error: &dyn std::fmt::Display| vec![Diagnostic::of_set(error.to_string())];
    let strict = options.strict_builtin_errors;
    parsed.engine.set_strict_builtin_errors(strict);
    builtins::add(&mut parsed.engine, &parsed.index, None, strict)
        .map_err(|error| unusable(&error))?;
    let given = Arc::clone(given);
    let bound = move |arguments: Vec<Value>| {
        let number = arguments.first().and_then(|at| at.as_u64().ok());
        let number = number.and_then(|at| usize::try_from(at).ok());
        let given = given.lock().unwrap_or_else(PoisonError::into_inner);
        Ok(number
            .and_then(|at| given.get(at))
            .cloned()
            .unwrap_or(Value::Undefined))
    };
    let name = write::bound(prefix);
    parsed
        .engine
        .add_extension(name, 1, Box::new(bound))
        .map_err(|error| unusable(&error))?;
    parsed
        .engine
        .add_data(data.root().clone())
        .map_err(|error| unusable(&error))?;
    let rule = parsed
        .index
        .rules
        .keys()
        .next()
        .cloned()
        .unwrap_or_default();
    let rule = data_path(rule.iter().map(String::as_str));
    match parsed.engine.compile_with_entrypoint(&rule.into()) {
        Ok(_) => Ok(parsed.engine),
        // The preparation is over when the rule is looked up.
        Err(error) if error.to_string() == "not a valid rule path" => Ok(parsed.engine),
        Err(error) => Err(vec![analysis::located(&error.to_string(), &parsed.sources)]),
    }
}

/// Leaves out what does not compile; whether that is anything new.
fn adjust(plans: &Plans, spot: &Spot, adjusted: &mut Adjusted) -> bool {
    let steps = plans
        .bodies
        .get(spot.body)
        .map(|body| body.steps.as_slice());
    match spot.kind {
        Kind::Begin => adjusted.closed.insert(spot.body),
        Kind::Other => adjusted.dropped.insert(spot.name.clone()),
        Kind::Step(number) => {
            let steps = steps.unwrap_or_default();
            let next = steps.get(number.saturating_add(1));
            let other = next.or_else(|| steps.get(number).filter(|_| number > 0));
            match other {
                Some(step) => adjusted.joined.insert((spot.body, step.at)),
                None => adjusted.closed.insert(spot.body),
            }
        }
    }
}

/// How often what does not compile is left out before nothing is asked at all.
const MOST_ATTEMPTS: usize = 64;

/// By variable, what one way of holding has bound.
pub(super) fn row(names: &[String], row: Option<&Value>) -> BTreeMap<String, Value> {
    let values = row.and_then(|row| row.as_array().ok());
    let values = values.into_iter().flat_map(|values| values.iter());
    names.iter().cloned().zip(values.cloned()).collect()
}
