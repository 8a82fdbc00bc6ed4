//! What a check evaluates: the configured path or query, found in the loaded policy.

use std::collections::BTreeSet;

use regorus::Value;
use regorus::unstable::{Parser, Query, Ref, Rule, RuleHead, Source};

use super::Entrypoint;
use super::data::{self, DataTree};
use super::diagnostic::Diagnostic;
use super::index::{Index, RuleId};
use super::refs::{self, data_path};

/// An entrypoint that exists.
#[derive(Debug)]
pub(super) enum Target {
    /// One rule with all its definitions: the form both evaluators take.
    Rule { path: Vec<String>, text: String },
    /// A package, a part of a rule's value or base data: asked for as a reference.
    Document { path: Vec<String>, text: String },
    /// A query of the user's.
    Query { text: String, query: Ref<Query> },
}

impl Target {
    /// The entrypoint as Rego.
    pub(super) fn text(&self) -> &str {
        match self {
            Self::Rule { text, .. } | Self::Document { text, .. } | Self::Query { text, .. } => {
                text
            }
        }
    }

    /// Its syntax tree, when it is a query.
    pub(super) fn query(&self) -> Option<&Query> {
        match self {
            Self::Rule { .. } | Self::Document { .. } => None,
            Self::Query { query, .. } => Some(query),
        }
    }

    /// Where it is below `data`, unless it is a query.
    pub(super) fn path(&self) -> Option<&[String]> {
        match self {
            Self::Rule { path, .. } | Self::Document { path, .. } => Some(path),
            Self::Query { .. } => None,
        }
    }

    /// Every definition that evaluating it can run.
    pub(super) fn reachable(&self, index: &Index) -> BTreeSet<RuleId> {
        match self {
            Self::Rule { path, .. } | Self::Document { path, .. } => {
                index.reachable_from_path(path)
            }
            Self::Query { query, .. } => index.reachable_from_query(query),
        }
    }
}

/// Finds `entrypoint` in the policy set.
pub(super) fn resolve(
    entrypoint: &Entrypoint,
    index: &Index,
    data: &DataTree,
) -> Result<Target, Diagnostic> {
    match entrypoint {
        Entrypoint::Query(text) => Ok(Target::Query {
            query: parse_query(text)?,
            text: text.clone(),
        }),
        Entrypoint::Path(path) => {
            let text = reference(path);
            if let Some(ids) = index.rules.get(path) {
                let below = index.rules_below(path).count();
                if below == 1 && ids.iter().all(|id| is_whole_rule(index, *id)) {
                    return Ok(Target::Rule {
                        text: data_path(path.iter().map(String::as_str)),
                        path: path.clone(),
                    });
                }
            }
            if index.touching(path).next().is_some()
                || index.modules.iter().any(|m| m.package.starts_with(path))
                || is_base_data(data.root(), path)
            {
                return Ok(Target::Document {
                    path: path.clone(),
                    text,
                });
            }
            Err(unknown(&text, index))
        }
    }
}

/// Parses a query the way regorus will when it evaluates it.
pub(super) fn parse_query(text: &str) -> Result<Ref<Query>, Diagnostic> {
    let parse = || -> Result<Ref<Query>, Box<dyn std::error::Error + Send + Sync>> {
        let source = Source::from_contents(QUERY_NAME.to_owned(), text.to_owned())?;
        let mut parser = Parser::new(&source)?;
        parser.enable_rego_v1()?;
        Ok(parser.parse_user_query()?)
    };
    parse().map_err(|error| Diagnostic::from_regorus(QUERY_NAME, text, &error.to_string()))
}

/// Whether the value of the rule is what its definitions say, with no keys in the head.
pub(super) fn is_whole_rule(index: &Index, id: RuleId) -> bool {
    let Some(rule) = index.rule(id) else {
        return false;
    };
    let refr = match rule.as_ref() {
        Rule::Spec { head, .. } => match head {
            RuleHead::Compr { refr, .. } | RuleHead::Set { refr, .. } => refr,
            RuleHead::Func { .. } => return false,
        },
        Rule::Default { refr, args, .. } => {
            if !args.is_empty() {
                return false;
            }
            refr
        }
    };
    refs::variable(refr).is_some()
}

/// `data.a[0]["b.c"]`: as the reference writes the path, where digits alone are a number.
fn reference(path: &[String]) -> String {
    let mut text = String::from("data");
    for segment in path {
        if !segment.is_empty() && segment.bytes().all(|byte| byte.is_ascii_digit()) {
            text.push('[');
            text.push_str(segment);
            text.push(']');
        } else {
            refs::push_segment(&mut text, segment);
        }
    }
    text
}

fn is_base_data(root: &Value, path: &[String]) -> bool {
    // Arrays and what is in them are base data of the path that leads to them.
    let mut node = root;
    for segment in path {
        let key = Value::from(segment.as_str());
        match (data::lookup(node, std::slice::from_ref(&key)), node) {
            (Some(child), _) => node = child,
            (None, Value::Array(items)) => {
                match segment.parse().ok().and_then(|at| items.get(at)) {
                    Some(child) => node = child,
                    None => return false,
                }
            }
            (None, _) => return false,
        }
    }
    true
}

fn unknown(text: &str, index: &Index) -> Diagnostic {
    let paths: BTreeSet<String> = index
        .rules
        .keys()
        .map(|path| data_path(path.iter().map(String::as_str)))
        .collect();
    let message = if paths.is_empty() {
        format!("the entrypoint `{text}` is not defined: there are no rules at all")
    } else {
        let all = paths.len();
        let shown: Vec<String> = paths
            .into_iter()
            .take(MAX_LISTED)
            .map(|path| format!("`{path}`"))
            .collect();
        let more = match all.saturating_sub(shown.len()) {
            0 => String::new(),
            rest => format!(" and {rest} more"),
        };
        format!(
            "the entrypoint `{text}` is not defined: the rules are {}{more}",
            shown.join(", ")
        )
    };
    Diagnostic::of_set(message).hinting("set `path` of the plugin to the decision's rule")
}

/// How a query is named in diagnostics.
const QUERY_NAME: &str = "query";

/// How many rules a diagnostic lists.
const MAX_LISTED: usize = 20;
