//! References in a module's syntax tree, taken apart: root, the segments known at load time, the
//! rest. The static analysis, the evaluator choice and the name checks all read them from here.

use std::collections::BTreeSet;

use regorus::unstable::{
    Expr, ExprRef, Literal, LiteralStmt, Query, Ref, Rule, RuleAssign, RuleBody, RuleHead, Span,
};

/// One step of a reference.
#[derive(Clone, Copy, Debug)]
pub(super) enum Segment<'a> {
    /// `.name` or `["name"]`.
    Key(&'a str),
    /// `[anything else]`.
    Index(&'a ExprRef),
}

/// A reference: what it starts from and the steps behind.
#[derive(Debug)]
pub(super) struct Chain<'a> {
    pub(super) root: &'a ExprRef,
    pub(super) segments: Vec<Segment<'a>>,
}

impl<'a> Chain<'a> {
    /// Takes `expr` apart. Anything is a chain; one that is no reference has no segments.
    ///
    /// A loop, not a recursion: chains are as long as the source, while other nesting is bounded
    /// by the parser.
    pub(super) fn of(expr: &'a ExprRef) -> Self {
        let mut root = expr;
        let mut segments = Vec::new();
        loop {
            match root.as_ref() {
                Expr::RefDot { refr, field, .. } => {
                    segments.push(Segment::Key(string_of(&field.1).unwrap_or_default()));
                    root = refr;
                }
                Expr::RefBrack { refr, index, .. } => {
                    segments.push(match string_literal(index) {
                        Some(key) => Segment::Key(key),
                        None => Segment::Index(index),
                    });
                    root = refr;
                }
                Expr::String { .. }
                | Expr::RawString { .. }
                | Expr::Number { .. }
                | Expr::Bool { .. }
                | Expr::Null { .. }
                | Expr::Var { .. }
                | Expr::Array { .. }
                | Expr::Set { .. }
                | Expr::Object { .. }
                | Expr::ArrayCompr { .. }
                | Expr::SetCompr { .. }
                | Expr::ObjectCompr { .. }
                | Expr::Call { .. }
                | Expr::UnaryExpr { .. }
                | Expr::BinExpr { .. }
                | Expr::BoolExpr { .. }
                | Expr::ArithExpr { .. }
                | Expr::AssignExpr { .. }
                | Expr::Membership { .. } => break,
            }
        }
        segments.reverse();
        Self { root, segments }
    }

    /// The variable it starts from.
    pub(super) fn root_name(&self) -> Option<&'a str> {
        variable(self.root)
    }

    /// The segments before the first that is not known at load time.
    pub(super) fn static_prefix(&self) -> Vec<&'a str> {
        self.segments
            .iter()
            .map_while(|segment| match segment {
                Segment::Key(key) => Some(*key),
                Segment::Index(_) => None,
            })
            .collect()
    }

    /// `a.b.c`, when every step is known: how functions are named.
    pub(super) fn dotted(&self) -> Option<String> {
        let prefix = self.static_prefix();
        (prefix.len() == self.segments.len()).then_some(())?;
        let mut name = self.root_name()?.to_owned();
        for segment in prefix {
            name.push('.');
            name.push_str(segment);
        }
        Some(name)
    }
}

/// The name of a variable.
pub(super) fn variable(expr: &Expr) -> Option<&str> {
    if let Expr::Var { span, .. } = expr {
        return Some(span.text());
    }
    None
}

/// The names of all variables in what `walk` shows.
pub(super) fn names_in<'a>(walk: impl FnOnce(&mut Names<'a>)) -> BTreeSet<&'a str> {
    let mut names = Names(BTreeSet::new());
    walk(&mut names);
    names.0
}

/// Collects the names of variables, roots of references included.
pub(super) struct Names<'a>(BTreeSet<&'a str>);

