//! Syntax trees back to text, operands hoisted on the way.

use regorus::unstable::{
    ArithOp, AssignOp, BinOp, BoolOp, Expr, ExprRef, Literal, LiteralStmt, Query, Span,
};

use crate::policy::builtins;
use crate::policy::index::{Index, Meaning};
use crate::policy::refs::{self, Chain};

pub(super) struct Renderer<'r> {
    index: &'r Index,
    module: Option<usize>,
    /// What new variables begin with: nothing in any module does.
    prefix: String,
    /// How many new variables there are.
    count: usize,
    /// How many output arguments became unifications.
    outputs: usize,
    /// The line that the text has come to.
    line: u32,
    /// The modifiers of the statement, which what is hoisted from it needs as well.
    with: String,
}

impl<'r> Renderer<'r> {
    pub(super) fn new(index: &'r Index, module: Option<usize>) -> Self {
        Self {
            index,
            module,
            prefix: index.fresh_prefix("hoisted_"),
            count: 0,
            outputs: 0,
            line: 0,
            with: String::new(),
        }
    }

    /// The statements that `statement` becomes; nothing if it stays as it is.
    pub(super) fn statement(&mut self, statement: &LiteralStmt) -> Option<String> {
        let before = (self.count, self.outputs);
        self.line = statement.span.line;
        let mut texts = self.statements(statement);
        if (self.count, self.outputs) == before {
            return None;
        }
        let newlines = |text: &str| text.matches('\n').count();
        let here: usize = texts.iter().map(|text| newlines(text)).sum();
        let missing = newlines(statement.span.text()).saturating_sub(here);
        if let Some(last) = texts.last_mut() {
            // What has lines of its own keeps them.
            let at = if newlines(last) == 0 { 0 } else { last.len() };
            last.insert_str(at, &"\n".repeat(missing));
        }
        Some(texts.join("; "))
    }

    /// What must be defined for the value `expr` to be.
    pub(super) fn value(&mut self, expr: &ExprRef, hoists: &mut Vec<String>) {
        self.line = expr.span().line;
        self.expr(expr, hoists);
    }

