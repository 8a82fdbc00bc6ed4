//! Rules that are added to a policy: in modules of their own, which have the packages and imports of
//! the modules beside which they stand, so that every name means there what it means in those.

use regorus::unstable::{Expr, ExprRef, Module, Rule, Span};

use crate::policy::load::ModuleSource;
use crate::policy::rewrite::Side;

/// What the names of added rules begin with, made fresh by [`Index::fresh_prefix`].
///
/// [`Index::fresh_prefix`]: crate::policy::index::Index::fresh_prefix
pub(super) const PREFIX: &str = "explained_";

/// A module to be, beside another one.
#[derive(Clone, Debug)]
pub(super) struct Addition {
    header: String,
    v0: bool,
    rules: String,
}

impl Addition {
    /// Begins a module beside `module`.
    pub(super) fn beside(module: &Module) -> Self {
        let text = module.package.span.source.get_contents();
        let first = module.policy.iter().map(|rule| rule.span().start).min();
        let header = first
            .and_then(|start| text.get(..usize::try_from(start).ok()?))
            .unwrap_or(text);
        Self {
            header: header.to_owned(),
            v0: !module.rego_v1,
            rules: String::new(),
        }
    }

    /// Adds `name := value if { body }`; without a body where that is empty.
    pub(super) fn rule(&mut self, name: &str, value: &str, body: &str) {
        self.rules.push('\n');
        self.rules.push_str(name);
        self.clause(value, body);
    }

    /// Adds what applies where the last clause does not.
    pub(super) fn or_else(&mut self, value: &str, body: &str) {
        self.rules.push_str(" else");
        self.clause(value, body);
    }

    fn clause(&mut self, value: &str, body: &str) {
        let keyword = if self.v0 { "" } else { "if " };
        let body = if body.is_empty() { "true" } else { body };
        let clause = [" := ", value, " ", keyword, "{\n", body, "\n}"];
        self.rules.push_str(&clause.concat());
    }

    /// The line that the next rule begins at.
    pub(super) fn line(&self) -> usize {
        let newlines = |text: &str| text.matches('\n').count();
        newlines(&self.header)
            .saturating_add(newlines(&self.rules))
            .saturating_add(3)
    }

    /// Whether there is enough in it for one module.
    pub(super) fn is_full(&self) -> bool {
        self.rules.len() > FULL_BYTES || self.line() > FULL_LINES
    }

    /// The module, under a name that no file has.
    pub(super) fn source(self, name: String) -> ModuleSource {
        ModuleSource {
            name,
            text: format!("{}\n{}\n", self.header, self.rules),
            v0: self.v0,
            bundle: None,
        }
    }
}

/// The text between two places of a source. A string's own place leaves its quotes out.
pub(super) fn text_between(from: &Span, to: &Span) -> Option<String> {
    let text = from.source.get_contents();
    let start = Side::Before.outside_quote(text, usize::try_from(from.start).ok()?);
    text.get(start..end(to)?).map(str::to_owned)
}

/// The text of an expression.
pub(super) fn text_of(expr: &ExprRef) -> Option<String> {
    let span = expr.span();
    let text = span.source.get_contents();
    text.get(start(expr)?..end(span)?).map(str::to_owned)
}

/// Where an expression starts. The place of an object is that of its first key.
pub(super) fn start(expr: &ExprRef) -> Option<usize> {
    let span = expr.span();
    let text = span.source.get_contents();
    let start = Side::Before.outside_quote(text, usize::try_from(span.start).ok()?);
    if !begins_with_object(expr) || text.get(start..)?.starts_with('{') {
        return Some(start);
    }
    text.get(..start)?.rfind('{')
}

fn end(span: &Span) -> Option<usize> {
    let end = usize::try_from(span.end).ok()?;
    Some(Side::Behind.outside_quote(span.source.get_contents(), end))
}

fn begins_with_object(expr: &ExprRef) -> bool {
    let mut first = expr;
    loop {
        first = match first.as_ref() {
            Expr::Object { fields, .. } => return !fields.is_empty(),
            Expr::ObjectCompr { .. } => return true,
            Expr::String { .. }
            | Expr::RawString { .. }
            | Expr::Number { .. }
            | Expr::Bool { .. }
            | Expr::Null { .. }
            | Expr::Var { .. }
            | Expr::Array { .. }
            | Expr::Set { .. }
            | Expr::ArrayCompr { .. }
            | Expr::SetCompr { .. }
            | Expr::UnaryExpr { .. } => return false,
            Expr::Call { fcn, .. } => fcn,
            Expr::RefDot { refr, .. } | Expr::RefBrack { refr, .. } => refr,
            Expr::BinExpr { lhs, .. }
            | Expr::BoolExpr { lhs, .. }
            | Expr::ArithExpr { lhs, .. }
            | Expr::AssignExpr { lhs, .. } => lhs,
            Expr::Membership { key, value, .. } => key.as_ref().unwrap_or(value),
        };
    }
}

/// Where a rule begins.
pub(super) fn row(rule: &Rule) -> u32 {
    rule.span().line
}

/// What one module takes at most, well below what the parser takes.
const FULL_BYTES: usize = 400_000;
const FULL_LINES: usize = 8_000;
