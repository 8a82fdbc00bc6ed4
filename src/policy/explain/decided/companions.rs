//! The definitions that stand beside those of a rule: with the same bodies, and with a value that tells
//! which body it was.

use std::fmt::Write as _;
use std::sync::Arc;

use regorus::unstable::{Expr, ExprRef, Literal, Rule, RuleAssign, RuleBody, RuleHead};

use super::Location;
use crate::input::Value;
use crate::policy::explain::addition::{Addition, PREFIX, row, text_between};
use crate::policy::index::{Index, Meaning, RuleId};
use crate::policy::refs::{Chain, Segment, data_path};

/// The definitions of one rule.
#[derive(Debug, Default)]
pub(super) struct Decides {
    /// Numbers of companions.
    pub(super) companions: Vec<usize>,
    pub(super) default: Option<Location>,
}

/// What stands beside one definition.
#[derive(Debug)]
pub(super) struct Companion {
    /// Where each of its bodies is.
    pub(super) bodies: Vec<Location>,
    /// The rule that the definition only names.
    pub(super) through: Vec<Decides>,
}

/// Writes companions.
pub(super) struct Writer<'i> {
    index: &'i Index,
    pub(super) prefix: String,
    pub(super) additions: Vec<Addition>,
    pub(super) companions: Vec<Companion>,
    /// The rules that ask for all of them.
    pub(super) asked: String,
}

impl<'i> Writer<'i> {
    /// With nothing written.
    pub(super) fn new(index: &'i Index) -> Self {
        Self {
            index,
            prefix: index.fresh_prefix(PREFIX),
            additions: Vec::new(),
            companions: Vec::new(),
            asked: String::new(),
        }
    }

    /// Companions for the definitions of the rules at or below `path`; those that only name another
    /// rule are followed so many steps.
    pub(super) fn rules(&mut self, path: &[String], steps: usize) -> Vec<Decides> {
        let index = self.index;
        let rules = index.rules_below(path);
        rules
            .map(|(path, ids)| self.rule(path, ids, steps))
            .collect()
    }

    fn rule(&mut self, path: &[String], ids: &[RuleId], steps: usize) -> Decides {
        let index = self.index;
        let name: Arc<str> = data_path(path.iter().map(String::as_str)).into();
        let mut decides = Decides::default();
        for (number, id) in ids.iter().enumerate() {
            let Some(rule) = index.rule(*id) else {
                continue;
            };
            let location = Location {
                rule: Arc::clone(&name),
                file: rule.span().source.get_path().as_str().into(),
                row: row(rule),
                index: number,
                default: false,
            };
            match rule.as_ref() {
                Rule::Default { args, .. } if args.is_empty() => {
                    decides.default = Some(Location {
                        default: true,
                        ..location
                    });
                }
                Rule::Default { .. } => {}
                Rule::Spec { head, bodies, .. } => {
                    let first = self.companions.len();
                    if self.definition(*id, head, bodies, &location).is_none() {
                        continue;
                    }
                    decides.companions.extend(first..self.companions.len());
                    let named = (steps > 0).then(|| only_names(index, *id, head, bodies));
                    if let Some(named) = named.flatten() {
                        let through = self.rules(&named, steps.saturating_sub(1));
                        if let Some(companion) = self.companions.get_mut(first) {
                            companion.through = through;
                        }
                    }
                }
            }
        }
        decides
    }

