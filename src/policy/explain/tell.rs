//! Following a decision back: from the entrypoint to the condition that does not hold, and from there
//! into the rules and functions that it names.

mod missing;
mod stop;

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use super::plan::{Body, Definition};
use super::probes::{Probes, Question};
use super::scope::Reads;
use super::shown::{self, Shown, UNDEFINED};
use super::told::{BodyTold, DefaultTold, Outcome, RuleTold};
use crate::input::Value;
use crate::policy::check::analysis;
use crate::policy::load::ModuleSource;
use crate::policy::refs::data_path;
use crate::policy::{EvalError, Limits, Policy};

/// One explanation on its way.
pub(super) struct Teller<'e> {
    pub(super) policy: &'e Policy,
    pub(super) probes: &'e Probes,
    pub(super) sources: &'e [ModuleSource],
    pub(super) input: &'e Value,
    /// What is not in the input because somebody hid it, as paths below `input`.
    pub(super) hidden: &'e [Vec<String>],
    pub(super) shown: Shown<'e>,
    pub(super) limits: Limits,
    pub(super) begun: Instant,
    pub(super) time: Duration,
    /// What was told already.
    pub(super) told: BTreeSet<(Vec<String>, Vec<Value>)>,
    /// Why telling came to an end.
    pub(super) cut_short: Option<String>,
}

/// A body that is told of.
#[derive(Clone, Copy)]
struct Here<'b> {
    number: usize,
    body: &'b Body,
    given: &'b [Value],
    depth: usize,
}

impl<'b> Here<'b> {
    /// What it is asked as.
    fn asked(self) -> (usize, &'b [Value]) {
        (self.number, self.given)
    }
}

/// What a rule would have to be for the request to be let through, as far as that is known.
#[derive(Clone, Copy, Debug)]
pub(super) enum Sought {
    /// To have a value, or one that lets through.
    ToHold,
    /// To have another value than it has.
    Otherwise,
}

/// How far the conditions of a body hold.
enum Walked {
    /// All of them, and these are its values.
    Held(Vec<Value>),
    /// Up to the step of this number, in these ways.
    Stopped(usize, Vec<Value>),
    /// It is for other arguments.
    OtherArguments,
    /// Nobody knows: how many hold, and why no more is known.
    Failed(usize, String),
}

