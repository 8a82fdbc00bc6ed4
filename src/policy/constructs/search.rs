//! The search for constructs in the rules that an entrypoint reaches.

mod body;

use std::collections::{BTreeMap, BTreeSet};

use regorus::Value;
use regorus::unstable::{Expr, ExprRef, Ref, Rule, RuleAssign, RuleBody, RuleHead, Span};

use super::Construct;
use crate::policy::diagnostic::Diagnostic;
use crate::policy::index::{Index, RuleId};
use crate::policy::refs::{self, Chain};
pub(super) use body::PROVEN_BUILTINS;

/// The constructs found, each with the place where it comes first.
#[derive(Debug, Default)]
pub(super) struct Findings(BTreeMap<Construct, Option<Span>>);

impl Findings {
    pub(super) fn add(&mut self, construct: Construct, place: Option<&Span>) {
        self.0.entry(construct).or_insert_with(|| place.cloned());
    }

    /// What is not proven, for people.
    pub(super) fn unproven(self) -> Vec<Diagnostic> {
        let unproven = self.0.into_iter().filter(|(what, _)| !what.is_proven());
        unproven
            .map(|(what, place)| {
                let message = format!("{} is not proven equal on the virtual machine", what.name());
                match place {
                    Some(span) => Diagnostic::at(&span, message),
                    None => Diagnostic::of_set(message),
                }
            })
            .collect()
    }
}

/// Finds everything that the rules of `reachable` consist of.
pub(super) fn rules(index: &Index, reachable: &BTreeSet<RuleId>, found: &mut Findings) {
    let mut by_path: BTreeMap<Vec<String>, Vec<RuleId>> = BTreeMap::new();
    for id in reachable {
        if let Some(path) = index.path_of(*id) {
            by_path.entry(path).or_default().push(*id);
        }
        if let Some(info) = index.modules.get(id.module)
            && !info.module.rego_v1
        {
            found.add(Construct::RegoV0, Some(&info.module.package.span));
        }
        body::constructs(index, *id, found);
    }
    for ids in by_path.values() {
        let rules: Vec<&Ref<Rule>> = ids.iter().filter_map(|id| index.rule(*id)).collect();
        definitions(&rules, found);
        for (id, rule) in ids.iter().zip(&rules) {
            head(index, *id, rule, found);
        }
    }
}

/// Several definitions of one complete rule or function conflict unless all say one constant.
fn definitions(rules: &[&Ref<Rule>], found: &mut Findings) {
    let mut values = Vec::new();
    let mut last = None;
    for rule in rules {
        match (*rule).as_ref() {
            Rule::Default { .. }
            | Rule::Spec {
                head: RuleHead::Set { .. },
                ..
            } => {}
            Rule::Spec { span, head, bodies } => {
                values.push(values_of(head, bodies));
                last = Some(span);
            }
        }
    }
    if values.len() < 2 {
        return;
    }
    let first = values
        .first()
        .and_then(|values| values.first())
        .cloned()
        .flatten();
    let equal = first.is_some() && values.iter().flatten().all(|value| *value == first);
    let construct = if equal {
        Construct::EqualDefinitions
    } else {
        Construct::DifferingDefinitions
    };
    found.add(construct, last);
}

/// What each body of a definition says; `None` where it is not constant.
fn values_of(head: &RuleHead, bodies: &[RuleBody]) -> Vec<Option<Value>> {
    let of_head = match head {
        RuleHead::Compr { assign, .. } | RuleHead::Func { assign, .. } => assigned(assign.as_ref()),
        RuleHead::Set { .. } => None,
    };
    let mut values = vec![of_head];
    values.extend(
        bodies
            .iter()
            .skip(1)
            .map(|body| assigned(body.assign.as_ref())),
    );
    values
}

/// No value means `true`.
fn assigned(assign: Option<&RuleAssign>) -> Option<Value> {
    match assign {
        None => Some(Value::from(true)),
        Some(assign) => constant(&assign.value),
    }
}

/// The value of an expression made of literals only.
#[expect(
    clippy::wildcard_enum_match_arm,
    reason = "whatever else there is must be evaluated"
)]
fn constant(expr: &ExprRef) -> Option<Value> {
    match expr.as_ref() {
        Expr::String { value, .. }
        | Expr::RawString { value, .. }
        | Expr::Number { value, .. }
        | Expr::Bool { value, .. } => Some(value.clone()),
        Expr::Null { .. } => Some(Value::Null),
        Expr::Array { items, .. } => {
            let items: Option<Vec<Value>> = items.iter().map(constant).collect();
            items.map(Value::from)
        }
        Expr::Object { fields, .. } => {
            let mut value = Value::new_object();
            for (_, key, field) in fields {
                let (key, field) = (constant(key)?, constant(field)?);
                value.as_object_mut().ok()?.insert(key, field);
            }
            Some(value)
        }
        _ => None,
    }
}

fn head(index: &Index, id: RuleId, rule: &Rule, found: &mut Findings) {
    match rule {
        Rule::Default {
            span,
            refr,
            args,
            value,
            ..
        } => {
            found.add(Construct::DefaultRule, Some(span));
            if refs::variable(refr).is_none() {
                found.add(Construct::ReferenceHead, Some(span));
            }
            if !args.is_empty() {
                found.add(Construct::DefaultFunction, Some(span));
            }
            if constant(value).is_none() {
                found.add(Construct::ComputedDefault, Some(value.span()));
            }
        }
        Rule::Spec { span, head, bodies } => {
            let (refr, valued) = match head {
                RuleHead::Compr { refr, .. } => {
                    found.add(Construct::CompleteRule, Some(span));
                    (refr, true)
                }
                RuleHead::Set { refr, .. } => {
                    found.add(Construct::PartialSet, Some(span));
                    (refr, false)
                }
                RuleHead::Func { refr, args, .. } => {
                    found.add(Construct::Function, Some(span));
                    if let Some(pattern) = args.iter().find(|arg| refs::variable(arg).is_none()) {
                        found.add(Construct::FunctionPattern, Some(pattern.span()));
                    }
                    (refr, true)
                }
            };
            if matches!(refr.as_ref(), Expr::RefBrack { .. }) {
                found.add(Construct::PartialObject, Some(span));
            } else if refs::variable(Chain::of(refr).root).is_none()
                || refs::variable(refr).is_none()
            {
                found.add(Construct::ReferenceHead, Some(span));
            }
            let values = values_of(head, bodies);
            for (body, before) in bodies.iter().skip(1).zip(&values) {
                let construct = match before {
                    _ if !body.is_else => Construct::SeveralBodies,
                    Some(_) => Construct::Else,
                    None => Construct::ElseBehindValue,
                };
                found.add(construct, Some(&body.span));
            }
            let constant = values.iter().all(Option::is_some);
            if valued && !constant && body::iterates(index, id) {
                found.add(Construct::IteratedValue, Some(span));
            }
        }
    }
}
