//! How deep syntax trees nest. Everything that reads one goes down level by level, regorus and we
//! alike, and a stack that ends takes the process with it: so depth is bounded first, by a loop.

use std::collections::BTreeSet;

use regorus::unstable::{Expr, ExprRef, Literal, Module, Query, Rule, RuleAssign, RuleHead, Span};

use super::refs;

/// The place in `module` where it nests deeper than [`MAX_DEPTH`].
pub(super) fn too_deep(module: &Module) -> Option<&Span> {
    let imports = module.imports.iter().map(|import| &import.refr);
    let mut search = Search::default();
    search.push_all(imports.chain([&module.package.refr]), 1);
    for rule in &module.policy {
        search.push_rule(rule);
    }
    search.run();
    let (depth, place) = search.deepest?;
    (depth > MAX_DEPTH).then_some(place)
}

/// The line and column at which brackets, or minus signs, nest deeper than [`MAX_BRACKETS`].
///
/// Found in the text, because regorus' parser goes down a level for each before it counts them. It
/// also reads an array or object twice, once as a comprehension, so that work doubles with each
/// level: what a text costs is bounded as well.
pub(super) fn too_nested(text: &str) -> Option<(u32, u32)> {
    let (mut line, mut column) = (1_u32, 0_u32);
    let (mut brackets, mut minuses) = (0_usize, 0_usize);
    let mut work = 0_u64;
    let mut chars = text.chars();
    let mut inside = Inside::Code;
    while let Some(c) = chars.next() {
        column = column.saturating_add(1);
        if c == '\n' {
            (line, column) = (line.saturating_add(1), 0);
        }
        inside = match (inside, c) {
            (Inside::Code, '"') => Inside::String,
            (Inside::Code, '`') => Inside::RawString,
            (Inside::Code, '#') => Inside::Comment,
            (Inside::String, '\\') => {
                chars.next();
                column = column.saturating_add(1);
                Inside::String
            }
            (Inside::String, '"' | '\n') | (Inside::RawString, '`') | (Inside::Comment, '\n') => {
                Inside::Code
            }
            (Inside::Code, c) => {
                match c {
                    '[' | '{' | '(' => {
                        brackets = brackets.saturating_add(1);
                        let doubled = u32::try_from(brackets)
                            .ok()
                            .and_then(|n| 1_u64.checked_shl(n));
                        work = work.saturating_add(doubled.unwrap_or(u64::MAX));
                    }
                    ']' | '}' | ')' => brackets = brackets.saturating_sub(1),
                    '-' => minuses = minuses.saturating_add(1),
                    _ => {}
                }
                if c != '-' && !c.is_whitespace() {
                    minuses = 0;
                }
                Inside::Code
            }
            (inside, _) => inside,
        };
        if brackets.saturating_add(minuses) > MAX_BRACKETS || work > MAX_WORK {
            return Some((line, column));
        }
    }
    None
}

/// What a character of a source belongs to.
#[derive(Clone, Copy)]
enum Inside {
    Code,
    String,
    RawString,
    Comment,
}

/// How much stack evaluating `rule` takes, in units of one iteration: what stands behind an
/// iteration is evaluated inside it.
pub(super) fn stack(rule: &Rule) -> usize {
    let mut search = Search::default();
    search.push_rule(rule);
    search.run();
    let deepest = search.deepest.map_or(0, |(depth, _)| depth);
    RULE_UNITS
        .saturating_add(deepest.div_ceil(LEVELS_PER_UNIT))
        .saturating_add(search.iterations)
        .saturating_add(search.names.len())
}

