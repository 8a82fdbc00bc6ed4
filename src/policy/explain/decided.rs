//! Which definitions gave the answer.
//!
//! Beside every definition of the entrypoint stands one that has the same bodies and whose value tells
//! which body it was; one evaluation asks for all of them. Where a definition is nothing but a
//! reference to another rule, those of that rule are told as well: one step, no further.

use std::sync::{Arc, OnceLock};

use regorus::unstable::{Expr, ExprRef, Literal, Rule, RuleAssign, RuleBody, RuleHead};

use super::addition::{Addition, fresh_prefix, row, text_between};
use crate::input::Value;
use crate::policy::index::{Index, Meaning, RuleId};
use crate::policy::load::ModuleSource;
use crate::policy::refs::{Chain, Segment, data_path};
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
    /// For the rules at `entrypoint`; nothing is known of an entrypoint that is no path.
    pub(in crate::policy) fn new(entrypoint: Option<Vec<String>>) -> Self {
        Self {
            entrypoint,
            ready: OnceLock::new(),
        }
    }

    /// The rule whose definitions they are.
    pub(in crate::policy) fn entrypoint(&self) -> Option<&[String]> {
        self.entrypoint.as_deref()
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
        let Some(entrypoint) = self.deciders.entrypoint() else {
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
    entrypoint: Decides,
}

/// The definitions of one rule.
#[derive(Debug, Default)]
struct Decides {
    /// Numbers of companions.
    companions: Vec<usize>,
    default: Option<Location>,
}

/// What stands beside one definition.
#[derive(Debug)]
struct Companion {
    /// Where each of its bodies is.
    bodies: Vec<Location>,
    /// The rule that the definition only names.
    through: Option<Decides>,
}

impl Ready {
    fn new(
        index: &Index,
        entrypoint: &[String],
        mut engine: regorus::Engine,
    ) -> Result<Self, String> {
        let modules = index.modules.iter().map(|info| &*info.module);
        let mut writer = Writer {
            index,
            prefix: fresh_prefix(modules),
            additions: Vec::new(),
            companions: Vec::new(),
            asked: String::new(),
        };
        let entrypoint = writer.rule(entrypoint, 1);
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

    fn collect(&self, decides: &Decides, held: &[(usize, usize)], found: &mut Vec<Location>) {
        let before = found.len();
        for companion in &decides.companions {
            let Some((_, body)) = held.iter().find(|(number, _)| number == companion) else {
                continue;
            };
            let Some(companion) = self.companions.get(*companion) else {
                continue;
            };
            found.extend(companion.bodies.get(*body).cloned());
            if let Some(through) = &companion.through {
                self.collect(through, held, found);
            }
        }
        if found.len() == before {
            found.extend(decides.default.clone());
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

/// Writes companions.
struct Writer<'i> {
    index: &'i Index,
    prefix: String,
    additions: Vec<Addition>,
    companions: Vec<Companion>,
    /// The rules that ask for all of them.
    asked: String,
}

impl Writer<'_> {
    /// Companions for the definitions of the rules at or below `path`; those that only name another
    /// rule are followed so many steps.
    fn rule(&mut self, path: &[String], steps: usize) -> Decides {
        let mut decides = Decides::default();
        let rules: Vec<(Vec<String>, Vec<RuleId>)> = self
            .index
            .rules_below(path)
            .map(|(path, ids)| (path.clone(), ids.clone()))
            .collect();
        for (path, ids) in rules {
            let name: Arc<str> = data_path(path.iter().map(String::as_str)).into();
            for (index, id) in ids.into_iter().enumerate() {
                let Some(rule) = self.index.rule(id).cloned() else {
                    continue;
                };
                let location = Location {
                    rule: Arc::clone(&name),
                    file: rule.span().source.get_path().as_str().into(),
                    row: row(&rule),
                    index,
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
                        if self.definition(id, head, bodies, &location).is_none() {
                            continue;
                        }
                        let added = first..self.companions.len();
                        let named = (steps > 0).then(|| only_names(self.index, id, head, bodies));
                        if let Some(named) = named.flatten() {
                            let through = self.rule(&named, steps.saturating_sub(1));
                            if let Some(companion) = self.companions.get_mut(first) {
                                companion.through = Some(through);
                            }
                        }
                        decides.companions.extend(added);
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
            self.asked.push_str(&format!(
                "all contains [{number}, found[0]] if found := {}\n",
                data_path(path)
            ));
            self.companions.push(Companion {
                bodies: places,
                through: None,
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
pub(super) fn assigned(assign: &RuleAssign) -> Option<String> {
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

#[cfg(test)]
mod tests;
