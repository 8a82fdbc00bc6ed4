//! Changes to the text of modules that keep their meaning, made where an evaluator would not keep
//! it. Text and not syntax tree, because regorus compiles nothing else; lines stay where they are.
//!
//! For both evaluators: operands stand in front of what they must not fail in ([`hoist`]), `print`
//! is erased, as OPA does without a print hook, and `some x in xs`
//! becomes an iteration by reference, because the interpreter fails the whole evaluation where
//! `xs` is no collection and OPA goes on to the next rule. Products are bounded ([`product`]).
//!
//! For the virtual machine alone: behind every `x := e` comes `_ = x`, because the machine goes on
//! where `e` is undefined and nothing else in Rego does. And a body with a comprehension or `every`
//! starts by naming `input` and `data`, because the machine loads each where a body names it first,
//! and what is loaded inside an iteration that never runs is missing behind it.

mod hoist;
mod product;
mod render;

use regorus::unstable::{
    AssignOp, Expr, ExprRef, Literal, LiteralStmt, Module, Parser, Query, Rule, RuleHead, Source,
    Span,
};

pub(super) use hoist::refused_query;
pub(super) use product::is_product;

use super::index::Index;
use super::refs::{self, Chain, Visitor};

/// One replacement of a stretch of bytes.
#[derive(Debug)]
struct Edit {
    start: usize,
    end: usize,
    text: String,
    side: Side,
}

/// Where an edit stands. The span of a string ends before its quote and starts behind it: what is
/// inserted there would be inserted into the string.
#[derive(Clone, Copy, Debug)]
pub(super) enum Side {
    Before,
    Behind,
    InPlaceOf,
}

impl Side {
    /// `at`, or the place on the other side of the quote there.
    pub(super) fn outside_quote(self, text: &str, at: usize) -> usize {
        let quote_at = |at: usize| matches!(text.as_bytes().get(at), Some(b'"' | b'`'));
        match self {
            Self::Behind if quote_at(at) => at.saturating_add(1),
            Self::Before if at.checked_sub(1).is_some_and(quote_at) => at.saturating_sub(1),
            Self::Before | Self::Behind | Self::InPlaceOf => at,
        }
    }
}

/// The text of module `at` of `index`, fit for both evaluators.
pub(super) fn for_evaluation(index: &Index, at: usize) -> Result<Option<String>, String> {
    let Some(info) = index.modules.get(at) else {
        return Ok(None);
    };
    let original: &Module = &info.module;
    let hoisted = match hoist::hoisted(index, at) {
        Some(text) => Some(parsed_again(original, text)?),
        None => None,
    };
    let module = hoisted.as_ref().unwrap_or(original);
    let mut edits = Rewriter {
        index,
        module: at,
        print: !module.policy.iter().any(|rule| defines_print(rule)),
        nested: 0,
        edits: Vec::new(),
    };
    for rule in &module.policy {
        refs::walk_rule(rule, &mut edits);
    }
    let Some(text) = apply(module, edits.edits) else {
        return Ok(None);
    };
    // Products stand inside of what is replaced above.
    let bounded = product::bounded(&parsed_again(original, text.clone())?);
    Ok(Some(bounded.unwrap_or(text)))
}

/// The syntax tree of `text`, which `module` was made into.
fn parsed_again(module: &Module, text: String) -> Result<Module, String> {
    let path = module.package.span.source.get_path().clone();
    let parse = || {
        let source = Source::from_contents(path, text)?;
        let mut parser = Parser::new(&source)?;
        if module.rego_v1 {
            parser.enable_rego_v1()?;
        }
        parser.parse()
    };
    parse().map_err(|error: anyhow::Error| error.to_string())
}

/// The text of a module made fit for evaluation, made fit for the virtual machine as well.
pub(super) fn for_machine(module: &Module) -> Option<String> {
    let mut guards = Guards {
        edits: Vec::new(),
        nested: false,
    };
    for rule in &module.policy {
        let before = guards.edits.len();
        guards.nested = false;
        refs::walk_rule(rule, &mut guards);
        // In front, so that at one place these come behind the others.
        guards
            .edits
            .splice(before..before, bodies(rule, guards.nested));
    }
    apply(module, guards.edits)
}

fn apply(module: &Module, mut edits: Vec<Edit>) -> Option<String> {
    let mut text = module.package.span.source.get_contents().clone();
    for edit in &mut edits {
        edit.start = edit.side.outside_quote(&text, edit.start);
        edit.end = edit.side.outside_quote(&text, edit.end);
    }
    edits.sort_by_key(|edit| std::cmp::Reverse(edit.start));
    for edit in edits {
        text.get(edit.start..edit.end)?;
        text.replace_range(edit.start..edit.end, &edit.text);
    }
    Some(text)
}

struct Rewriter<'e> {
    index: &'e Index,
    module: usize,
    print: bool,
    nested: usize,
    edits: Vec<Edit>,
}

impl<'a> Visitor<'a> for Rewriter<'_> {
    fn expr(&mut self, _expr: &'a ExprRef) {}

    fn query(&mut self, query: &'a Query) {
        for (at, statement) in query.stmts.iter().enumerate() {
            let before = query.stmts.get(..at).unwrap_or_default();
            let edit = match &statement.literal {
                Literal::Expr { expr, .. } => self.erased(expr),
                Literal::SomeIn {
                    span,
                    key,
                    value,
                    collection,
                } => self
                    .iteration(before, key.as_ref(), value, collection)
                    .and_then(|text| edit(span, collection.span(), text)),
                Literal::SomeVars { .. } | Literal::NotExpr { .. } | Literal::Every { .. } => None,
            };
            self.edits.extend(edit);
        }
    }

    fn enter(&mut self) {
        self.nested = self.nested.saturating_add(1);
    }

    fn leave(&mut self) {
        self.nested = self.nested.saturating_sub(1);
    }
}

