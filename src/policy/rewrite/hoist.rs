//! Makes undefined operands count as in OPA, whose compiler takes them out of the expression.
//!
//! `not startswith(input.x, "a")` becomes `h := input.x; not startswith(h, "a")`: without `x` the
//! body ends, instead of `not` turning nothing into true. The same for `in` as a value, which
//! regorus makes false where an operand is undefined. Comparing with `==` keeps plain references
//! where they are, as OPA does, but not what stands in their brackets.
//!
//! Statements stay on the lines of their author.

use std::collections::BTreeMap;

use regorus::unstable::{Expr, ExprRef, LiteralStmt, Query, Rule, RuleAssign, RuleBody, RuleHead};

use super::render::Renderer;
use super::{Edit, Side, apply};
use crate::policy::diagnostic::Diagnostic;
use crate::policy::index::Index;
use crate::policy::refs::{self, Visitor};

/// The text of module `at` with its operands hoisted; nothing where there are none.
pub(super) fn hoisted(index: &Index, at: usize) -> Option<String> {
    let info = index.modules.get(at)?;
    let mut hoister = Hoister {
        renderer: Renderer::new(index, Some(at)),
        v1: info.module.rego_v1,
        tails: BTreeMap::new(),
        edits: Vec::new(),
        text: info.module.package.span.source.get_contents().as_str(),
    };
    for rule in &info.module.policy {
        hoister.heads(rule);
        refs::walk_rule(rule, &mut hoister);
    }
    if hoister.edits.is_empty() {
        return None;
    }
    apply(&info.module, hoister.edits)
}

/// A query that would need hoisting is refused: its results are those of its own statements.
pub(in crate::policy) fn refused_query(index: &Index, query: &Query) -> Option<Diagnostic> {
    // A query belongs to no module.
    let mut renderer = Renderer::new(index, None);
    let statement = query
        .stmts
        .iter()
        .find(|statement| renderer.statement(statement).is_some())?;
    let problem = Diagnostic::at(
        &statement.span,
        "operands under `not` and of `in` as a value must be defined in a query",
    );
    Some(problem.hinting("put the query into a rule and ask for that"))
}

/// What a body of a rule gets besides its statements.
struct Tail {
    /// Assignments behind the last statement.
    hoists: Vec<String>,
    /// Whether the body is a single statement without braces.
    bare: bool,
}

struct Hoister<'h> {
    renderer: Renderer<'h>,
    v1: bool,
    /// By the start of a body's first statement.
    tails: BTreeMap<u32, Tail>,
    edits: Vec<Edit>,
    text: &'h str,
}

impl Hoister<'_> {
    /// What the values and keys in the heads of `rule` need in its bodies.
    fn heads(&mut self, rule: &Rule) {
        let Rule::Spec { span, head, bodies } = rule else {
            return;
        };
        let of_head = match head {
            RuleHead::Compr { assign, .. } | RuleHead::Func { assign, .. } => {
                self.of_value(assign.as_ref().map(|assign| &assign.value))
            }
            RuleHead::Set { key, .. } => self.of_value(key.as_ref()),
        };
        if bodies.is_empty() {
            self.new_body(span.end, &of_head);
        }
        for body in bodies {
            let hoists = if body.is_else {
                self.of_value(body.assign.as_ref().map(|RuleAssign { value, .. }| value))
            } else {
                of_head.clone()
            };
            self.tail(body, hoists);
        }
    }

    fn of_value(&mut self, value: Option<&ExprRef>) -> Vec<String> {
        let mut hoists = Vec::new();
        if let Some(value) = value {
            self.renderer.value(value, &mut hoists);
        }
        hoists
    }

    fn tail(&mut self, body: &RuleBody, hoists: Vec<String>) {
        match body.query.stmts.first() {
            Some(first) => {
                // A body with braces starts at its brace.
                let bare = body.query.span.start == first.span.start;
                let tail = Tail { hoists, bare };
                self.tails.insert(first.span.start, tail);
            }
            None => self.new_body(body.span.end, &hoists),
        }
    }

    fn new_body(&mut self, end: u32, hoists: &[String]) {
        if !hoists.is_empty() {
            let keyword = if self.v1 { "if " } else { "" };
            let text = format!(" {keyword}{{ {} }}", hoists.join("; "));
            self.insert(Side::Behind, end, text);
        }
    }

    fn insert(&mut self, side: Side, at: u32, text: String) {
        if let Ok(start) = usize::try_from(at) {
            self.edits.push(Edit {
                start,
                end: start,
                text,
                side,
            });
        }
    }

    /// Whether what starts at `at` is replaced already.
    fn is_replaced(&self, at: u32) -> bool {
        usize::try_from(at).is_ok_and(|at| {
            self.edits
                .iter()
                .any(|edit| edit.start <= at && at < edit.end)
        })
    }

    fn replace(&mut self, statement: &LiteralStmt, text: String) {
        let (Ok(start), Ok(end)) = (
            usize::try_from(statement.span.start),
            usize::try_from(statement.span.end),
        ) else {
            return;
        };
        self.edits.push(Edit {
            start: Side::Before.outside_quote(self.text, start),
            end: Side::Behind.outside_quote(self.text, end),
            text,
            side: Side::InPlaceOf,
        });
    }
}

impl<'a> Visitor<'a> for Hoister<'_> {
    #[expect(
        clippy::wildcard_enum_match_arm,
        reason = "only comprehensions have terms"
    )]
    fn expr(&mut self, expr: &'a ExprRef) {
        let mut hoists = Vec::new();
        let query = match expr.as_ref() {
            Expr::ArrayCompr { term, query, .. } | Expr::SetCompr { term, query, .. }
                if !self.is_replaced(query.span.start) =>
            {
                self.renderer.value(term, &mut hoists);
                query
            }
            Expr::ObjectCompr {
                key, value, query, ..
            } if !self.is_replaced(query.span.start) => {
                self.renderer.value(key, &mut hoists);
                self.renderer.value(value, &mut hoists);
                query
            }
            _ => return,
        };
        if let (false, Some(last)) = (hoists.is_empty(), query.stmts.last()) {
            let text = format!("; {}", hoists.join("; "));
            self.insert(Side::Behind, last.span.end, text);
        }
    }

    fn query(&mut self, query: &'a Query) {
        let first = query.stmts.first().map(|statement| statement.span.start);
        let tail = first.and_then(|first| self.tails.remove(&first));
        let (hoists, bare) = tail.map_or_else(
            || (Vec::new(), false),
            |Tail { hoists, bare }| (hoists, bare),
        );
        let behind: Vec<&str> = hoists.iter().flat_map(|hoist| ["; ", hoist]).collect();
        let behind = behind.concat();
        let (open, close) = if bare { ("{ ", " }") } else { ("", "") };
        let count = query.stmts.len();
        for (at, statement) in query.stmts.iter().enumerate() {
            if self.is_replaced(statement.span.start) {
                continue;
            }
            let is_last = at.saturating_add(1) == count;
            let behind = if is_last { behind.as_str() } else { "" };
            match self.renderer.statement(statement) {
                Some(text) => self.replace(statement, format!("{open}{text}{behind}{close}")),
                None if behind.is_empty() => {}
                None => {
                    self.insert(Side::Before, statement.span.start, open.to_owned());
                    self.insert(Side::Behind, statement.span.end, format!("{behind}{close}"));
                }
            }
        }
    }
}
