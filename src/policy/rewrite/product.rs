//! Puts every product of what is not constant into a call that looks at its size: numbers have no
//! end in Rego, twenty-six squares of a small one take seconds, and no evaluator looks at the clock
//! while it multiplies. Sums grow by a bit at a time and need no such thing.

use regorus::unstable::{ArithOp, Expr, ExprRef, Module, Rule};

use super::{Edit, Side, apply};
use crate::policy::builtins::BOUNDED;
use crate::policy::refs::{self, Visitor};

/// The text of `module` with its products bounded; nothing where it has none.
pub(super) fn bounded(module: &Module) -> Option<String> {
    let mut products = Products(Vec::new());
    for rule in &module.policy {
        // What stands in a default is constant.
        if matches!(rule.as_ref(), Rule::Spec { .. }) {
            refs::walk_rule(rule, &mut products);
        }
    }
    if products.0.is_empty() {
        return None;
    }
    apply(module, products.0)
}

/// Whether `expr` is a product whose size depends on something.
pub(in crate::policy) fn is_product(expr: &Expr) -> bool {
    matches!(
        expr,
        Expr::ArithExpr {
            op: ArithOp::Mul,
            ..
        }
    ) && !is_constant(expr)
}

#[expect(
    clippy::wildcard_enum_match_arm,
    reason = "everything else may be of any size"
)]
fn is_constant(expr: &Expr) -> bool {
    match expr {
        Expr::ArithExpr { lhs, rhs, .. } => is_constant(lhs) && is_constant(rhs),
        Expr::Number { .. } => true,
        _ => false,
    }
}

struct Products(Vec<Edit>);

impl<'a> Visitor<'a> for Products {
    fn expr(&mut self, expr: &'a ExprRef) {
        let span = expr.span();
        let (true, Ok(start), Ok(end)) = (
            is_product(expr),
            usize::try_from(span.start),
            usize::try_from(span.end),
        ) else {
            return;
        };
        let insert = |at: usize, text: String, side: Side| Edit {
            start: at,
            end: at,
            text,
            side,
        };
        // Of what ends at one place the outermost begins first: all are the same bracket.
        self.0
            .push(insert(start, format!("{BOUNDED}("), Side::Before));
        self.0.push(insert(end, ")".to_owned(), Side::Behind));
    }
}
