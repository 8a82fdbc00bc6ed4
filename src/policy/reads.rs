//! What of `input` an entrypoint can read: the fact that decides what is built per request.
//!
//! Sound, not exact: pruning the input to what is found here never changes a result. The property
//! test beside this file holds that.

use std::collections::BTreeSet;

use regorus::unstable::{Expr, ExprRef, LiteralStmt, Query};

use super::index::{Index, Meaning, RuleId};
use super::refs::{self, Chain, Visitor};
use crate::input::Reads;

/// The reads of the rules in `reachable`, and of `query` if the entrypoint is one.
pub(super) fn of(index: &Index, reachable: &BTreeSet<RuleId>, query: Option<&Query>) -> Reads {
    let mut reads = Reads::default();
    for id in reachable {
        if let Some(rule) = index.rule(*id) {
            let mut collector = Collector {
                index,
                module: Some(id.module),
                reads: &mut reads,
            };
            refs::walk_rule(rule, &mut collector);
        }
    }
    if let Some(query) = query {
        let mut collector = Collector {
            index,
            module: None,
            reads: &mut reads,
        };
        refs::walk_query(query, &mut collector);
    }
    reads
}

struct Collector<'c> {
    index: &'c Index,
    module: Option<usize>,
    reads: &'c mut Reads,
}

impl Collector<'_> {
    fn add(&mut self, path: &[String]) {
        self.reads.add(path.iter().map(String::as_str));
    }
}

impl<'a> Visitor<'a> for Collector<'_> {
    fn expr(&mut self, expr: &'a ExprRef) {
        if !matches!(
            expr.as_ref(),
            Expr::Var { .. } | Expr::RefDot { .. } | Expr::RefBrack { .. }
        ) {
            return;
        }
        for meaning in self.index.meanings(self.module, &Chain::of(expr)) {
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
