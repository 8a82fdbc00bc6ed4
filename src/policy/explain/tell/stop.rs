//! The condition at which a body stopped: what it compared, and the rules that it names.

use std::collections::{BTreeMap, BTreeSet};

use super::{Here, MOST_DEPTH, Sought, Teller, Walked};
use crate::input::Value;
use crate::policy::explain::operands::Piece;
use crate::policy::explain::plan::{EveryPlan, Step};
use crate::policy::explain::probes::{self, Question};
use crate::policy::explain::scope::Reads;
use crate::policy::explain::shown::{self, Shown};
use crate::policy::explain::told::{Condition, Element, RuleTold, Stop};
use crate::redact::MASK;

impl Teller<'_> {
    /// Tells of the condition that does not hold.
    pub(super) fn stop(
        &mut self,
        here: Here<'_>,
        (at, step): (usize, &Step),
        rows: &[Value],
    ) -> Stop {
        let known = match at
            .checked_sub(1)
            .and_then(|before| here.body.steps.get(before))
        {
            Some(before) => &before.known,
            None => &here.body.given,
        };
        let bound = probes::row(known, rows.first());
        let (values, mut notes) = self.values(here, (at, step), &bound);
        if step.operands.is_empty() {
            notes.extend(self.missing(&step.reads, &bound));
        }
        notes.extend(self.hidden_in(&step.reads));
        notes.dedup();
        let element = step.every.as_ref();
        let element = element.and_then(|every| self.element(here, (at, every), &bound));
        Stop {
            row: step.row,
            condition: shown::cut(&Shown::source(&step.text)),
            with_values: with_values(step, &values),
            variables: self.variables(step, &bound),
            tried: rows.len(),
            notes,
            element,
            rules: self.rules_of(here, (at, step)),
        }
    }

    /// The text of each operand's value, and what there is to say of them.
    fn values(
        &mut self,
        here: Here<'_>,
        (at, step): (usize, &Step),
        bound: &BTreeMap<String, Value>,
    ) -> (Vec<String>, Vec<String>) {
        let mut notes = Vec::new();
        let mut values = Vec::new();
        for (operand_at, operand) in step.operands.iter().enumerate() {
            let text = shown::cut(&operand.text);
            let found = match self.ask(here.asked(), Question::Operand(at, operand_at)) {
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
            value @ (Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_)) => {
                let text = if sensitive {
                    Shown::masked(value)
                } else {
                    self.shown.value(value)
                };
                Some(format!("{name} = {text}"))
            }
        });
        shown.collect()
    }

    /// The rules and functions that a condition names.
    fn rules_of(&mut self, here: Here<'_>, (at, step): (usize, &Step)) -> Vec<RuleTold> {
        let mut rules = Vec::new();
        if !step.plain || here.depth.saturating_add(1) >= MOST_DEPTH {
            return rules;
        }
        let below = (here.depth.saturating_add(1), Sought::Otherwise);
        for (call_at, call) in step.calls.iter().enumerate() {
            let arguments = self.ask(here.asked(), Question::Call(at, call_at));
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
    pub(super) fn because(&mut self, here: Here<'_>) -> (Vec<Condition>, Vec<RuleTold>) {
        let condition = |step: &Step| Condition {
            row: step.row,
            condition: shown::cut(&Shown::source(&step.text)),
        };
        let mut rules = Vec::new();
        for (at, step) in here.body.steps.iter().enumerate() {
            rules.extend(self.rules_of(here, (at, step)));
        }
        (here.body.steps.iter().map(condition).collect(), rules)
    }

    /// The first element of `every` for which its body does not hold.
    fn element(
        &mut self,
        here: Here<'_>,
        (at, every): (usize, &EveryPlan),
        bound: &BTreeMap<String, Value>,
    ) -> Option<Element> {
        let elements = self.ask(here.asked(), Question::Elements(at)).ok()?;
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
            let inside = Here {
                number: every.body,
                body,
                given: &inner,
                depth: here.depth,
            };
            if matches!(self.walk(inside), Walked::Held(_)) {
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
                body: self.body(every.body, &inner, (here.depth, Sought::ToHold)),
            });
        }
        None
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

/// How many elements of `every` are looked at.
const MOST_ELEMENTS: usize = 200;