impl Teller<'_> {
    /// Tells of the rule at `path`; `arguments` are those of a function.
    pub(super) fn rule(
        &mut self,
        path: &[String],
        arguments: Option<Vec<Value>>,
        (depth, sought): (usize, Sought),
    ) -> RuleTold {
        let probes = self.probes;
        let definitions = probes.plans.definitions.iter();
        let definitions: Vec<&Definition> = definitions.filter(|it| it.path == path).collect();
        let given = arguments.clone().unwrap_or_default();
        let repeated = !self.told.insert((path.to_vec(), given.clone()));
        let mut told = RuleTold {
            rule: data_path(path.iter().map(String::as_str)),
            arguments: arguments.map(|them| them.iter().map(|it| self.shown.value(it)).collect()),
            value: String::new(),
            definitions: Vec::new(),
            default: None,
            elsewhere: repeated,
        };
        let own = if told.arguments.is_none() {
            Some(self.value_text(path))
        } else {
            None
        };
        if !repeated && depth < MOST_DEPTH {
            let mut bodies = Vec::new();
            for definition in &definitions {
                bodies.extend(self.definition(definition, &given, (depth, sought)));
            }
            bodies.sort_by_key(|(order, _)| *order);
            told.definitions = bodies.into_iter().map(|(_, body)| body).collect();
        }
        let held = told
            .definitions
            .iter()
            .find_map(|body| match &body.outcome {
                Outcome::Held { value, .. } if value != UNDEFINED => Some(value.clone()),
                Outcome::Held { .. }
                | Outcome::Stopped(_)
                | Outcome::NotTried
                | Outcome::OtherArguments(_)
                | Outcome::Untold(_) => None,
            });
        let default = definitions.iter().find_map(|definition| {
            let value = definition.default.as_ref()?;
            Some(DefaultTold {
                file: definition.file.clone(),
                row: definition.row,
                value: shown::cut(&Shown::source(value)),
                used: held.is_none(),
            })
        });
        let of_default = default.as_ref().map(|default| default.value.clone());
        told.value = own
            .or(held)
            .or(of_default)
            .unwrap_or_else(|| UNDEFINED.to_owned());
        told.default = default;
        told
    }

    /// Each body of a definition, with its place in the order of nearness.
    fn definition(
        &mut self,
        definition: &Definition,
        given: &[Value],
        at: (usize, Sought),
    ) -> Vec<(Nearness, BodyTold)> {
        let probes = self.probes;
        let mut told = Vec::new();
        let mut earlier_holds = false;
        for number in &definition.bodies {
            let Some(body) = probes.plans.bodies.get(*number) else {
                continue;
            };
            let of_body = if body.is_else && earlier_holds {
                BodyTold {
                    outcome: Outcome::NotTried,
                    ..empty(body)
                }
            } else {
                self.body(*number, given, at)
            };
            let holds = is_held(&of_body);
            earlier_holds = holds || (body.is_else && earlier_holds);
            told.push((nearness(body, &of_body), of_body));
        }
        told
    }

    /// Tells of one body.
    fn body(
        &mut self,
        number: usize,
        given: &[Value],
        (depth, sought): (usize, Sought),
    ) -> BodyTold {
        let probes = self.probes;
        let Some(body) = probes.plans.bodies.get(number) else {
            return unknown();
        };
        let here = Here {
            number,
            body,
            given,
            depth,
        };
        let (held, outcome) = match self.walk(here) {
            Walked::Held(values) => {
                let value = values.first().unwrap_or(&Value::Undefined);
                let (because, rules) = match sought {
                    Sought::Otherwise if !is_nothing(value) => self.because(here),
                    Sought::Otherwise | Sought::ToHold => {
                        (Vec::new(), self.behind_value(body, depth))
                    }
                };
                let value = self.shown.value(value);
                let held = Outcome::Held {
                    value,
                    because,
                    rules,
                };
                (body.steps.len(), held)
            }
            Walked::Stopped(step, rows) => match body.steps.get(step) {
                Some(at) => {
                    let stop = self.stop(here, (step, at), &rows);
                    (step, Outcome::Stopped(Box::new(stop)))
                }
                None => (0, Outcome::Untold("it has no such condition".to_owned())),
            },
            Walked::OtherArguments => {
                let parameters = Shown::source(&body.arguments.join(", "));
                (0, Outcome::OtherArguments(shown::cut(&parameters)))
            }
            Walked::Failed(held, why) => (held, Outcome::Untold(why)),
        };
        BodyTold {
            held,
            outcome,
            ..empty(body)
        }
    }

    fn walk(&mut self, here: Here<'_>) -> Walked {
        let body = here.body;
        if body.closed {
            return Walked::Failed(0, "it cannot be asked by itself".to_owned());
        }
        let mut rows = Vec::new();
        for step in 0..=body.steps.len() {
            let held = step.saturating_sub(1);
            match self.ask(here.asked(), Question::Rows(step)) {
                Err(why) => return Walked::Failed(held, why),
                Ok(none) if none.is_empty() && step == 0 => return Walked::OtherArguments,
                Ok(none) if none.is_empty() => return Walked::Stopped(held, rows),
                Ok(some) => rows = some,
            }
        }
        if body.value.is_none() {
            return Walked::Held(vec![true.into()]);
        }
        match self.ask(here.asked(), Question::Value) {
            Ok(values) => Walked::Held(values),
            Err(why) => Walked::Failed(body.steps.len(), why),
        }
    }

    fn ask(&mut self, body: (usize, &[Value]), question: Question) -> Result<Vec<Value>, String> {
        if self.begun.elapsed() > self.time {
            let why = format!("telling it took longer than {:?}", self.time);
            self.cut_short = Some(why.clone());
            return Err(why);
        }
        let answer = self.probes.ask(body, question, self.input, self.limits);
        answer.map_err(|error| self.error_text(&error))
    }

    fn error_text(&self, error: &EvalError) -> String {
        match error {
            EvalError::Failed(why) | EvalError::Conflict(Some(why)) => {
                let message = analysis::located(&why.0, self.sources).message;
                format!("{error}: {}", Shown::source(&message))
            }
            EvalError::Undefined
            | EvalError::Conflict(None)
            | EvalError::TimeLimit
            | EvalError::InstructionLimit(_)
            | EvalError::MemoryLimit(_)
            | EvalError::Awaits => error.to_string(),
        }
    }

    /// The rules that a held body's value is made of and that have nothing to give but denials.
    fn behind_value(&mut self, body: &Body, depth: usize) -> Vec<RuleTold> {
        let mut rules = Vec::new();
        if depth.saturating_add(1) >= MOST_DEPTH {
            return rules;
        }
        for path in self.named(&body.value_reads) {
            let value = self.value_at(&path);
            if value.as_ref().is_none_or(is_nothing) {
                let below = (depth.saturating_add(1), Sought::ToHold);
                rules.push(self.rule(&path, None, below));
            }
        }
        rules
    }

    /// The rules among `reads`, each once.
    fn named(&self, reads: &[Reads]) -> Vec<Vec<String>> {
        let mut found: Vec<Vec<String>> = Vec::new();
        for read in reads {
            let Reads::Data(path) = read else { continue };
            let definitions = self.probes.plans.definitions.iter();
            let rule = definitions
                .filter(|it| path.starts_with(&it.path))
                .filter(|it| {
                    let bodies = it
                        .bodies
                        .iter()
                        .filter_map(|at| self.probes.plans.bodies.get(*at));
                    bodies.clone().all(|body| body.arguments.is_empty())
                })
                .max_by_key(|it| it.path.len());
            if let Some(rule) = rule
                && !found.contains(&rule.path)
            {
                found.push(rule.path.clone());
            }
        }
        found
    }

    fn value_at(&self, path: &[String]) -> Option<Value> {
        let path: Vec<&str> = path.iter().map(String::as_str).collect();
        let value = self.policy.query(&path, self.input.clone(), self.limits);
        value.ok().flatten()
    }

    fn value_text(&self, path: &[String]) -> String {
        let path: Vec<&str> = path.iter().map(String::as_str).collect();
        match self.policy.query(&path, self.input.clone(), self.limits) {
            Ok(Some(value)) => self.shown.value(&value),
            Ok(None) => UNDEFINED.to_owned(),
            Err(error) => self.error_text(&error),
        }
    }
}

