//! Following a decision back: from the entrypoint to the condition that does not hold, and from there
//! into the rules and functions that it names.

mod missing;

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use super::operands::Piece;
use super::plan::{Body, Definition, EveryPlan, Step};
use super::probes::{self, Probes, Question};
use super::scope::Reads;
use super::shown::{self, Shown, UNDEFINED};
use super::told::{BodyTold, DefaultTold, Element, Outcome, RuleTold, Stop};
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
    pub(super) shown: Shown,
    pub(super) limits: Limits,
    pub(super) begun: Instant,
    pub(super) time: Duration,
    /// What was told already.
    pub(super) told: BTreeSet<(Vec<String>, Vec<Value>)>,
    /// Why telling came to an end.
    pub(super) cut_short: Option<String>,
}

/// How far the conditions of a body hold.
enum Walked {
    /// All of them, and these are its values.
    Held(Vec<Value>),
    /// Up to the step of this number, in these ways.
    Stopped(usize, Vec<Value>),
    /// Nobody knows: how many hold, and why no more is known.
    Failed(usize, String),
}

impl Teller<'_> {
    /// Tells of the rule at `path`; `arguments` are those of a function.
    pub(super) fn rule(
        &mut self,
        path: &[String],
        arguments: Option<Vec<Value>>,
        depth: usize,
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
                bodies.extend(self.definition(definition, &given, depth));
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
        depth: usize,
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
                self.body(*number, given, depth)
            };
            let holds = is_held(&of_body);
            earlier_holds = holds || (body.is_else && earlier_holds);
            told.push((nearness(body, &of_body), of_body));
        }
        told
    }

    /// Tells of one body.
    fn body(&mut self, number: usize, given: &[Value], depth: usize) -> BodyTold {
        let probes = self.probes;
        let Some(body) = probes.plans.bodies.get(number) else {
            return unknown();
        };
        let (held, outcome) = match self.walk(number, body, given) {
            Walked::Held(values) => {
                let value = values.first().unwrap_or(&Value::Undefined);
                let rules = self.behind_value(body, depth);
                let value = self.shown.value(value);
                (body.steps.len(), Outcome::Held { value, rules })
            }
            Walked::Stopped(step, rows) => {
                let stop = match body.steps.get(step) {
                    Some(at) => self.stop((number, body), (step, at), given, &rows, depth),
                    None => arguments_differ(body),
                };
                let held = if rows.is_empty() { 0 } else { step };
                (held, Outcome::Stopped(Box::new(stop)))
            }
            Walked::Failed(held, why) => (held, Outcome::Untold(why)),
        };
        BodyTold {
            held,
            outcome,
            ..empty(body)
        }
    }

    fn walk(&mut self, number: usize, body: &Body, given: &[Value]) -> Walked {
        let mut rows = Vec::new();
        for step in 0..=body.steps.len() {
            let held = step.saturating_sub(1);
            match self.ask((number, given), Question::Rows(step)) {
                Err(why) => return Walked::Failed(held, why),
                // The arguments do not match.
                Ok(none) if none.is_empty() && step == 0 => {
                    return Walked::Stopped(usize::MAX, Vec::new());
                }
                Ok(none) if none.is_empty() => return Walked::Stopped(held, rows),
                Ok(some) => rows = some,
            }
        }
        if body.value.is_none() {
            return Walked::Held(vec![true.into()]);
        }
        match self.ask((number, given), Question::Value) {
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

    /// Tells of the condition that does not hold.
    fn stop(
        &mut self,
        (number, body): (usize, &Body),
        (at, step): (usize, &Step),
        given: &[Value],
        rows: &[Value],
        depth: usize,
    ) -> Stop {
        let known = match at.checked_sub(1).and_then(|before| body.steps.get(before)) {
            Some(before) => &before.known,
            None => &body.given,
        };
        let bound = probes::row(known, rows.first());
        let sensitive = step.operands.iter().any(|operand| operand.sensitive);
        let mut notes = Vec::new();
        let mut values = Vec::new();
        for (operand_at, operand) in step.operands.iter().enumerate() {
            let question = Question::Operand(at, operand_at);
            let text = match self.ask((number, given), question) {
                Err(why) => {
                    notes.push(format!("`{}`: {why}", shown::cut(&operand.text)));
                    "…".to_owned()
                }
                Ok(found) => {
                    if found.len() > 1 {
                        let all = found.len();
                        let text = shown::cut(&operand.text);
                        notes.push(format!("`{text}` has {all} values, of which none fits"));
                    }
                    match found.first() {
                        None => {
                            notes.extend(self.missing(&operand.reads, &bound));
                            UNDEFINED.to_owned()
                        }
                        Some(value) if sensitive => Shown::masked(value),
                        Some(value) => self.shown.value(value),
                    }
                }
            };
            values.push(text);
        }
        notes.extend(self.hidden_in(&step.reads));
        notes.dedup();
        let element = step.every.as_ref();
        let element =
            element.and_then(|every| self.element(number, (at, every), given, &bound, depth));
        Stop {
            row: step.row,
            condition: shown::cut(&Shown::source(&step.text)),
            with_values: with_values(step, &values),
            tried: rows.len(),
            notes,
            element,
            rules: self.rules_of((number, at, step), given, depth),
        }
    }

    /// The rules and functions that a condition names.
    fn rules_of(
        &mut self,
        (number, at, step): (usize, usize, &Step),
        given: &[Value],
        depth: usize,
    ) -> Vec<RuleTold> {
        let mut rules = Vec::new();
        if !step.plain || depth.saturating_add(1) >= MOST_DEPTH {
            return rules;
        }
        for (call_at, call) in step.calls.iter().enumerate() {
            let arguments = self.ask((number, given), Question::Call(at, call_at));
            let arguments = arguments.ok().and_then(|found| found.into_iter().next());
            if let Some(Value::Array(arguments)) = arguments {
                let arguments = Some(arguments.to_vec());
                rules.push(self.rule(&call.function, arguments, depth.saturating_add(1)));
            }
        }
        for path in self.named(&step.reads) {
            rules.push(self.rule(&path, None, depth.saturating_add(1)));
        }
        rules
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
                rules.push(self.rule(&path, None, depth.saturating_add(1)));
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

    /// The first element of `every` for which its body does not hold.
    fn element(
        &mut self,
        number: usize,
        (at, every): (usize, &EveryPlan),
        given: &[Value],
        bound: &BTreeMap<String, Value>,
        depth: usize,
    ) -> Option<Element> {
        let elements = self.ask((number, given), Question::Elements(at)).ok()?;
        let body = self.probes.plans.bodies.get(every.body)?;
        let of = elements.len();
        for (element_at, element) in elements.iter().take(MOST_ELEMENTS).enumerate() {
            let pair = element.as_array().ok()?;
            let (key, value) = (pair.first()?, pair.get(1)?);
            let of_name = |name: &String| {
                if *name == every.value {
                    value.clone()
                } else if every.key.as_ref() == Some(name) {
                    key.clone()
                } else {
                    bound.get(name).cloned().unwrap_or(Value::Undefined)
                }
            };
            let inner: Vec<Value> = body.given.iter().map(of_name).collect();
            if matches!(self.walk(every.body, body, &inner), Walked::Held(_)) {
                continue;
            }
            let named = every.key.iter().map(|name| (name, key));
            let named = named.chain([(&every.value, value)]);
            let named = named.filter(|(name, _)| *name != "_");
            let binding =
                named.map(|(name, value)| format!("{name} = {}", self.shown.value(value)));
            return Some(Element {
                binding: binding.collect::<Vec<_>>().join(", "),
                number: element_at.saturating_add(1),
                of,
                body: self.body(every.body, &inner, depth),
            });
        }
        None
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

/// The condition with values in the place of its operands.
fn with_values(step: &Step, values: &[String]) -> Option<String> {
    if values.is_empty() {
        return None;
    }
    let pieces = step.pieces.iter().map(|piece| match piece {
        Piece::Text(text) => text.as_str(),
        Piece::Operand(at) => values.get(*at).map_or("…", String::as_str),
    });
    Some(pieces.collect())
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
        Outcome::NotTried => 4,
    };
    let missing = told.conditions.saturating_sub(told.held);
    (class, missing, std::cmp::Reverse(told.held))
}

fn is_held(told: &BodyTold) -> bool {
    match &told.outcome {
        Outcome::Held { value, .. } => value != UNDEFINED,
        Outcome::Stopped(_) | Outcome::NotTried | Outcome::Untold(_) => false,
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

fn arguments_differ(body: &Body) -> Stop {
    Stop {
        row: body.row,
        condition: shown::cut(&Shown::source(&format!("({})", body.arguments.join(", ")))),
        with_values: None,
        tried: 1,
        notes: vec!["the arguments are others".to_owned()],
        element: None,
        rules: Vec::new(),
    }
}

/// How many rules deep is told.
const MOST_DEPTH: usize = 12;

/// How many elements of `every` are looked at.
const MOST_ELEMENTS: usize = 200;
