//! What a statement compares: the parts of it whose values tell why it does not hold.

use regorus::unstable::{AssignOp, BoolOp, Expr, ExprRef, Literal, LiteralStmt};

use super::addition::{self, text_of};
use super::scope::{Place, Reads};
use crate::policy::entrypoint::parse_query;

/// A part of a statement that has a value.
#[derive(Debug)]
pub(super) struct Operand {
    pub(super) text: String,
    /// The text with the statement's `with`: what is evaluated.
    pub(super) evaluated: String,
    pub(super) reads: Vec<Reads>,
    /// Whether a header that carries a credential is read in it.
    pub(super) sensitive: bool,
}

/// How a statement is written with values in the place of its operands.
#[derive(Clone, Debug)]
pub(super) enum Piece {
    /// As it stands.
    Text(String),
    /// The value of the operand of this number.
    Operand(usize),
}

/// The operands of `statement`, and where they stand in it.
pub(super) fn of(place: &Place<'_>, statement: &LiteralStmt) -> (Vec<Piece>, Vec<Operand>) {
    let mut found = Found {
        place,
        with: with_text(statement),
        pieces: Vec::new(),
        operands: Vec::new(),
    };
    match &statement.literal {
        Literal::SomeVars { .. } => {}
        Literal::SomeIn {
            span, collection, ..
        } => {
            found.source_until(span, collection);
            found.operand(collection);
        }
        Literal::Expr { expr, .. } => found.expr(expr),
        Literal::NotExpr { expr, .. } => {
            found.text("not ");
            found.expr(expr);
        }
        Literal::Every { span, domain, .. } => {
            found.source_until(span, domain);
            found.operand(domain);
            found.text(" { … }");
        }
    }
    (found.pieces, found.operands)
}

/// What must hold before `statement` is asked. In a body `some k, v in x` ends it where `x` is no
/// collection; inside of another query, where questions stand, the interpreter fails there.
pub(super) fn guard(statement: &LiteralStmt) -> Option<String> {
    let Literal::SomeIn {
        key: Some(_),
        collection,
        ..
    } = &statement.literal
    else {
        return None;
    };
    let collection = text_of(collection)?;
    let with = with_text(statement);
    Some(format!(
        r#"{{"array", "object", "set"}}[type_name({collection})]{with}"#
    ))
}

/// ` with input.x as y`, as it stands behind the statement.
fn with_text(statement: &LiteralStmt) -> String {
    let texts = statement.with_mods.iter().filter_map(|with| {
        let target = text_of(&with.refr)?;
        let value = text_of(&with.r#as)?;
        Some(format!(" with {target} as {value}"))
    });
    texts.collect()
}

struct Found<'p> {
    place: &'p Place<'p>,
    with: String,
    pieces: Vec<Piece>,
    operands: Vec<Operand>,
}

impl Found<'_> {
    fn text(&mut self, text: &str) {
        self.pieces.push(Piece::Text(text.to_owned()));
    }

    /// `some x in ` of a statement that goes on with `expr`.
    fn source_until(&mut self, span: &regorus::unstable::Span, expr: &ExprRef) {
        let text = span.source.get_contents();
        let before = usize::try_from(span.start)
            .ok()
            .zip(addition::start(expr))
            .and_then(|(start, end)| text.get(start..end));
        self.text(before.unwrap_or_default());
    }

    #[expect(
        clippy::wildcard_enum_match_arm,
        reason = "everything else is one value"
    )]
    fn expr(&mut self, expr: &ExprRef) {
        match expr.as_ref() {
            Expr::BoolExpr { op, lhs, rhs, .. } => {
                let op = match op {
                    BoolOp::Lt => " < ",
                    BoolOp::Le => " <= ",
                    BoolOp::Eq => " == ",
                    BoolOp::Ge => " >= ",
                    BoolOp::Gt => " > ",
                    BoolOp::Ne => " != ",
                };
                self.infix(lhs, op, rhs);
            }
            Expr::AssignExpr {
                op: AssignOp::Eq,
                lhs,
                rhs,
                ..
            } => self.infix(lhs, " = ", rhs),
            Expr::AssignExpr {
                op: AssignOp::ColEq,
                lhs,
                rhs,
                ..
            } => {
                let lhs = text_of(lhs).unwrap_or_default();
                self.text(&format!("{lhs} := "));
                self.operand(rhs);
            }
            Expr::Membership {
                key,
                value,
                collection,
                ..
            } => {
                if let Some(key) = key {
                    self.operand(key);
                    self.text(", ");
                }
                self.infix(value, " in ", collection);
            }
            Expr::Call { fcn, params, .. } => {
                let name = text_of(fcn).unwrap_or_default();
                self.text(&format!("{name}("));
                for (at, param) in params.iter().enumerate() {
                    if at > 0 {
                        self.text(", ");
                    }
                    self.operand(param);
                }
                self.text(")");
            }
            _ => self.operand(expr),
        }
    }

    fn infix(&mut self, lhs: &ExprRef, op: &str, rhs: &ExprRef) {
        self.operand(lhs);
        self.text(op);
        self.operand(rhs);
    }

    fn operand(&mut self, expr: &ExprRef) {
        // Brackets around its first or last part are not in its place.
        let text = text_of(expr);
        let Some(text) = text.filter(|text| parse_query(&format!("x := {text}")).is_ok()) else {
            return self.text("…");
        };
        if is_scalar(expr) {
            return self.text(&text);
        }
        let named = self.place.expr(expr);
        self.pieces.push(Piece::Operand(self.operands.len()));
        self.operands.push(Operand {
            evaluated: format!("{text}{}", self.with),
            text,
            reads: named.reads,
            sensitive: named.sensitive,
        });
    }
}

#[expect(
    clippy::wildcard_enum_match_arm,
    reason = "only scalars are what they look like"
)]
fn is_scalar(expr: &Expr) -> bool {
    match expr {
        Expr::String { .. }
        | Expr::RawString { .. }
        | Expr::Number { .. }
        | Expr::Bool { .. }
        | Expr::Null { .. } => true,
        Expr::UnaryExpr { expr, .. } => is_scalar(expr),
        _ => false,
    }
}
