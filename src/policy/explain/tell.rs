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
use super::told::{BodyTold, Condition, DefaultTold, Element, Outcome, RuleTold, Stop};
use crate::input::Value;
use crate::policy::check::analysis;
use crate::policy::load::ModuleSource;
use crate::policy::refs::data_path;
use crate::policy::{EvalError, Limits, Policy};
use crate::redact::MASK;

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
        let (held, outcome) = match self.walk(number, body, given) {
            Walked::Held(values) => {
                let value = values.first().unwrap_or(&Value::Undefined);
                let (because, rules) = match sought {
                    Sought::Otherwise if !is_nothing(value) => {
                        self.because((number, body), given, depth)
                    }
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
                    let stop = self.stop((number, body), (step, at), given, &rows, depth);
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

    fn walk(&mut self, number: usize, body: &Body, given: &[Value]) -> Walked {
        let mut rows = Vec::new();
        for step in 0..=body.steps.len() {
            let held = step.saturating_sub(1);
            match self.ask((number, given), Question::Rows(step)) {
                Err(why) => return Walked::Failed(held, why),
                Ok(none) if none.is_empty() && step == 0 => return Walked::OtherArguments,
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
        let (values, mut notes) = self.values(number, (at, step), given, &bound);
        notes.extend(self.hidden_in(&step.reads));
        notes.dedup();
        let element = step.every.as_ref();
        let element =
            element.and_then(|every| self.element(number, (at, every), given, &bound, depth));
        Stop {
            row: step.row,
            condition: shown::cut(&Shown::source(&step.text)),
            with_values: with_values(step, &values),
            variables: self.variables(step, &bound),
            tried: rows.len(),
            notes,
            element,
            rules: self.rules_of((number, at, step), given, depth),
        }
    }

    /// The text of each operand's value, and what there is to say of them.
    fn values(
        &mut self,
        number: usize,
        (at, step): (usize, &Step),
        given: &[Value],
        bound: &BTreeMap<String, Value>,
    ) -> (Vec<String>, Vec<String>) {
        let mut notes = Vec::new();
        let mut values = Vec::new();
        for (operand_at, operand) in step.operands.iter().enumerate() {
            let text = shown::cut(&operand.text);
            let found = match self.ask((number, given), Question::Operand(at, operand_at)) {
                Ok(found) => found,
                Err(why) => {
                    notes.push(format!("`{text}`: {why}"));
                    values.push(None);
                    continue;
                }
            };
            if found.is_empty() {
                notes.extend(self.missing(&operand.reads, bound));
            }
            if found.len() > 1 {
                let all = found.len();
                notes.push(format!("`{text}` has {all} values, of which none fits"));
            }
            values.push(Some(found.into_iter().next().unwrap_or(Value::Undefined)));
        }
        let shown = |value: &Option<Value>| match value {
            Some(value) => self.shown.value(value),
            None => "…".to_owned(),
        };
        let mut texts: Vec<String> = values.iter().map(shown).collect();
        let read = step.operands.iter().any(|operand| operand.sensitive);
        if read || texts.iter().any(|text| text.contains(MASK)) {
            // What a credential is compared with may be one.
            for (text, value) in texts.iter_mut().zip(&values) {
                if let (false, Some(value)) = (text.contains(MASK), value) {
                    *text = Shown::masked(value);
                }
            }
        }
        (texts, notes)
    }

    /// The variables of a condition that do not stand in it by themselves, where they are short.
    fn variables(&self, step: &Step, bound: &BTreeMap<String, Value>) -> Vec<String> {
        let names: BTreeSet<&String> = step
            .reads
            .iter()
            .filter_map(|read| match read {
                Reads::Local(name, _) => Some(name),
                Reads::Input(_) | Reads::Data(_) => None,
            })
            .filter(|name| step.operands.iter().all(|operand| operand.text != **name))
            .collect();
        let sensitive = step.operands.iter().any(|operand| operand.sensitive);
        let shown = names.into_iter().filter_map(|name| match bound.get(name)? {
            Value::Array(_) | Value::Set(_) | Value::Object(_) | Value::Undefined => None,
            value if sensitive => Some(format!("{name} = {}", Shown::masked(value))),
            value => Some(format!("{name} = {}", self.shown.value(value))),
        });
        shown.collect()
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
        let below = (depth.saturating_add(1), Sought::Otherwise);
        for (call_at, call) in step.calls.iter().enumerate() {
            let arguments = self.ask((number, given), Question::Call(at, call_at));
            let arguments = arguments.ok().and_then(|found| found.into_iter().next());
            if let Some(Value::Array(arguments)) = arguments {
                let arguments = Some(arguments.to_vec());
                rules.push(self.rule(&call.function, arguments, below));
            }
        }
        for path in self.named(&step.reads) {
            rules.push(self.rule(&path, None, below));
        }
        rules
    }

    /// The conditions of a body that holds where it should not, and the rules that they name.
    fn because(
        &mut self,
        (number, body): (usize, &Body),
        given: &[Value],
        depth: usize,
    ) -> (Vec<Condition>, Vec<RuleTold>) {
        let condition = |step: &Step| Condition {
            row: step.row,
            condition: shown::cut(&Shown::source(&step.text)),
        };
        let mut rules = Vec::new();
        for (at, step) in body.steps.iter().enumerate() {
            rules.extend(self.rules_of((number, at, step), given, depth));
        }
        (body.steps.iter().map(condition).collect(), rules)
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
                body: self.body(every.body, &inner, (depth, Sought::ToHold)),
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

/// How many elements of `every` are looked at.
const MOST_ELEMENTS: usize = 200;
