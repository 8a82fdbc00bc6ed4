//! What of `input` an entrypoint can read: the fact that decides what is built per request.
//!
//! Sound, not exact: pruning the input to what is found here never changes a result, as long as
//! objects on the way stay, empty if need be. The property test in `tests/differential` holds that.
//!
//! A variable that a rule assigns once, to a part of the input, and then only reads keys of, counts as
//! another name for that part: `claims := input.x.fields; claims.tier` reads `input.x.fields.tier`.

use std::collections::{BTreeMap, BTreeSet};

use regorus::unstable::{AssignOp, Expr, ExprRef, Literal, LiteralStmt, Query, Span};

use super::index::{Index, Meaning, RuleId};
use super::refs::{self, Chain, Visitor};
use crate::input::Reads;

/// The reads of the rules in `reachable`, and of `query` if the entrypoint is one.
pub(super) fn of(index: &Index, reachable: &BTreeSet<RuleId>, query: Option<&Query>) -> Reads {
    let mut reads = Reads::default();
    for id in reachable {
        if let Some(rule) = index.rule(*id) {
            let mut aliases = Aliases::new(index, Some(id.module));
            refs::walk_rule(rule, &mut aliases);
            let mut collector = Collector {
                index,
                module: Some(id.module),
                aliases: aliases.found(),
                reads: &mut reads,
            };
            refs::walk_rule(rule, &mut collector);
        }
    }
    if let Some(query) = query {
        let mut collector = Collector {
            index,
            module: None,
            aliases: BTreeMap::new(),
            reads: &mut reads,
        };
        refs::walk_query(query, &mut collector);
    }
    reads
}

struct Collector<'c> {
    index: &'c Index,
    module: Option<usize>,
    aliases: BTreeMap<&'c str, Alias<'c>>,
    reads: &'c mut Reads,
}

impl Collector<'_> {
    fn add(&mut self, path: &[String]) {
        self.reads.add(path.iter().map(String::as_str));
    }
}

impl<'a> Visitor<'a> for Collector<'a> {
    fn expr(&mut self, expr: &'a ExprRef) {
        if !matches!(
            expr.as_ref(),
            Expr::Var { .. } | Expr::RefDot { .. } | Expr::RefBrack { .. }
        ) {
            return;
        }
        if self.aliases.values().any(|alias| alias.value == expr) {
            return;
        }
        let chain = Chain::of(expr);
        if let Some(alias) = chain.root_name().and_then(|name| self.aliases.get(name)) {
            let below = chain.static_prefix();
            let path = alias.path.iter().map(String::as_str).chain(below);
            if !chain.segments.is_empty() {
                self.reads.add(path);
            }
            return;
        }
        for meaning in self.index.meanings(self.module, &chain) {
            if let Meaning::Input(path) = meaning {
                self.add(&path);
            }
        }
    }

    /// `with input.a.b as v` works differently where `input.a` is no object, so that what stands
    /// around the replaced part counts as read. Replacing all of `input` reads nothing.
    fn statement(&mut self, statement: &'a LiteralStmt) {
        for with in &statement.with_mods {
            for meaning in self.index.meanings(self.module, &Chain::of(&with.refr)) {
                if let Meaning::Input(path) = meaning
                    && let Some((_, around)) = path.split_last()
                {
                    self.add(around);
                }
            }
        }
    }
}

/// A variable that is another name for a part of the input.
struct Alias<'a> {
    /// The part.
    path: Vec<String>,
    /// What is assigned to the variable: met as a reference, it reads nothing by itself.
    value: &'a ExprRef,
}

/// Finds the aliases of one rule.
struct Aliases<'a> {
    index: &'a Index,
    module: Option<usize>,
    /// By name; `None` once it is assigned again.
    assigned: BTreeMap<&'a str, Option<Alias<'a>>>,
    /// How often each name stands alone or before a step that is not known. Once is its assignment.
    bare: BTreeMap<&'a str, usize>,
    /// Names of which keys are read.
    stepped: BTreeSet<&'a str>,
    /// Names that something else binds.
    bound: BTreeSet<&'a str>,
}

impl<'a> Aliases<'a> {
    fn new(index: &'a Index, module: Option<usize>) -> Self {
        Self {
            index,
            module,
            assigned: BTreeMap::new(),
            bare: BTreeMap::new(),
            stepped: BTreeSet::new(),
            bound: BTreeSet::new(),
        }
    }

    /// Those whose every use is known.
    fn found(self) -> BTreeMap<&'a str, Alias<'a>> {
        let Self {
            assigned,
            bare,
            stepped,
            bound,
            ..
        } = self;
        assigned
            .into_iter()
            .filter(|(name, _)| bare.get(name) == Some(&1))
            .filter(|(name, _)| stepped.contains(name) && !bound.contains(name))
            .filter_map(|(name, alias)| Some((name, alias?)))
            .collect()
    }

    /// The part of the input that `value` is, if it is one and wholly known.
    fn part(&self, value: &'a ExprRef) -> Option<Vec<String>> {
        let chain = Chain::of(value);
        let known = chain.static_prefix().len() == chain.segments.len();
        match self.index.meanings(self.module, &chain).as_slice() {
            [Meaning::Input(path)] if known => Some(path.clone()),
            _ => None,
        }
    }
}

impl<'a> Visitor<'a> for Aliases<'a> {
    fn expr(&mut self, expr: &'a ExprRef) {
        if let Expr::AssignExpr {
            op: AssignOp::ColEq,
            lhs,
            rhs,
            ..
        } = expr.as_ref()
            && let Some(name) = refs::variable(lhs)
        {
            let alias = self.part(rhs).map(|path| Alias { path, value: rhs });
            let again = self.assigned.contains_key(name);
            self.assigned.insert(name, alias.filter(|_| !again));
        }
        let chain = Chain::of(expr);
        if let Some(name) = chain.root_name() {
            if chain.static_prefix().is_empty() {
                let count = self.bare.entry(name).or_default();
                *count = count.saturating_add(1);
            } else {
                self.stepped.insert(name);
            }
        }
    }

    fn statement(&mut self, statement: &'a LiteralStmt) {
        match &statement.literal {
            Literal::SomeVars { vars, .. } => self.bound.extend(vars.iter().map(Span::text)),
            Literal::Every { key, value, .. } => {
                self.bound.extend(key.iter().chain([value]).map(Span::text));
            }
            Literal::SomeIn { .. } | Literal::Expr { .. } | Literal::NotExpr { .. } => {}
        }
    }
}