impl<'a> Visitor<'a> for Names<'a> {
    fn expr(&mut self, expr: &'a ExprRef) {
        self.0.extend(Chain::of(expr).root_name());
    }

    fn statement(&mut self, statement: &'a LiteralStmt) {
        match &statement.literal {
            Literal::SomeVars { vars, .. } => self.0.extend(vars.iter().map(Span::text)),
            Literal::Every { key, value, .. } => {
                self.0.extend(key.iter().chain([value]).map(Span::text));
            }
            Literal::SomeIn { .. } | Literal::Expr { .. } | Literal::NotExpr { .. } => {}
        }
    }
}

/// The text of a string literal of either form.
pub(super) fn string_literal(expr: &Expr) -> Option<&str> {
    if let Expr::String { value, .. } | Expr::RawString { value, .. } = expr {
        return string_of(value);
    }
    None
}

fn string_of(value: &regorus::Value) -> Option<&str> {
    value.as_string().ok().map(AsRef::as_ref)
}

/// What a syntax tree is made of, as [`walk_rule`] meets it.
pub(super) trait Visitor<'a> {
    /// An expression, before those inside it. A reference is met once, as a whole: neither its
    /// prefixes nor the name of a called function are met again.
    fn expr(&mut self, expr: &'a ExprRef);
    /// A call's function, before its arguments.
    fn call(&mut self, _span: &'a Span, _function: &'a ExprRef, _arguments: &'a [ExprRef]) {}
    /// A query, before its statements.
    fn query(&mut self, _query: &'a Query) {}
    /// A statement, before what is in it.
    fn statement(&mut self, _statement: &'a LiteralStmt) {}
    /// A comprehension or the body of `every` begins: what follows has its own variables.
    fn enter(&mut self) {}
    /// The innermost comprehension or `every` body ends.
    fn leave(&mut self) {}
}

/// Shows everything in `rule` to `visitor`: head, keys, values, bodies, `else` branches, defaults.
pub(super) fn walk_rule<'a>(rule: &'a Ref<Rule>, visitor: &mut impl Visitor<'a>) {
    match rule.as_ref() {
        Rule::Spec { head, bodies, .. } => {
            walk_head(head, visitor);
            for body in bodies {
                walk_body(body, visitor);
            }
        }
        Rule::Default { args, value, .. } => {
            for arg in args {
                walk_expr(arg, visitor);
            }
            walk_expr(value, visitor);
        }
    }
}

fn walk_head<'a>(head: &'a RuleHead, visitor: &mut impl Visitor<'a>) {
    match head {
        RuleHead::Compr { refr, assign, .. } => {
            walk_indices(refr, visitor);
            walk_assign(assign.as_ref(), visitor);
        }
        RuleHead::Set { refr, key, .. } => {
            walk_indices(refr, visitor);
            if let Some(key) = key {
                walk_expr(key, visitor);
            }
        }
        RuleHead::Func {
            refr, args, assign, ..
        } => {
            walk_indices(refr, visitor);
            for arg in args {
                walk_expr(arg, visitor);
            }
            walk_assign(assign.as_ref(), visitor);
        }
    }
}

/// A head's own name is no reference, the keys in its brackets may be.
fn walk_indices<'a>(refr: &'a ExprRef, visitor: &mut impl Visitor<'a>) {
    for segment in Chain::of(refr).segments {
        if let Segment::Index(index) = segment {
            walk_expr(index, visitor);
        }
    }
}

fn walk_assign<'a>(assign: Option<&'a RuleAssign>, visitor: &mut impl Visitor<'a>) {
    if let Some(assign) = assign {
        walk_expr(&assign.value, visitor);
    }
}

fn walk_body<'a>(body: &'a RuleBody, visitor: &mut impl Visitor<'a>) {
    walk_assign(body.assign.as_ref(), visitor);
    walk_query(&body.query, visitor);
}

/// Shows everything in a query to `visitor`.
pub(super) fn walk_query<'a>(query: &'a Query, visitor: &mut impl Visitor<'a>) {
    visitor.query(query);
    for statement in &query.stmts {
        walk_statement(statement, visitor);
    }
}