    /// The companions of one definition: one for each chain of bodies.
    fn definition(
        &mut self,
        id: RuleId,
        head: &RuleHead,
        bodies: &[RuleBody],
        location: &Location,
    ) -> Option<()> {
        if matches!(head, RuleHead::Func { .. }) {
            return None;
        }
        let info = self.index.modules.get(id.module)?;
        let mut addition = Addition::beside(&info.module);
        let chains = bodies.chunk_by(|_, next| next.is_else);
        let chains: Vec<&[RuleBody]> = if bodies.is_empty() {
            vec![&[]]
        } else {
            chains.collect()
        };
        for chain in chains {
            let number = self.companions.len();
            let name = format!("{}{number}", self.prefix);
            let mut places = Vec::new();
            match chain.split_first() {
                None => {
                    addition.rule(&name, &value_text(head, None, 0)?, "");
                    places.push(location.clone());
                }
                Some((first, others)) => {
                    addition.rule(&name, &value_text(head, None, 0)?, &body_text(first)?);
                    places.push(location.clone());
                    for (at, other) in others.iter().enumerate() {
                        let value = value_text(head, Some(other), at.saturating_add(1))?;
                        addition.or_else(&value, &body_text(other)?);
                        places.push(Location {
                            row: other.span.line,
                            ..location.clone()
                        });
                    }
                }
            }
            let path = info.package.iter().chain([&name]).map(String::as_str);
            let rule = data_path(path);
            writeln!(
                self.asked,
                "all contains [{number}, found[0]] if found := {rule}"
            )
            .ok();
            self.companions.push(Companion {
                bodies: places,
                through: Vec::new(),
            });
        }
        self.additions.push(addition);
        Some(())
    }
}

/// What a companion's body number `at` gives: the number, and behind it the value itself, which may be
/// undefined. Of a rule with keys any key will do.
fn value_text(head: &RuleHead, other: Option<&RuleBody>, at: usize) -> Option<String> {
    let keyed = |refr: &ExprRef| {
        let segments = Chain::of(refr).segments;
        segments
            .iter()
            .any(|segment| matches!(segment, Segment::Index(_)))
    };
    let assign = match (head, other) {
        (_, Some(body)) => body.assign.as_ref(),
        (RuleHead::Compr { refr, assign, .. }, None) if !keyed(refr) => assign.as_ref(),
        (RuleHead::Compr { .. } | RuleHead::Set { .. } | RuleHead::Func { .. }, None) => None,
    };
    Some(match assign {
        Some(assign) => format!("[{at}, {}]", assigned(assign)?),
        None => format!("[{at}, true]"),
    })
}

/// The text behind `:=`.
pub(in crate::policy::explain) fn assigned(assign: &RuleAssign) -> Option<String> {
    let text = text_between(&assign.span, &assign.span)?;
    let text = text.strip_prefix(":=").or_else(|| text.strip_prefix('='))?;
    Some(text.trim().to_owned())
}

/// The statements of a body.
fn body_text(body: &RuleBody) -> Option<String> {
    let statements = &body.query.stmts;
    match (statements.first(), statements.last()) {
        (Some(first), Some(last)) => text_between(&first.span, &last.span),
        (_, _) => Some(String::new()),
    }
}

/// The rule that a definition does nothing but name: `allow := data.x.allow`, `allow if x.allow`.
fn only_names(
    index: &Index,
    id: RuleId,
    head: &RuleHead,
    bodies: &[RuleBody],
) -> Option<Vec<String>> {
    let RuleHead::Compr { assign, .. } = head else {
        return None;
    };
    let value = assign.as_ref().map(|assign| &assign.value);
    let statements: Vec<_> = bodies.iter().flat_map(|body| &body.query.stmts).collect();
    let reference = match (value, statements.as_slice()) {
        (Some(value), []) => value,
        (value, [statement]) if value.is_none_or(|value| is_true(value)) => {
            match &statement.literal {
                Literal::Expr { expr, .. } if statement.with_mods.is_empty() => expr,
                Literal::Expr { .. }
                | Literal::SomeVars { .. }
                | Literal::SomeIn { .. }
                | Literal::NotExpr { .. }
                | Literal::Every { .. } => return None,
            }
        }
        (_, _) => return None,
    };
    let chain = Chain::of(reference);
    if chain.static_prefix().len() < chain.segments.len() {
        return None;
    }
    let mut meanings = index.meanings(Some(id.module), &chain).into_iter();
    match (meanings.next(), meanings.next()) {
        (Some(Meaning::Data(path)), None) => index.rules.contains_key(&path).then_some(path),
        (_, _) => None,
    }
}

fn is_true(expr: &Expr) -> bool {
    matches!(expr, Expr::Bool { value, .. } if *value == Value::from(true))
}