/// Whether a value has nothing to let a request through with.
fn is_nothing(value: &Value) -> bool {
    match value {
        Value::Undefined | Value::Null => true,
        Value::Bool(value) => !value,
        Value::Array(items) => items.iter().all(is_nothing),
        Value::Set(items) => items.iter().all(is_nothing),
        Value::Object(fields) => {
            fields.is_empty() || fields.get(&"allowed".into()) == Some(&false.into())
        }
        Value::Number(_) | Value::String(_) => false,
    }
}

/// In which order bodies are told: those that hold, then those that could let a request through, the
/// fewest missing conditions first.
type Nearness = (u8, usize, std::cmp::Reverse<usize>);

fn nearness(body: &Body, told: &BodyTold) -> Nearness {
    let class = match &told.outcome {
        Outcome::Held { .. } => 0,
        Outcome::Stopped(_) if body.may_allow => 1,
        Outcome::Untold(_) => 2,
        Outcome::Stopped(_) => 3,
        Outcome::NotTried | Outcome::OtherArguments(_) => 4,
    };
    let missing = told.conditions.saturating_sub(told.held);
    (class, missing, std::cmp::Reverse(told.held))
}

fn is_held(told: &BodyTold) -> bool {
    match &told.outcome {
        Outcome::Held { value, .. } => value != UNDEFINED,
        Outcome::Stopped(_)
        | Outcome::NotTried
        | Outcome::OtherArguments(_)
        | Outcome::Untold(_) => false,
    }
}

fn empty(body: &Body) -> BodyTold {
    BodyTold {
        file: body.file.clone(),
        row: body.row,
        is_else: body.is_else,
        conditions: body.steps.len(),
        held: 0,
        outcome: Outcome::NotTried,
    }
}

fn unknown() -> BodyTold {
    BodyTold {
        file: String::new(),
        row: 0,
        is_else: false,
        conditions: 0,
        held: 0,
        outcome: Outcome::Untold("it is not known".to_owned()),
    }
}

/// How many rules deep is told.
const MOST_DEPTH: usize = 12;
