//! Calls of functions that nobody defines, and calls with the wrong number of arguments.
//!
//! regorus would find them when a request takes the branch: too late for an authorization server.

use std::collections::BTreeMap;

use regorus::unstable::{Expr, ExprRef, Literal, LiteralStmt, Query, Rule, RuleHead, Span};

use crate::policy::builtins;
use crate::policy::diagnostic::Diagnostic;
use crate::policy::index::{Index, Meaning};
use crate::policy::refs::{self, Chain, Visitor};

/// The problems of every call in the set. While a module is missing (`complete` is false) only
/// calls that cannot mean one of its functions are judged.
pub(super) fn unknown_functions(index: &Index, complete: bool) -> Vec<Diagnostic> {
    let functions = user_functions(index);
    let mut problems = Vec::new();
    for (at, info) in index.modules.iter().enumerate() {
        let mut calls = Calls {
            index,
            module: Some(at),
            complete,
            functions: &functions,
            statement: None,
            problems: &mut problems,
        };
        for rule in &info.module.policy {
            refs::walk_rule(rule, &mut calls);
        }
    }
    problems
}

/// The problems of the calls in a query.
pub(in crate::policy) fn unknown_in_query(index: &Index, query: &Query) -> Vec<Diagnostic> {
    let functions = user_functions(index);
    let mut problems = Vec::new();
    let mut calls = Calls {
        index,
        module: None,
        complete: true,
        functions: &functions,
        statement: None,
        problems: &mut problems,
    };
    refs::walk_query(query, &mut calls);
    problems
}

/// Every function of the set by its path below `data`, with its number of arguments.
fn user_functions(index: &Index) -> BTreeMap<Vec<String>, usize> {
    let mut functions = BTreeMap::new();
    for (path, ids) in &index.rules {
        for rule in ids.iter().filter_map(|id| index.rule(*id)) {
            let arguments = match rule.as_ref() {
                Rule::Spec {
                    head: RuleHead::Func { args, .. },
                    ..
                } => Some(args.len()),
                Rule::Default { args, .. } if !args.is_empty() => Some(args.len()),
                Rule::Spec { .. } | Rule::Default { .. } => None,
            };
            if let Some(arguments) = arguments {
                functions.entry(path.clone()).or_insert(arguments);
            }
        }
    }
    functions
}

struct Calls<'c> {
    index: &'c Index,
    /// A query has none.
    module: Option<usize>,
    complete: bool,
    functions: &'c BTreeMap<Vec<String>, usize>,
    /// The function that the statement at hand calls, if it is a call as a whole.
    statement: Option<&'c ExprRef>,
    problems: &'c mut Vec<Diagnostic>,
}

impl Calls<'_> {
    /// An added function is nothing but its calls: regorus would not find it anywhere else.
    fn only_called(&mut self, expr: &ExprRef) {
        let chain = Chain::of(expr);
        let Some(name) = chain.dotted().filter(|name| builtins::is_added(name)) else {
            return;
        };
        if self.index.meanings(self.module, &chain).is_empty() {
            let message = format!("`{name}` can be called and nothing else");
            let problem = Diagnostic::at(chain.root.span(), message);
            self.problems
                .push(problem.hinting(
                    "to replace it, call it in a function of the policy and replace that",
                ));
        }
    }
}

impl<'a> Visitor<'a> for Calls<'a> {
    fn expr(&mut self, expr: &'a ExprRef) {
        self.only_called(expr);
    }

    fn statement(&mut self, statement: &'a LiteralStmt) {
        self.statement = match &statement.literal {
            Literal::Expr { expr, .. } | Literal::NotExpr { expr, .. } => called(expr),
            Literal::SomeVars { .. } | Literal::SomeIn { .. } | Literal::Every { .. } => None,
        };
        for with in &statement.with_mods {
            self.only_called(&with.refr);
        }
    }

    fn call(&mut self, _span: &'a Span, function: &'a ExprRef, arguments: &'a [ExprRef]) {
        let chain = Chain::of(function);
        // A call's own span starts at its bracket.
        let span = chain.root.span();
        let Some(name) = chain.dotted() else {
            self.problems
                .push(Diagnostic::at(span, "a function is called by its name"));
            return;
        };
        let meanings = self.index.meanings(self.module, &chain);
        let mut paths = meanings.iter().filter_map(|meaning| match meaning {
            Meaning::Data(path) => self.functions.get(path),
            Meaning::Input(_) => None,
        });
        let declared = paths.next().copied();
        let added = declared.is_none() && builtins::is_added(&name);
        let expected = match declared.or_else(|| builtins::arguments(&name)) {
            Some(arguments) => arguments,
            None if name == "print" => return,
            None => {
                let own = !name.contains('.') || !meanings.is_empty();
                if self.complete || !own {
                    self.problems.push(unknown(span, &name, self.functions));
                }
                return;
            }
        };
        // A call may name the variable for its result as one argument more; one of an added function
        // only where it can be rewritten.
        let given = arguments.len();
        let is_statement = self
            .statement
            .is_some_and(|called| std::ptr::eq(called, function));
        let output = !added || (is_statement && self.module.is_some());
        if given != expected && !(output && given == expected.saturating_add(1)) {
            self.problems.push(Diagnostic::at(
                span,
                format!("`{name}` takes {expected} argument(s), not {given}"),
            ));
        }
    }
}

/// The function that `expr` calls.
fn called(expr: &ExprRef) -> Option<&ExprRef> {
    if let Expr::Call { fcn, .. } = expr.as_ref() {
        return Some(fcn);
    }
    None
}

fn unknown(span: &Span, name: &str, functions: &BTreeMap<Vec<String>, usize>) -> Diagnostic {
    let problem = Diagnostic::at(span, format!("there is no function `{name}`"));
    if let Some((_, hint)) = MISSING.iter().find(|(prefix, _)| name.starts_with(prefix)) {
        return problem.hinting(*hint);
    }
    let own = functions.keys().filter_map(|path| path.last());
    let nearest = own
        .map(String::as_str)
        .chain(builtins::names().map(|known| -> &str { known }))
        .map(|candidate| (strsim::damerau_levenshtein(candidate, name), candidate))
        .filter(|(distance, _)| *distance <= MAX_TYPOS)
        .min();
    match nearest {
        Some((_, nearest)) => problem.hinting(format!("did you mean `{nearest}`?")),
        None => problem,
    }
}

/// Built-ins of OPA that the evaluator lacks, and what to do instead.
const MISSING: &[(&str, &str)] = &[
    (
        "crypto.",
        "cryptographic built-ins are not available in policies",
    ),
    ("rego.", "built-ins of `rego` are not available"),
    (
        "net.cidr_",
        "the built-in is not available: see `net.cidr_contains`",
    ),
];

/// How many letters a name may be off to be suggested.
const MAX_TYPOS: usize = 2;
