//! What statements name: their variables, what they read of the input, the rules and functions of the
//! policy, and whether a credential is among it.

use std::collections::BTreeSet;

use regorus::unstable::{AssignOp, Expr, ExprRef, Literal, LiteralStmt, Span};

use crate::policy::index::{Index, Meaning};
use crate::policy::refs::{self, Chain, Segment, Visitor};
use crate::redact;

/// What one reference stands for, as far as it is known without evaluating.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Reads {
    /// Below `input`.
    Input(Vec<String>),
    /// Below `data`: rules or base data.
    Data(Vec<String>),
    /// Below a variable.
    Local(String, Vec<String>),
}

/// A call of one of the policy's own functions.
#[derive(Clone, Debug)]
pub(super) struct Call {
    /// The function's path below `data`.
    pub(super) function: Vec<String>,
    pub(super) arguments: Vec<ExprRef>,
}

/// Everything that a statement or an expression names.
#[derive(Debug, Default)]
pub(super) struct Named {
    /// Its variables, those of comprehensions and of `every` left out.
    pub(super) locals: BTreeSet<String>,
    /// What it reads, in the order of the text; of comprehensions too.
    pub(super) reads: Vec<Reads>,
    /// Calls outside of comprehensions.
    pub(super) calls: Vec<Call>,
    /// Whether it reads a header that carries a credential.
    pub(super) sensitive: bool,
}

/// What names mean in one place of a module.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place<'i> {
    pub(super) index: &'i Index,
    pub(super) module: usize,
    /// The variables known so far.
    pub(super) known: &'i BTreeSet<String>,
}

impl Place<'_> {
    /// What `statement` names.
    pub(super) fn statement(&self, statement: &LiteralStmt) -> Named {
        let mut reader = self.reader(declared(statement));
        refs::walk_statement(statement, &mut reader);
        let mut named = reader.named;
        if matches!(statement.literal, Literal::NotExpr { .. }) {
            named.locals.clear();
        }
        named
    }

    /// What `expr` names.
    pub(super) fn expr(&self, expr: &ExprRef) -> Named {
        let mut reader = self.reader(BTreeSet::new());
        refs::walk_expr(expr, &mut reader);
        reader.named
    }

    fn reader(&self, declared: BTreeSet<String>) -> Reader<'_> {
        Reader {
            place: *self,
            named: Named {
                locals: declared,
                ..Named::default()
            },
            nested: 0,
        }
    }
}

/// The variables that a statement declares, whatever their names mean elsewhere.
pub(super) fn declared(statement: &LiteralStmt) -> BTreeSet<String> {
    let names = |exprs: &mut dyn Iterator<Item = &ExprRef>| {
        let mut found = BTreeSet::new();
        for expr in exprs {
            let names = refs::names_in(|names| refs::walk_expr(expr, names));
            found.extend(
                names
                    .into_iter()
                    .filter(|name| *name != "_")
                    .map(str::to_owned),
            );
        }
        found
    };
    match &statement.literal {
        Literal::SomeVars { vars, .. } => vars.iter().map(|var| var.text().to_owned()).collect(),
        Literal::SomeIn { key, value, .. } => names(&mut key.iter().chain([value])),
        Literal::Expr { expr, .. } => match expr.as_ref() {
            Expr::AssignExpr {
                op: AssignOp::ColEq,
                lhs,
                ..
            } => names(&mut [lhs].into_iter()),
            Expr::AssignExpr {
                op: AssignOp::Eq, ..
            }
            | Expr::String { .. }
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
            | Expr::RefDot { .. }
            | Expr::RefBrack { .. }
            | Expr::BinExpr { .. }
            | Expr::BoolExpr { .. }
            | Expr::ArithExpr { .. }
            | Expr::Membership { .. } => BTreeSet::new(),
        },
        Literal::NotExpr { .. } | Literal::Every { .. } => BTreeSet::new(),
    }
}

struct Reader<'p> {
    place: Place<'p>,
    named: Named,
    nested: usize,
}

impl Reader<'_> {
    fn own_function(&self, function: &ExprRef) -> Option<Vec<String>> {
        let index = self.place.index;
        let meanings = index.meanings(Some(self.place.module), &Chain::of(function));
        meanings.into_iter().find_map(|meaning| match meaning {
            Meaning::Data(path) => index.rules.contains_key(&path).then_some(path),
            Meaning::Input(_) => None,
        })
    }
}

impl<'a> Visitor<'a> for Reader<'_> {
    fn expr(&mut self, expr: &'a ExprRef) {
        let chain = Chain::of(expr);
        let Some(root) = chain.root_name() else {
            return;
        };
        self.named.sensitive |= chain.segments.iter().any(|segment| match segment {
            Segment::Key(key) => redact::is_sensitive_header(key),
            Segment::Index(_) => false,
        });
        let rest = || {
            chain
                .static_prefix()
                .into_iter()
                .map(str::to_owned)
                .collect()
        };
        if self.named.locals.contains(root) || self.place.known.contains(root) {
            self.named.reads.push(Reads::Local(root.to_owned(), rest()));
            return;
        }
        let meanings = self.place.index.meanings(Some(self.place.module), &chain);
        if meanings.is_empty() && root != "_" && self.nested == 0 {
            self.named.locals.insert(root.to_owned());
            self.named.reads.push(Reads::Local(root.to_owned(), rest()));
        }
        for meaning in meanings {
            self.named.reads.push(match meaning {
                Meaning::Input(path) => Reads::Input(path),
                Meaning::Data(path) => Reads::Data(path),
            });
        }
    }

    fn call(&mut self, _span: &'a Span, function: &'a ExprRef, arguments: &'a [ExprRef]) {
        if self.nested == 0
            && let Some(function) = self.own_function(function)
        {
            self.named.calls.push(Call {
                function,
                arguments: arguments.to_vec(),
            });
        }
    }

    fn enter(&mut self) {
        self.nested = self.nested.saturating_add(1);
    }

    fn leave(&mut self) {
        self.nested = self.nested.saturating_sub(1);
    }
}