enum Node<'a> {
    Expr(&'a ExprRef),
    Query(&'a Query),
}

#[derive(Default)]
struct Search<'a> {
    open: Vec<(Node<'a>, usize)>,
    deepest: Option<(usize, &'a Span)>,
    /// `some ... in` and `[_]`.
    iterations: usize,
    /// Variables in brackets: each iterates at most where it comes first.
    names: BTreeSet<&'a str>,
}

impl<'a> Search<'a> {
    fn run(&mut self) {
        while let Some((node, depth)) = self.open.pop() {
            let below = depth.saturating_add(1);
            match node {
                Node::Expr(expr) => {
                    if self.deepest.is_none_or(|(deepest, _)| depth > deepest) {
                        self.deepest = Some((depth, expr.span()));
                    }
                    self.push_children(expr, below);
                }
                Node::Query(query) => self.push_statements(query, below),
            }
        }
    }

    fn push(&mut self, expr: &'a ExprRef, depth: usize) {
        self.open.push((Node::Expr(expr), depth));
    }

    fn push_all(&mut self, exprs: impl IntoIterator<Item = &'a ExprRef>, depth: usize) {
        for expr in exprs {
            self.push(expr, depth);
        }
    }

    fn push_rule(&mut self, rule: &'a Rule) {
        let value = |assign: &'a Option<RuleAssign>| assign.as_ref().map(|assign| &assign.value);
        match rule {
            Rule::Spec { head, bodies, .. } => {
                match head {
                    RuleHead::Compr { refr, assign, .. } => {
                        self.push_all(value(assign).into_iter().chain([refr]), 1);
                    }
                    RuleHead::Set { refr, key, .. } => self.push_all(key.iter().chain([refr]), 1),
                    RuleHead::Func {
                        refr, args, assign, ..
                    } => self.push_all(args.iter().chain(value(assign)).chain([refr]), 1),
                }
                for body in bodies {
                    self.push_all(value(&body.assign), 1);
                    self.open.push((Node::Query(&body.query), 1));
                }
            }
            Rule::Default {
                refr, args, value, ..
            } => self.push_all(args.iter().chain([refr, value]), 1),
        }
    }

    fn push_statements(&mut self, query: &'a Query, depth: usize) {
        for statement in &query.stmts {
            match &statement.literal {
                Literal::SomeVars { .. } => {}
                Literal::SomeIn {
                    key,
                    value,
                    collection,
                    ..
                } => {
                    self.iterations = self.iterations.saturating_add(1);
                    self.push_all(key.iter().chain([value, collection]), depth);
                }
                Literal::Expr { expr, .. } | Literal::NotExpr { expr, .. } => {
                    self.push(expr, depth);
                }
                Literal::Every { domain, query, .. } => {
                    self.push(domain, depth);
                    self.open.push((Node::Query(query), depth));
                }
            }
            for with in &statement.with_mods {
                self.push_all([&with.refr, &with.r#as], depth);
            }
        }
    }

    fn push_children(&mut self, expr: &'a ExprRef, depth: usize) {
        match expr.as_ref() {
            Expr::String { .. }
            | Expr::RawString { .. }
            | Expr::Number { .. }
            | Expr::Bool { .. }
            | Expr::Null { .. }
            | Expr::Var { .. } => {}
            Expr::Array { items, .. } | Expr::Set { items, .. } => self.push_all(items, depth),
            Expr::Object { fields, .. } => {
                for (_, key, value) in fields {
                    self.push_all([key, value], depth);
                }
            }
            Expr::ArrayCompr { term, query, .. } | Expr::SetCompr { term, query, .. } => {
                self.push(term, depth);
                self.open.push((Node::Query(query), depth));
            }
            Expr::ObjectCompr {
                key, value, query, ..
            } => {
                self.push_all([key, value], depth);
                self.open.push((Node::Query(query), depth));
            }
            Expr::Call { fcn, params, .. } => self.push_all(params.iter().chain([fcn]), depth),
            Expr::UnaryExpr { expr, .. } => self.push(expr, depth),
            Expr::RefDot { refr, .. } => self.push(refr, depth),
            Expr::RefBrack { refr, index, .. } => {
                match refs::variable(index) {
                    Some("_") => self.iterations = self.iterations.saturating_add(1),
                    name => self.names.extend(name),
                }
                self.push_all([refr, index], depth);
            }
            Expr::BinExpr { lhs, rhs, .. }
            | Expr::BoolExpr { lhs, rhs, .. }
            | Expr::ArithExpr { lhs, rhs, .. }
            | Expr::AssignExpr { lhs, rhs, .. } => self.push_all([lhs, rhs], depth),
            Expr::Membership {
                key,
                value,
                collection,
                ..
            } => self.push_all(key.iter().chain([value, collection]), depth),
        }
    }
}

/// How deep brackets may nest; the parser itself refuses expressions of more than 32 levels.
const MAX_BRACKETS: usize = 64;

/// What parsing nested brackets may cost: 20 levels once, or eight levels 30,000 times.
const MAX_WORK: u64 = 1 << 23;

/// Stack of one rule or function, measured on both evaluators without optimization.
const RULE_UNITS: usize = 4;

/// How many levels of nesting take as much stack as one iteration.
const LEVELS_PER_UNIT: usize = 4;

/// How deep one syntax tree may nest; a reference of ten segments is ten levels.
pub(super) const MAX_DEPTH: usize = 100;