    fn statements(&mut self, statement: &LiteralStmt) -> Vec<String> {
        let mut hoists = Vec::new();
        let outer = std::mem::take(&mut self.with);
        let negated = matches!(statement.literal, Literal::NotExpr { .. });
        let mut with = String::new();
        for modifier in &statement.with_mods {
            let target = self.expr(&modifier.refr, &mut hoists);
            let value = if negated && !self.is_function(&modifier.r#as) {
                self.operand(&modifier.r#as, &mut hoists)
            } else {
                self.expr(&modifier.r#as, &mut hoists)
            };
            for text in [" with ", &target, " as ", &value] {
                with.push_str(text);
            }
        }
        self.with = with;
        let text = match &statement.literal {
            Literal::SomeVars { vars, .. } => {
                let names: Vec<&str> = vars.iter().map(Span::text).collect();
                format!("some {}", names.join(", "))
            }
            Literal::SomeIn {
                key,
                value,
                collection,
                ..
            } => {
                let key = key.as_ref().map_or_else(String::new, |key| {
                    format!("{}, ", self.expr(key, &mut hoists))
                });
                let value = self.expr(value, &mut hoists);
                let collection = self.expr(collection, &mut hoists);
                format!("some {key}{value} in {collection}")
            }
            Literal::Expr { expr, .. } if is_print(expr) => expr.span().text().to_owned(),
            Literal::Expr { expr, .. } => self.whole(expr, &mut hoists),
            Literal::NotExpr { expr, .. } => format!("not {}", self.negated(expr, &mut hoists)),
            Literal::Every {
                key,
                value,
                domain,
                query,
                ..
            } => {
                let key = key
                    .as_ref()
                    .map_or_else(String::new, |key| format!("{}, ", key.text()));
                let domain = self.expr(domain, &mut hoists);
                let query = self.query(query, &[]);
                format!("every {key}{} in {domain} {{ {query} }}", value.text())
            }
        };
        hoists.push(format!("{text}{}", self.with));
        self.with = outer;
        hoists
    }

    /// `io.jwt.decode(token, [_, payload, _])` as a unification with the result: regorus knows no
    /// output argument of the functions that are added to it.
    fn with_output(
        &mut self,
        expr: &ExprRef,
        hoists: &mut Vec<String>,
        part: Part<'r>,
    ) -> Option<String> {
        let Expr::Call { fcn, params, .. } = expr.as_ref() else {
            return None;
        };
        let chain = Chain::of(fcn);
        let name = chain.dotted().filter(|name| builtins::is_added(name))?;
        let (output, inputs) = params.split_last()?;
        let is_output = builtins::arguments(&name) == Some(inputs.len())
            && self.module.is_some()
            && self.index.meanings(self.module, &chain).is_empty();
        if !is_output {
            return None;
        }
        self.outputs = self.outputs.saturating_add(1);
        let inputs = self.list(inputs, hoists, part);
        let output = part(self, output, hoists);
        Some(format!("{output} = {name}({inputs})"))
    }

    /// The statements of a comprehension or `every`, each on its line.
    fn query(&mut self, query: &Query, behind: &[String]) -> String {
        let outer = std::mem::take(&mut self.with);
        let mut text = String::new();
        for statement in &query.stmts {
            if !text.is_empty() {
                text.push_str("; ");
            }
            let lines = statement.span.line.saturating_sub(self.line);
            for _ in 0..lines {
                text.push('\n');
            }
            self.line = self.line.max(statement.span.line);
            text.push_str(&self.statements(statement).join("; "));
        }
        for hoist in behind {
            text.push_str("; ");
            text.push_str(hoist);
        }
        self.with = outer;
        text
    }

    /// Names `text`, in front of the statement.
    fn hoist(&mut self, text: &str, hoists: &mut Vec<String>) -> String {
        self.count = self.count.saturating_add(1);
        let name = format!("{}{}", self.prefix, self.count);
        hoists.push(format!("{name} := {text}{}", self.with));
        name
    }

    /// An operand: what may be undefined is hoisted.
    fn operand(&mut self, expr: &ExprRef, hoists: &mut Vec<String>) -> String {
        let text = self.expr(expr, hoists);
        if self.index.is_defined(self.module, expr) {
            return text;
        }
        self.hoist(&text, hoists)
    }

    /// What stands behind `not`.
    fn negated(&mut self, expr: &ExprRef, hoists: &mut Vec<String>) -> String {
        if let Some(unification) = self.with_output(expr, hoists, Self::operand) {
            return unification;
        }
        match expr.as_ref() {
            Expr::BoolExpr {
                op: BoolOp::Eq,
                lhs,
                rhs,
                ..
            } => {
                let (lhs, rhs) = (self.side(lhs, hoists), self.side(rhs, hoists));
                format!("{lhs} == {rhs}")
            }
            Expr::AssignExpr {
                op: AssignOp::Eq,
                lhs,
                rhs,
                ..
            } => {
                let (lhs, rhs) = (self.side(lhs, hoists), self.side(rhs, hoists));
                format!("{lhs} = {rhs}")
            }
            Expr::BoolExpr { .. }
            | Expr::BinExpr { .. }
            | Expr::ArithExpr { .. }
            | Expr::UnaryExpr { .. }
            | Expr::Membership { .. }
            | Expr::Call { .. } => self.parts(expr, hoists, Self::operand),
            Expr::Array { .. }
            | Expr::Set { .. }
            | Expr::Object { .. }
            | Expr::Var { .. }
            | Expr::RefDot { .. }
            | Expr::RefBrack { .. } => self.side(expr, hoists),
            Expr::String { .. }
            | Expr::RawString { .. }
            | Expr::Number { .. }
            | Expr::Bool { .. }
            | Expr::Null { .. }
            | Expr::ArrayCompr { .. }
            | Expr::SetCompr { .. }
            | Expr::ObjectCompr { .. }
            | Expr::AssignExpr { .. } => self.whole(expr, hoists),
        }
    }

    /// One side of an equation: a reference stays, what it is made of is hoisted.
    fn side(&mut self, expr: &ExprRef, hoists: &mut Vec<String>) -> String {
        match expr.as_ref() {
            Expr::RefDot { refr, field, .. } => {
                format!("{}.{}", self.side(refr, hoists), field.0.text())
            }
            Expr::RefBrack { refr, index, .. } => {
                let refr = self.side(refr, hoists);
                format!("{refr}[{}]", self.operand(index, hoists))
            }
            Expr::Var { span, .. } => span.text().to_owned(),
            Expr::String { .. }
            | Expr::RawString { .. }
            | Expr::Number { .. }
            | Expr::Bool { .. }
            | Expr::Null { .. }
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
            | Expr::Membership { .. } => self.operand(expr, hoists),
        }
    }

    /// A whole statement. What it is made of may be undefined, as then it is undefined itself.
    fn whole(&mut self, expr: &ExprRef, hoists: &mut Vec<String>) -> String {
        self.with_output(expr, hoists, Self::expr)
            .unwrap_or_else(|| self.parts(expr, hoists, Self::expr))
    }

    /// A value: `in` has one only if its operands have.
    fn expr(&mut self, expr: &ExprRef, hoists: &mut Vec<String>) -> String {
        match expr.as_ref() {
            Expr::Membership { .. } => {
                format!("({})", self.parts(expr, hoists, Self::operand))
            }
            Expr::BinExpr { .. }
            | Expr::BoolExpr { .. }
            | Expr::ArithExpr { .. }
            | Expr::UnaryExpr { .. }
            | Expr::AssignExpr { .. } => format!("({})", self.parts(expr, hoists, Self::expr)),
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
            | Expr::RefDot { .. }
            | Expr::RefBrack { .. } => self.parts(expr, hoists, Self::expr),
        }
    }

    /// `expr` without brackets around it, each part as `part` gives it.
    #[expect(clippy::too_many_lines, reason = "one arm for each kind of expression")]
    fn parts(&mut self, expr: &ExprRef, hoists: &mut Vec<String>, part: Part<'r>) -> String {
        match expr.as_ref() {
            Expr::String { value, .. } | Expr::RawString { value, .. } => {
                let text = value.as_string().map(AsRef::as_ref).unwrap_or_default();
                serde_json::Value::from(text).to_string()
            }
            Expr::Number { span, .. }
            | Expr::Bool { span, .. }
            | Expr::Null { span, .. }
            | Expr::Var { span, .. } => span.text().to_owned(),
            Expr::Array { items, .. } => format!("[{}]", self.list(items, hoists, part)),
            Expr::Set { items, .. } if items.is_empty() => "set()".to_owned(),
            Expr::Set { items, .. } => format!("{{{}}}", self.list(items, hoists, part)),
            Expr::Object { fields, .. } => {
                let mut texts = Vec::new();
                for (_, key, value) in fields {
                    let key = part(self, key, hoists);
                    texts.push(format!("{key}: {}", part(self, value, hoists)));
                }
                format!("{{{}}}", texts.join(", "))
            }
            Expr::ArrayCompr { term, query, .. } => {
                format!("[{}]", self.comprehension(&[term], query))
            }
            Expr::SetCompr { term, query, .. } => {
                format!("{{{}}}", self.comprehension(&[term], query))
            }
            Expr::ObjectCompr {
                key, value, query, ..
            } => format!("{{{}}}", self.comprehension(&[key, value], query)),
            Expr::Call { fcn, params, .. } => {
                let name = self.expr(fcn, hoists);
                format!("{name}({})", self.list(params, hoists, part))
            }
            Expr::UnaryExpr { expr, .. } => format!("-{}", part(self, expr, hoists)),
            Expr::RefDot { refr, field, .. } => {
                format!("{}.{}", part(self, refr, hoists), field.0.text())
            }
            Expr::RefBrack { refr, index, .. } => {
                let refr = part(self, refr, hoists);
                format!("{refr}[{}]", part(self, index, hoists))
            }
            Expr::BinExpr { op, lhs, rhs, .. } => {
                let op = match op {
                    BinOp::Intersection => "&",
                    BinOp::Union => "|",
                };
                self.infix((lhs, op, rhs), hoists, part)
            }
            Expr::BoolExpr { op, lhs, rhs, .. } => {
                let op = match op {
                    BoolOp::Lt => "<",
                    BoolOp::Le => "<=",
                    BoolOp::Eq => "==",
                    BoolOp::Ge => ">=",
                    BoolOp::Gt => ">",
                    BoolOp::Ne => "!=",
                };
                self.infix((lhs, op, rhs), hoists, part)
            }
            Expr::ArithExpr { op, lhs, rhs, .. } => {
                let op = match op {
                    ArithOp::Add => "+",
                    ArithOp::Sub => "-",
                    ArithOp::Mul => "*",
                    ArithOp::Div => "/",
                    ArithOp::Mod => "%",
                };
                self.infix((lhs, op, rhs), hoists, part)
            }
            Expr::AssignExpr { op, lhs, rhs, .. } => {
                let op = match op {
                    AssignOp::Eq => "=",
                    AssignOp::ColEq => ":=",
                };
                self.infix((lhs, op, rhs), hoists, part)
            }
            Expr::Membership {
                key,
                value,
                collection,
                ..
            } => {
                let key = key
                    .as_ref()
                    .map_or_else(String::new, |key| format!("{}, ", part(self, key, hoists)));
                let value = part(self, value, hoists);
                format!("{key}{value} in {}", part(self, collection, hoists))
            }
        }
    }

    fn infix(
        &mut self,
        (lhs, op, rhs): (&ExprRef, &str, &ExprRef),
        hoists: &mut Vec<String>,
        part: Part<'r>,
    ) -> String {
        let lhs = part(self, lhs, hoists);
        format!("{lhs} {op} {}", part(self, rhs, hoists))
    }

    fn list(&mut self, items: &[ExprRef], hoists: &mut Vec<String>, part: Part<'r>) -> String {
        let items: Vec<String> = items.iter().map(|item| part(self, item, hoists)).collect();
        items.join(", ")
    }

    /// What stands between the brackets of a comprehension.
    fn comprehension(&mut self, terms: &[&ExprRef], query: &Query) -> String {
        let outer = std::mem::take(&mut self.with);
        let mut hoists = Vec::new();
        let terms: Vec<String> = terms
            .iter()
            .map(|term| self.expr(term, &mut hoists))
            .collect();
        let query = self.query(query, &hoists);
        self.with = outer;
        format!("{} | {query}", terms.join(": "))
    }

    /// Whether `expr` names a function, which `with` can put in another's place.
    fn is_function(&self, expr: &ExprRef) -> bool {
        let chain = Chain::of(expr);
        let is_own = |meaning: &Meaning| match meaning {
            Meaning::Data(path) => {
                let ids = self.index.rules.get(path);
                ids.is_some_and(|ids| ids.iter().any(|id| self.index.is_function(*id)))
            }
            Meaning::Input(_) => false,
        };
        let meanings = self.index.meanings(self.module, &chain);
        meanings.iter().any(is_own)
            || chain
                .dotted()
                .is_some_and(|name| builtins::arguments(&name).is_some())
    }
}

/// How the parts of an expression are rendered.
type Part<'r> = fn(&mut Renderer<'r>, &ExprRef, &mut Vec<String>) -> String;

fn is_print(expr: &ExprRef) -> bool {
    matches!(expr.as_ref(), Expr::Call { fcn, .. } if refs::variable(fcn) == Some("print"))
}