/// Shows a statement and everything in it to `visitor`.
pub(super) fn walk_statement<'a>(statement: &'a LiteralStmt, visitor: &mut impl Visitor<'a>) {
    visitor.statement(statement);
    match &statement.literal {
        Literal::SomeVars { .. } => {}
        Literal::SomeIn {
            key,
            value,
            collection,
            ..
        } => {
            if let Some(key) = key {
                walk_expr(key, visitor);
            }
            walk_expr(value, visitor);
            walk_expr(collection, visitor);
        }
        Literal::Expr { expr, .. } | Literal::NotExpr { expr, .. } => walk_expr(expr, visitor),
        Literal::Every { domain, query, .. } => {
            walk_expr(domain, visitor);
            visitor.enter();
            walk_query(query, visitor);
            visitor.leave();
        }
    }
    for with in &statement.with_mods {
        walk_expr(&with.r#as, visitor);
        walk_indices(&with.refr, visitor);
    }
}

/// Shows `expr` and everything inside it to `visitor`.
#[expect(clippy::too_many_lines, reason = "one arm for each kind of expression")]
pub(super) fn walk_expr<'a>(expr: &'a ExprRef, visitor: &mut impl Visitor<'a>) {
    visitor.expr(expr);
    match expr.as_ref() {
        Expr::String { .. }
        | Expr::RawString { .. }
        | Expr::Number { .. }
        | Expr::Bool { .. }
        | Expr::Null { .. }
        | Expr::Var { .. } => {}
        Expr::Array { items, .. } | Expr::Set { items, .. } => {
            for item in items {
                walk_expr(item, visitor);
            }
        }
        Expr::Object { fields, .. } => {
            for (_, key, value) in fields {
                walk_expr(key, visitor);
                walk_expr(value, visitor);
            }
        }
        Expr::ArrayCompr { term, query, .. } | Expr::SetCompr { term, query, .. } => {
            visitor.enter();
            walk_expr(term, visitor);
            walk_query(query, visitor);
            visitor.leave();
        }
        Expr::ObjectCompr {
            key, value, query, ..
        } => {
            visitor.enter();
            walk_expr(key, visitor);
            walk_expr(value, visitor);
            walk_query(query, visitor);
            visitor.leave();
        }
        Expr::Call {
            span, fcn, params, ..
        } => {
            visitor.call(span, fcn, params);
            for param in params {
                walk_expr(param, visitor);
            }
        }
        Expr::UnaryExpr { expr, .. } => walk_expr(expr, visitor),
        Expr::RefDot { .. } | Expr::RefBrack { .. } => {
            let chain = Chain::of(expr);
            if variable(chain.root).is_none() {
                walk_expr(chain.root, visitor);
            }
            walk_indices(expr, visitor);
        }
        Expr::BinExpr { lhs, rhs, .. }
        | Expr::BoolExpr { lhs, rhs, .. }
        | Expr::ArithExpr { lhs, rhs, .. }
        | Expr::AssignExpr { lhs, rhs, .. } => {
            walk_expr(lhs, visitor);
            walk_expr(rhs, visitor);
        }
        Expr::Membership {
            key,
            value,
            collection,
            ..
        } => {
            if let Some(key) = key {
                walk_expr(key, visitor);
            }
            walk_expr(value, visitor);
            walk_expr(collection, visitor);
        }
    }
}

/// Appends one path segment as Rego writes it: `.a`, or `["a b"]` when it is no identifier.
pub(super) fn push_segment(text: &mut String, segment: &str) {
    let plain = !segment.is_empty()
        && !segment.starts_with(|c: char| c.is_ascii_digit())
        && segment
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || c == '_');
    if plain {
        text.push('.');
        text.push_str(segment);
    } else {
        let quoted = serde_json::Value::from(segment).to_string();
        text.push('[');
        text.push_str(&quoted);
        text.push(']');
    }
}

/// `data.a["b c"]` for the segments below `data`.
pub(super) fn data_path<'s>(segments: impl IntoIterator<Item = &'s str>) -> String {
    let mut text = String::from("data");
    for segment in segments {
        push_segment(&mut text, segment);
    }
    text
}
