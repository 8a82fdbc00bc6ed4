//! What regorus itself finds before it evaluates: unsafe variables, conflicting definitions.
//!
//! It stops at its first finding. To report them all in one run, the rule it stopped at is blanked
//! and the set is analysed again.

use regorus::unstable::{Rule, RuleHead};

use crate::policy::diagnostic::Diagnostic;
use crate::policy::index::{self, Index};
use crate::policy::load::ModuleSource;
use crate::policy::modules::{self, Parsed};
use crate::policy::refs::data_path;

/// Everything regorus finds. With no finding the engine in `parsed` is ready to evaluate.
pub(super) fn problems(parsed: &mut Parsed) -> Vec<Diagnostic> {
    let Some(error) = prepare(&mut parsed.engine, &parsed.index) else {
        return Vec::new();
    };
    let mut sources = parsed.rewritten.clone();
    let mut found = vec![located(&error, &parsed.sources)];
    for _ in 1..MAX_FINDINGS {
        if !found.last().is_some_and(|at| blank(at, &mut sources)) {
            break;
        }
        let mut engine = modules::new_engine();
        if sources
            .iter()
            .any(|s| modules::add(&mut engine, s).is_err())
        {
            break;
        }
        let smaller = Index::new(engine.get_modules());
        match prepare(&mut engine, &smaller) {
            Some(error) => {
                let problem = located(&error, &parsed.sources);
                // A place twice means that blanking did not help.
                if found
                    .iter()
                    .any(|known| known.position == problem.position && known.file == problem.file)
                {
                    break;
                }
                found.push(problem);
            }
            None => break,
        }
    }
    found
}

/// Has regorus prepare the set, which any compilation starts with.
fn prepare(engine: &mut regorus::Engine, index: &Index) -> Option<String> {
    let path = index.rules.keys().next()?;
    let path = data_path(path.iter().map(String::as_str));
    let error = engine
        .compile_with_entrypoint(&path.into())
        .err()?
        .to_string();
    // The preparation is over when the rule is looked up.
    (error != "not a valid rule path").then_some(error)
}

/// An error of regorus at its place in `sources`.
pub(in crate::policy) fn located(error: &str, sources: &[ModuleSource]) -> Diagnostic {
    let file = error.split_once("--> ").and_then(|(_, rest)| {
        sources
            .iter()
            .find(|s| rest.starts_with(&format!("{}:", s.name)))
    });
    let problem = match file {
        Some(source) => Diagnostic::from_regorus(&source.name, &source.text, error),
        None => Diagnostic::from_regorus("", "", error),
    };
    match problem.message.strip_prefix("use of undefined variable ") {
        Some(rest) => Diagnostic {
            message: format!("undefined variable {rest}"),
            ..problem
        },
        None => problem,
    }
}

/// Takes the rule at `problem` out of its source, leaving a name for others to refer to.
fn blank(problem: &Diagnostic, sources: &mut [ModuleSource]) -> bool {
    let Some((line, _)) = problem.position else {
        return false;
    };
    let Some(source) = sources.iter_mut().find(|s| s.name == problem.file) else {
        return false;
    };
    let mut engine = modules::new_engine();
    if modules::add(&mut engine, source).is_err() {
        return false;
    }
    let Some(module) = engine.get_modules().first().cloned() else {
        return false;
    };
    let rules = module.policy.iter();
    let Some(rule) = rules.rev().find(|rule| rule.span().line <= line) else {
        return false;
    };
    let span = rule.span();
    let (Ok(start), Ok(end)) = (usize::try_from(span.start), usize::try_from(span.end)) else {
        return false;
    };
    let (Some(before), Some(text), Some(after)) = (
        source.text.get(..start),
        source.text.get(start..end),
        source.text.get(end..),
    ) else {
        return false;
    };
    let blanks: String = text
        .chars()
        .map(|c| if c == '\n' { c } else { ' ' })
        .collect();
    let name = index::head_path(rule).first().copied().unwrap_or("_");
    let defined_elsewhere = module
        .policy
        .iter()
        .any(|other| other != rule && index::head_path(other).first() == Some(&name));
    let stub = if defined_elsewhere {
        String::new()
    } else {
        stub(rule, name)
    };
    source.text = format!("{before}{blanks}{after}\n{stub}\n");
    true
}

fn stub(rule: &Rule, name: &str) -> String {
    match rule {
        Rule::Spec {
            head: RuleHead::Func { args, .. },
            ..
        } => {
            let names: Vec<String> = (0..args.len()).map(|at| format!("stub{at}")).collect();
            format!("{name}({}) := true", names.join(", "))
        }
        Rule::Spec { .. } | Rule::Default { .. } => format!("{name} := true"),
    }
}

/// How many findings of regorus are reported in one run.
const MAX_FINDINGS: usize = 20;
