//! What a rule's expressions and statements consist of.

use std::collections::BTreeSet;

use regorus::unstable::{
    AssignOp, Expr, ExprRef, Literal, LiteralStmt, Query, Rule, RuleHead, Span,
};

use super::super::Construct;
use super::Findings;
use crate::policy::index::{Index, Meaning, RuleId};
use crate::policy::refs::{self, Chain, Segment, Visitor};

/// Finds what the rule `id` consists of.
pub(super) fn constructs(index: &Index, id: RuleId, found: &mut Findings) {
    visit(index, id, found);
}

/// Whether a body of `id` can succeed more than once: it iterates outside of comprehensions.
pub(super) fn iterates(index: &Index, id: RuleId) -> bool {
    visit(index, id, &mut Findings::default())
}

fn visit(index: &Index, id: RuleId, found: &mut Findings) -> bool {
    let Some(rule) = index.rule(id) else {
        return true;
    };
    let mut scope = Scope::default();
    if let Rule::Spec {
        head: RuleHead::Func { args, .. },
        ..
    } = rule.as_ref()
    {
        scope
            .known
            .extend(args.iter().filter_map(|arg| refs::variable(arg)));
    }
    refs::walk_rule(rule, &mut scope);
    let mut body = Body {
        index,
        module: id.module,
        known: scope.known,
        of_every: scope.of_every,
        found,
        nested: 0,
        iterates: false,
        queries: false,
    };
    refs::walk_rule(rule, &mut body);
    body.iterates
}

/// The variables that have one value in the whole body: parameters and what `:=` assigns.
///
/// Variables of nested queries are left out, so that there an index by one counts as an iteration.
#[derive(Default)]
struct Scope<'a> {
    known: BTreeSet<&'a str>,
    /// What any `every` binds.
    of_every: BTreeSet<&'a str>,
    nested: usize,
}

impl<'a> Visitor<'a> for Scope<'a> {
    fn expr(&mut self, expr: &'a ExprRef) {
        if let Expr::AssignExpr {
            op: AssignOp::ColEq,
            lhs,
            ..
        } = expr.as_ref()
            && self.nested == 0
        {
            self.known.extend(refs::variable(lhs));
        }
    }

    fn statement(&mut self, statement: &'a LiteralStmt) {
        if let Literal::Every { key, value, .. } = &statement.literal {
            let names = key.iter().chain([value]).map(Span::text);
            self.of_every.extend(names);
        }
    }

    fn enter(&mut self) {
        self.nested = self.nested.saturating_add(1);
    }

    fn leave(&mut self) {
        self.nested = self.nested.saturating_sub(1);
    }
}

struct Body<'b> {
    index: &'b Index,
    module: usize,
    known: BTreeSet<&'b str>,
    of_every: BTreeSet<&'b str>,
    found: &'b mut Findings,
    nested: usize,
    /// Whether something outside of nested queries can succeed more than once.
    iterates: bool,
    /// Whether there is a nested query.
    queries: bool,
}

impl Body<'_> {
    fn add(&mut self, construct: Construct, span: &Span) {
        self.found.add(construct, Some(span));
    }

    fn iteration(&mut self) {
        self.iterates |= self.nested == 0;
    }

    /// What the reference `expr` is, from its root and from its steps.
    fn reference(&mut self, expr: &ExprRef) {
        let chain = Chain::of(expr);
        let span = expr.span();
        let root = if chain.root_name().is_none() {
            Construct::ExpressionReference
        } else {
            let meanings = self.index.meanings(Some(self.module), &chain);
            match meanings.as_slice() {
                [] => Construct::LocalReference,
                [Meaning::Input(_)] => Construct::InputReference,
                [Meaning::Data(path)] => self.data(path),
                [_, _, ..] => Construct::VirtualDocument,
            }
        };
        self.add(root, span);
        for segment in &chain.segments {
            if let Segment::Index(index) = segment {
                self.step(index);
            }
        }
    }

    fn data(&self, path: &[String]) -> Construct {
        let rule = (0..=path.len())
            .filter_map(|end| path.get(..end))
            .find_map(|prefix| self.index.rules.get(prefix));
        match rule {
            Some(ids) if ids.iter().any(|id| self.index.is_function(*id)) => {
                Construct::VirtualDocument
            }
            Some(_) if self.index.rules_below(path).count() <= 1 => Construct::RuleReference,
            None if self.index.rules_below(path).next().is_none() && !path.is_empty() => {
                Construct::DataReference
            }
            Some(_) | None => Construct::VirtualDocument,
        }
    }

    /// Whether the value is a collection whatever the input.
    fn is_collection(&self, expr: &ExprRef) -> bool {
        is_collection(expr)
            && self
                .index
                .meanings(Some(self.module), &callee(expr))
                .is_empty()
    }

    #[expect(
        clippy::wildcard_enum_match_arm,
        reason = "whatever else there is may iterate"
    )]
    fn step(&mut self, index: &ExprRef) {
        let names = refs::names_in(|names| refs::walk_expr(index, names));
        if !names.is_disjoint(&self.of_every) {
            return self.add(Construct::EveryIndex, index.span());
        }
        let construct = match index.as_ref() {
            Expr::Number { .. } | Expr::Bool { .. } | Expr::Null { .. } => Construct::LiteralIndex,
            Expr::Var { .. } => {
                let name = refs::variable(index).unwrap_or("_");
                let chain = Chain::of(index);
                let named = !self.index.meanings(Some(self.module), &chain).is_empty();
                if self.known.contains(name) || (named && name != "_") {
                    Construct::BoundIndex
                } else {
                    self.iteration();
                    Construct::ReferenceIteration
                }
            }
            Expr::RefDot { .. } | Expr::RefBrack { .. } | Expr::Call { .. } => {
                Construct::BoundIndex
            }
            _ => {
                self.iteration();
                Construct::PatternIndex
            }
        };
        self.add(construct, index.span());
    }
}

