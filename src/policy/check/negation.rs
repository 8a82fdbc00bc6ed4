//! What is open under `not`: OPA refuses it, regorus would ask whether nothing at all fits.

use std::collections::BTreeSet;

use regorus::unstable::{ExprRef, Literal, LiteralStmt, Query, Rule, RuleHead};

use crate::policy::diagnostic::Diagnostic;
use crate::policy::index::Index;
use crate::policy::refs::{self, Chain, Visitor};

/// The variables of each rule that only a negated statement names, outside of its comprehensions.
pub(super) fn open_variables(index: &Index) -> Vec<Diagnostic> {
    let mut problems = Vec::new();
    for (at, info) in index.modules.iter().enumerate() {
        for rule in &info.module.policy {
            let mut bound = Bound(parameters(rule));
            refs::walk_rule(rule, &mut bound);
            let mut negations = Negations {
                index,
                module: at,
                bound: bound.0,
                problems: &mut problems,
            };
            refs::walk_rule(rule, &mut negations);
        }
    }
    problems
}

fn parameters(rule: &Rule) -> BTreeSet<&str> {
    match rule {
        Rule::Spec {
            head: RuleHead::Func { args, .. },
            ..
        } => refs::names_in(|names| {
            for arg in args {
                refs::walk_expr(arg, names);
            }
        }),
        Rule::Spec { .. } | Rule::Default { .. } => BTreeSet::new(),
    }
}

/// What statements other than declarations and negations name.
struct Bound<'a>(BTreeSet<&'a str>);

impl<'a> Visitor<'a> for Bound<'a> {
    fn expr(&mut self, _expr: &'a ExprRef) {}

    fn query(&mut self, query: &'a Query) {
        for statement in &query.stmts {
            match &statement.literal {
                Literal::SomeVars { .. } | Literal::NotExpr { .. } => {}
                Literal::SomeIn { .. } | Literal::Expr { .. } | Literal::Every { .. } => {
                    let names = refs::names_in(|names| refs::walk_statement(statement, names));
                    self.0.extend(names);
                }
            }
        }
    }
}

struct Negations<'n> {
    index: &'n Index,
    module: usize,
    bound: BTreeSet<&'n str>,
    problems: &'n mut Vec<Diagnostic>,
}

impl<'a> Visitor<'a> for Negations<'_> {
    fn expr(&mut self, _expr: &'a ExprRef) {}

    fn statement(&mut self, statement: &'a LiteralStmt) {
        let Literal::NotExpr { expr, .. } = &statement.literal else {
            return;
        };
        let mut open = Open {
            negations: self,
            nested: 0,
        };
        refs::walk_expr(expr, &mut open);
    }
}

struct Open<'o, 'n> {
    negations: &'o mut Negations<'n>,
    nested: usize,
}

impl<'a> Visitor<'a> for Open<'_, '_> {
    fn expr(&mut self, expr: &'a ExprRef) {
        let chain = Chain::of(expr);
        let Some(name) = chain.root_name() else {
            return;
        };
        let Negations {
            index,
            module,
            bound,
            problems,
        } = &mut *self.negations;
        let is_known = name != "_"
            && (bound.contains(name) || !index.meanings(Some(*module), &chain).is_empty());
        if self.nested == 0 && !is_known {
            problems.push(
                Diagnostic::at(
                    chain.root.span(),
                    format!("variable `{name}` is unsafe: under `not` nothing gives it a value"),
                )
                .hinting("put what must not hold into a rule of its own and negate that"),
            );
        }
    }

    fn enter(&mut self) {
        self.nested = self.nested.saturating_add(1);
    }

    fn leave(&mut self) {
        self.nested = self.nested.saturating_sub(1);
    }
}
