//! What the first check would be the first to do, done before there is one: patterns are compiled, a
//! machine stands ready for every worker, and what an evaluation touches is in memory.

use std::collections::BTreeSet;

use regorus::unstable::{Expr, ExprRef, Query, Span};

use super::index::{Index, RuleId};
use super::refs::{self, Chain, Visitor};

/// Queries whose evaluation compiles the patterns that the rules in `reachable` and `query` name.
pub(super) fn patterns(
    index: &Index,
    reachable: &BTreeSet<RuleId>,
    query: Option<&Query>,
) -> Vec<String> {
    let mut patterns = Patterns::default();
    for id in reachable {
        if let Some(rule) = index.rule(*id) {
            refs::walk_rule(rule, &mut patterns);
        }
    }
    if let Some(query) = query {
        refs::walk_query(query, &mut patterns);
    }
    patterns.calls.into_iter().take(MOST_PATTERNS).collect()
}

/// Calls with a constant pattern, made into calls with nothing to search.
#[derive(Default)]
struct Patterns {
    calls: BTreeSet<String>,
}

impl<'a> Visitor<'a> for Patterns {
    fn expr(&mut self, _expr: &'a ExprRef) {}

    fn call(&mut self, _span: &'a Span, function: &'a ExprRef, arguments: &'a [ExprRef]) {
        let name = Chain::of(function).dotted().unwrap_or_default();
        let call = match (name.as_str(), arguments) {
            (
                "regex.match"
                | "regex.find_n"
                | "regex.find_all_string_submatch_n"
                | "regex.is_valid"
                | "regex.split",
                [pattern, ..],
            )
            | ("regex.replace", [_, pattern, ..]) => {
                constant(pattern).map(|pattern| format!("regex.match({pattern}, \"\")"))
            }
            ("glob.match", [pattern, delimiters, ..]) => constant(pattern)
                .zip(constant(delimiters))
                .map(|(pattern, delimiters)| format!("glob.match({pattern}, {delimiters}, \"\")")),
            _ => None,
        };
        self.calls.extend(call);
    }
}

/// The text of an expression that is the same for every check: a string, `null`, an array of those.
fn constant(expr: &ExprRef) -> Option<String> {
    if let Some(text) = refs::string_literal(expr) {
        return Some(regorus::Value::from(text).to_string());
    }
    if let Expr::Null { .. } = expr.as_ref() {
        return Some("null".to_owned());
    }
    let Expr::Array { items, .. } = expr.as_ref() else {
        return None;
    };
    let texts: Option<Vec<String>> = items
        .iter()
        .map(|item| Some(regorus::Value::from(refs::string_literal(item)?).to_string()))
        .collect();
    Some(format!("[{}]", texts?.join(",")))
}

/// How many patterns are worth it: the caches hold no more.
const MOST_PATTERNS: usize = 128;