impl<'a> Visitor<'a> for Body<'_> {
    fn expr(&mut self, expr: &'a ExprRef) {
        let construct = match expr.as_ref() {
            Expr::Var { .. } | Expr::RefDot { .. } | Expr::RefBrack { .. } => {
                self.reference(expr);
                return;
            }
            Expr::String { .. }
            | Expr::RawString { .. }
            | Expr::Number { .. }
            | Expr::Bool { .. }
            | Expr::Null { .. } => Construct::Scalar,
            Expr::Array { .. } => Construct::ArrayLiteral,
            Expr::Set { .. } => Construct::SetLiteral,
            Expr::Object { fields, .. } => {
                let plain =
                    |(_, key, _): &(Span, ExprRef, ExprRef)| refs::string_literal(key).is_some();
                if fields.iter().all(plain) {
                    Construct::ObjectLiteral
                } else {
                    Construct::ComputedObjectKey
                }
            }
            Expr::ArrayCompr { term, .. } | Expr::SetCompr { term, .. }
                if !self.index.is_defined(Some(self.module), term) =>
            {
                Construct::ComputedTerm
            }
            Expr::ArrayCompr { query, .. } | Expr::SetCompr { query, .. }
                if !begins_with_iteration(query) =>
            {
                Construct::LateIteration
            }
            Expr::ArrayCompr { .. } => Construct::ArrayComprehension,
            Expr::SetCompr { .. } => Construct::SetComprehension,
            Expr::ObjectCompr { .. } => Construct::ObjectComprehension,
            // Met as a call.
            Expr::Call { .. } => return,
            Expr::UnaryExpr { .. } => Construct::UnaryMinus,
            Expr::BinExpr { .. } => Construct::SetOperator,
            Expr::BoolExpr { .. } => Construct::Comparison,
            Expr::ArithExpr { .. } => Construct::Arithmetic,
            Expr::AssignExpr { op, lhs, .. } => match op {
                AssignOp::Eq => {
                    self.iteration();
                    Construct::Unification
                }
                AssignOp::ColEq if refs::variable(lhs).is_some() => Construct::Assignment,
                AssignOp::ColEq => Construct::Destructuring,
            },
            Expr::Membership { key: None, .. } => Construct::Membership,
            Expr::Membership { key: Some(_), .. } => Construct::KeyMembership,
        };
        self.add(construct, expr.span());
    }

    fn call(&mut self, span: &'a Span, function: &'a ExprRef, arguments: &'a [ExprRef]) {
        let chain = Chain::of(function);
        let meanings = self.index.meanings(Some(self.module), &chain);
        if !meanings.is_empty() {
            let expected = meanings.iter().find_map(|meaning| match meaning {
                Meaning::Data(path) => self.parameters(path),
                Meaning::Input(_) => None,
            });
            let construct = if expected == Some(arguments.len()) {
                Construct::FunctionCall
            } else {
                Construct::OutputArgument
            };
            return self.add(construct, span);
        }
        let name = chain.dotted().unwrap_or_default();
        let construct = match PROVEN_BUILTINS.iter().find(|(known, _)| *known == name) {
            Some((_, expected)) if *expected == arguments.len() => Construct::Builtin,
            Some(_) => Construct::OutputArgument,
            None => Construct::OtherBuiltin,
        };
        if construct == Construct::OtherBuiltin {
            // `walk` yields many values.
            self.iteration();
        }
        self.add(construct, span);
    }

    fn query(&mut self, query: &'a Query) {
        let mut leading = self.nested == 0;
        for statement in &query.stmts {
            if matches!(statement.literal, Literal::SomeVars { .. }) {
                let construct = if leading {
                    Construct::SomeDeclaration
                } else {
                    Construct::LateDeclaration
                };
                self.add(construct, &statement.span);
            } else {
                leading = false;
            }
        }
    }

    fn statement(&mut self, statement: &'a LiteralStmt) {
        let span = &statement.span;
        if !statement.with_mods.is_empty() {
            self.add(Construct::With, span);
        }
        match &statement.literal {
            Literal::SomeIn {
                key,
                value,
                collection,
                ..
            } => {
                self.iteration();
                let plain = |pattern: &ExprRef| refs::variable(pattern).is_some();
                let construct = match key {
                    _ if !self.is_collection(collection) => Construct::SomeInComputed,
                    _ if !plain(value) => Construct::SomeInPattern,
                    Some(key) if !plain(key) => Construct::SomeInPattern,
                    Some(_) => Construct::SomeKeyIn,
                    None => Construct::SomeIn,
                };
                self.add(construct, span);
            }
            // What `some x` declares is judged with the query.
            Literal::SomeVars { .. } | Literal::Expr { .. } => {}
            Literal::NotExpr { expr, .. } => {
                self.add(Construct::Negation, span);
                let mut inner = Body {
                    index: self.index,
                    module: self.module,
                    known: self.known.clone(),
                    of_every: self.of_every.clone(),
                    found: &mut Findings::default(),
                    nested: 0,
                    iterates: false,
                    queries: false,
                };
                refs::walk_expr(expr, &mut inner);
                if inner.iterates {
                    self.add(Construct::NegatedIteration, span);
                }
                if inner.queries {
                    self.add(Construct::NegatedComprehension, span);
                }
            }
            Literal::Every { .. } => self.add(Construct::Every, span),
        }
    }

    fn enter(&mut self) {
        self.queries = true;
        self.nested = self.nested.saturating_add(1);
    }

    fn leave(&mut self) {
        self.nested = self.nested.saturating_sub(1);
    }
}

