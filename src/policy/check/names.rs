//! Calls of functions that nobody defines, and calls with the wrong number of arguments.
//!
//! regorus would find them when a request takes the branch: too late for an authorization server.

use std::collections::BTreeMap;

use regorus::unstable::{BUILTINS, ExprRef, Query, Rule, RuleHead, Span};

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
        problems: &mut problems,
    };
    refs::walk_query(query, &mut calls);
    problems
}

/// Whether `name` is a function of the evaluator.
fn is_builtin(name: &str) -> bool {
    name == "print" || (BUILTINS.contains_key(name) && !name.starts_with("__"))
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
    problems: &'c mut Vec<Diagnostic>,
}

impl<'a> Visitor<'a> for Calls<'_> {
    fn expr(&mut self, _expr: &'a ExprRef) {}

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
        let expected = match paths.next() {
            Some(arguments) => *arguments,
            None if name == "print" => return,
            None if is_builtin(&name) => match BUILTINS.get(name.as_str()) {
                Some((_, arguments)) => usize::from(*arguments),
                None => return,
            },
            None => {
                let own = !name.contains('.') || !meanings.is_empty();
                if self.complete || !own {
                    self.problems.push(unknown(span, &name, self.functions));
                }
                return;
            }
        };
        // A call may name the variable for its result as one argument more.
        let given = arguments.len();
        if given != expected && given != expected.saturating_add(1) {
            self.problems.push(Diagnostic::at(
                span,
                format!("`{name}` takes {expected} argument(s), not {given}"),
            ));
        }
    }
}

fn unknown(span: &Span, name: &str, functions: &BTreeMap<Vec<String>, usize>) -> Diagnostic {
    let problem = Diagnostic::at(span, format!("there is no function `{name}`"));
    if let Some((_, hint)) = MISSING.iter().find(|(prefix, _)| name.starts_with(prefix)) {
        return problem.hinting(*hint);
    }
    let own = functions.keys().filter_map(|path| path.last());
    let known = BUILTINS.keys().filter(|name| !name.starts_with("__"));
    let nearest = own
        .map(String::as_str)
        .chain(known.copied())
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
        "io.jwt.",
        "portcullis verifies tokens itself: configure a provider and read `input.jwt`",
    ),
    (
        "http.send",
        "a check does no I/O: bring the data in with a bundle or a data file",
    ),
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