impl Rewriter<'_> {
    /// A `print` statement becomes `true` and blanks.
    fn erased(&self, expr: &ExprRef) -> Option<Edit> {
        let Expr::Call { span, fcn, .. } = expr.as_ref() else {
            return None;
        };
        if !self.print || refs::variable(fcn) != Some("print") {
            return None;
        }
        let blanks = span.text().chars().skip("true".len());
        let text = "true"
            .chars()
            .chain(blanks.map(|c| if c == '\n' { c } else { ' ' }));
        edit(span, span, text.collect())
    }

    /// `some v in r` as `v := r[_]`, `some k, v in r` as `v := r[k]`.
    ///
    /// Only where `r` is a reference (a literal is a collection anyway) and the variables mean
    /// nothing else: no earlier statement names them, and `k` is no rule and no outer variable.
    fn iteration(
        &self,
        before: &[LiteralStmt],
        key: Option<&ExprRef>,
        value: &ExprRef,
        collection: &ExprRef,
    ) -> Option<String> {
        let chain = Chain::of(collection);
        chain.root_name()?;
        let value = refs::variable(value)?;
        let key = match key {
            Some(key) => Some(refs::variable(key)?),
            None => None,
        };
        let taken = refs::names_in(|names| {
            for statement in before {
                refs::walk_statement(statement, names);
            }
            refs::walk_expr(collection, names);
        });
        let fresh = |name: &str| name == "_" || !taken.contains(name);
        if !fresh(value) || !key.is_none_or(fresh) {
            return None;
        }
        let key = match key {
            None | Some("_") => "_",
            Some(key) if self.nested > 0 || key == value || self.is_global(key) => return None,
            Some(key) => key,
        };
        let assign = if value == "_" { "=" } else { ":=" };
        let collection = collection.span().text();
        Some(format!("{value} {assign} {collection}[{key}]"))
    }

    fn is_global(&self, name: &str) -> bool {
        let Some(info) = self.index.modules.get(self.module) else {
            return true;
        };
        let mut path = info.package.clone();
        path.push(name.to_owned());
        self.index.rules_below(&path).next().is_some()
            || self
                .index
                .modules
                .iter()
                .any(|other| other.package == info.package && other.imports.contains_key(name))
    }
}

/// Finds the assignments that need a guard.
struct Guards {
    edits: Vec<Edit>,
    /// Whether the rule has a comprehension or `every`.
    nested: bool,
}

impl<'a> Visitor<'a> for Guards {
    fn expr(&mut self, _expr: &'a ExprRef) {}

    fn enter(&mut self) {
        self.nested = true;
    }

    fn statement(&mut self, statement: &'a LiteralStmt) {
        if let Literal::Expr { span, expr } = &statement.literal
            && let Expr::AssignExpr {
                op: AssignOp::ColEq,
                lhs,
                ..
            } = expr.as_ref()
            && let Some(name) = refs::variable(lhs)
            && let Ok(end) = usize::try_from(span.end)
        {
            self.edits.push(Edit {
                start: end,
                end,
                text: format!("; _ = {name}"),
                side: Side::Behind,
            });
        }
    }
}

/// Gives every body of `rule` its braces, for the guards to stand in, and makes it start with
/// [`LOADS`] if the rule has nested queries.
fn bodies(rule: &Rule, nested: bool) -> Vec<Edit> {
    let Rule::Spec { span, bodies, .. } = rule else {
        return Vec::new();
    };
    let first = if nested { LOADS } else { "true" };
    let insert = |side: Side, at: u32, text: String| {
        let start = usize::try_from(at).ok()?;
        Some(Edit {
            start,
            end: start,
            text,
            side,
        })
    };
    let mut edits = Vec::new();
    if bodies.is_empty() && nested {
        edits.extend(insert(Side::Behind, span.end, format!(" if {{ {first} }}")));
    }
    for body in bodies {
        let query = &body.query;
        let Some(begin) = query.stmts.first() else {
            if nested {
                edits.extend(insert(
                    Side::Behind,
                    body.span.end,
                    format!(" if {{ {first} }}"),
                ));
            }
            continue;
        };
        // A body with braces starts at its brace.
        if query.span.start == begin.span.start {
            edits.extend(insert(Side::Behind, query.span.end, " }".to_owned()));
            edits.extend(insert(
                Side::Before,
                begin.span.start,
                format!("{{ {first}; "),
            ));
        } else if nested {
            edits.extend(insert(Side::Before, begin.span.start, format!("{first}; ")));
        }
    }
    edits
}

/// Names both documents; the key is put into the machine's data for it.
const LOADS: &str = "_ = input; _ = data[\"portcullis.loaded\"]";

/// The key that [`LOADS`] finds in the machine's data and that no policy on the machine can see:
/// a reference to all of `data` keeps a policy off it.
pub(super) const LOADED: &str = "portcullis.loaded";

fn edit(from: &Span, to: &Span, text: String) -> Option<Edit> {
    Some(Edit {
        start: usize::try_from(from.start).ok()?,
        end: usize::try_from(to.end).ok()?,
        text,
        side: Side::InPlaceOf,
    })
}

fn defines_print(rule: &Rule) -> bool {
    match rule {
        Rule::Spec {
            head: RuleHead::Func { refr, .. },
            ..
        } => refs::variable(refr) == Some("print"),
        Rule::Spec { .. } | Rule::Default { .. } => false,
    }
}