impl Body<'_> {
    fn parameters(&self, path: &[String]) -> Option<usize> {
        let ids = self.index.rules.get(path)?;
        ids.iter()
            .find_map(|id| match self.index.rule(*id)?.as_ref() {
                Rule::Spec {
                    head: RuleHead::Func { args, .. },
                    ..
                } => Some(args.len()),
                Rule::Spec { .. } | Rule::Default { .. } => None,
            })
    }
}

/// Whether the first statement iterates whatever variables are known: `some x in xs`, `x := xs[_]`
/// or `xs[_]`.
fn begins_with_iteration(query: &Query) -> bool {
    let Some(first) = query.stmts.first() else {
        return false;
    };
    let expr = match &first.literal {
        Literal::SomeIn { .. } => return true,
        Literal::Expr { expr, .. } => expr,
        Literal::SomeVars { .. } | Literal::NotExpr { .. } | Literal::Every { .. } => return false,
    };
    let iterated = if let Expr::AssignExpr { rhs, .. } = expr.as_ref() {
        rhs
    } else {
        expr
    };
    let is_blank = |segment: &Segment<'_>| matches!(segment, Segment::Index(index) if refs::variable(index) == Some("_"));
    let chain = Chain::of(iterated);
    chain.root_name().is_some() && chain.segments.iter().any(is_blank)
}

/// The function's name where `expr` is a call, else `expr` itself.
fn callee(expr: &ExprRef) -> Chain<'_> {
    if let Expr::Call { fcn, .. } = expr.as_ref() {
        return Chain::of(fcn);
    }
    Chain::of(expr)
}

/// Whether literals, comprehensions or built-ins make it a collection.
#[expect(
    clippy::wildcard_enum_match_arm,
    reason = "whatever else there is may be a scalar"
)]
fn is_collection(expr: &Expr) -> bool {
    match expr {
        Expr::Array { .. }
        | Expr::Set { .. }
        | Expr::Object { .. }
        | Expr::ArrayCompr { .. }
        | Expr::SetCompr { .. }
        | Expr::ObjectCompr { .. } => true,
        Expr::Call { fcn, .. } => {
            let name = Chain::of(fcn).dotted();
            name.is_some_and(|name| COLLECTING_BUILTINS.contains(&name.as_str()))
        }
        _ => false,
    }
}

/// The proven built-ins that return a collection or nothing.
const COLLECTING_BUILTINS: &[&str] = &["array.concat", "split", "union"];

/// The built-ins that both evaluators call with the same arguments and none of which iterates,
/// reads the clock or returns a new value each time; with their numbers of arguments.
pub(in crate::policy::constructs) const PROVEN_BUILTINS: &[(&str, usize)] = &[
    ("concat", 2),
    ("contains", 2),
    ("count", 1),
    ("endswith", 2),
    ("indexof", 2),
    ("lower", 1),
    ("max", 1),
    ("min", 1),
    ("object.get", 3),
    ("regex.match", 2),
    ("replace", 3),
    ("split", 2),
    ("sprintf", 2),
    ("startswith", 2),
    ("substring", 3),
    ("sum", 1),
    ("trim", 2),
    ("trim_prefix", 2),
    ("trim_space", 1),
    ("trim_suffix", 2),
    ("upper", 1),
    ("glob.match", 3),
    ("is_string", 1),
    ("is_array", 1),
    ("is_object", 1),
    ("is_boolean", 1),
    ("is_number", 1),
    ("is_null", 1),
    ("to_number", 1),
    ("union", 1),
    ("array.concat", 2),
    ("net.cidr_contains", 2),
    ("http.send", 1),
];
