//! Rules and functions that need themselves. OPA refuses them when it compiles; regorus would
//! answer some at request time and follow others until the stack ends.

use std::collections::{BTreeMap, BTreeSet};

use regorus::unstable::{AssignOp, Expr, ExprRef, Literal, LiteralStmt, Rule, RuleHead, Span};

use crate::policy::depth;
use crate::policy::diagnostic::Diagnostic;
use crate::policy::index::{Index, Meaning, RuleId};
use crate::policy::refs::{self, Chain, Visitor, data_path};

/// A problem for every rule on a cycle, and for chains of rules that are too long to follow.
pub(super) fn cycles(index: &Index) -> Vec<Diagnostic> {
    let edges: BTreeMap<RuleId, BTreeSet<RuleId>> = index
        .rules
        .values()
        .flatten()
        .map(|id| (*id, needs(index, *id)))
        .collect();
    let mut search = Search {
        index,
        edges: &edges,
        depth: BTreeMap::new(),
        on_cycle: BTreeSet::new(),
    };
    for id in edges.keys() {
        search.visit(*id);
    }
    let problem = |id: &RuleId, what: &str| {
        let path = index.path_of(*id)?;
        let name = data_path(path.iter().map(String::as_str));
        let span = index.rule(*id)?.span();
        Some(Diagnostic::at(span, format!("`{name}` {what}")))
    };
    let cyclic = search
        .on_cycle
        .iter()
        .filter_map(|id| problem(id, "needs itself: rules must not be recursive"));
    // Of a chain that is too long, only the first rule that is.
    let is_deep = |id: &RuleId| search.depth.get(id).is_some_and(|depth| *depth > MAX_STACK);
    let deep = search
        .depth
        .keys()
        .filter(|id| is_deep(id) && !edges.get(id).is_some_and(|below| below.iter().any(is_deep)));
    let deep =
        deep.filter_map(|id| problem(id, "stands on too long a chain of rules and iterations"));
    cyclic.chain(deep).collect()
}

/// Depth-first search without recursion: the graph is as deep as its author likes.
struct Search<'s> {
    index: &'s Index,
    edges: &'s BTreeMap<RuleId, BTreeSet<RuleId>>,
    /// How deep evaluating a rule goes, once it is known.
    depth: BTreeMap<RuleId, usize>,
    on_cycle: BTreeSet<RuleId>,
}

impl Search<'_> {
    fn visit(&mut self, start: RuleId) {
        let mut open: Vec<(RuleId, Vec<RuleId>)> = Vec::new();
        let mut active = BTreeSet::new();
        self.enter(start, &mut open, &mut active);
        while let Some((id, rest)) = open.last_mut() {
            let id = *id;
            match rest.pop() {
                Some(next) if active.contains(&next) => {
                    self.on_cycle.insert(next);
                }
                Some(next) => self.enter(next, &mut open, &mut active),
                None => {
                    let needs = self.edges.get(&id).into_iter().flatten();
                    let below = needs.filter_map(|next| self.depth.get(next)).max();
                    let own = self.index.rule(id).map_or(0, |rule| depth::stack(rule));
                    let depth = below.map_or(own, |below| below.saturating_add(own));
                    self.depth.insert(id, depth);
                    active.remove(&id);
                    open.pop();
                }
            }
        }
    }

    fn enter(
        &self,
        id: RuleId,
        open: &mut Vec<(RuleId, Vec<RuleId>)>,
        active: &mut BTreeSet<RuleId>,
    ) {
        if !self.depth.contains_key(&id) && active.insert(id) {
            let needs = self.edges.get(&id).into_iter().flatten().copied().collect();
            open.push((id, needs));
        }
    }
}

/// The definitions that evaluating `id` surely asks for when it takes the branch.
fn needs(index: &Index, id: RuleId) -> BTreeSet<RuleId> {
    let mut seen = Needs {
        index,
        module: id.module,
        locals: BTreeSet::new(),
        chains: Vec::new(),
    };
    let Some(rule) = index.rule(id) else {
        return BTreeSet::new();
    };
    if let Rule::Spec {
        head: RuleHead::Func { args, .. },
        ..
    } = rule.as_ref()
    {
        for arg in args {
            seen.declare(arg);
        }
    }
    refs::walk_rule(rule, &mut seen);
    seen.found()
}

struct Needs<'a> {
    index: &'a Index,
    module: usize,
    locals: BTreeSet<&'a str>,
    chains: Vec<(Chain<'a>, bool)>,
}

impl<'a> Needs<'a> {
    /// Takes every variable of a pattern for a local one.
    fn declare(&mut self, pattern: &'a ExprRef) {
        self.locals
            .extend(refs::names_in(|names| refs::walk_expr(pattern, names)));
    }

    fn found(self) -> BTreeSet<RuleId> {
        let mut found = BTreeSet::new();
        for (chain, is_call) in &self.chains {
            let local = chain.root_name().is_none_or(|n| self.locals.contains(n));
            if local && !is_call {
                continue;
            }
            for meaning in self.index.meanings(Some(self.module), chain) {
                if let Meaning::Data(path) = meaning
                    && let Some(ids) = longest_rule(self.index, &path)
                {
                    found.extend(ids.iter().copied());
                }
            }
        }
        found
    }
}

fn longest_rule<'i>(index: &'i Index, path: &[String]) -> Option<&'i Vec<RuleId>> {
    (0..=path.len())
        .rev()
        .filter_map(|end| path.get(..end))
        .find_map(|prefix| index.rules.get(prefix))
}

impl<'a> Visitor<'a> for Needs<'a> {
    fn expr(&mut self, expr: &'a ExprRef) {
        if let Expr::AssignExpr {
            op: AssignOp::ColEq,
            lhs,
            ..
        } = expr.as_ref()
        {
            self.declare(lhs);
        } else {
            self.chains.push((Chain::of(expr), false));
        }
    }

    fn call(&mut self, _span: &'a Span, function: &'a ExprRef, _arguments: &'a [ExprRef]) {
        self.chains.push((Chain::of(function), true));
    }

    fn statement(&mut self, statement: &'a LiteralStmt) {
        match &statement.literal {
            Literal::SomeVars { vars, .. } => self.locals.extend(vars.iter().map(Span::text)),
            Literal::SomeIn { key, value, .. } => {
                for pattern in key.iter().chain([value]) {
                    self.declare(pattern);
                }
            }
            Literal::Every { key, value, .. } => {
                self.locals
                    .extend(key.iter().chain([value]).map(Span::text));
            }
            Literal::Expr { .. } | Literal::NotExpr { .. } => {}
        }
    }
}

/// How much stack rules that stand on each other may take, in units of [`depth::stack`]. In an
/// unoptimized build 170 units filled 2 MiB; a stack that ends takes the process with it.
const MAX_STACK: usize = 128;
