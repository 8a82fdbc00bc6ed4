//! Finding the tests in modules, and telling apart those of one name.

use std::collections::BTreeMap;
use std::time::Duration;

use regorus::unstable::{ExprRef, Rule, RuleHead};

use super::{Outcome, TestResult};
use crate::policy::index::{self, Index, RuleId};
use crate::policy::load::ModuleSource;
use crate::policy::refs::{self, Chain};

/// A test that was found.
pub(super) struct Test {
    id: RuleId,
    file: String,
    line: u32,
    package: Vec<String>,
    /// Its path below the package.
    name: Vec<String>,
    /// Its number among those of this path, from 0.
    number: usize,
    pub(super) kind: Kind,
}

/// What looks like a test.
#[derive(Clone, Copy, Debug)]
pub(super) enum Kind {
    Test,
    Todo,
    Function,
    /// Its value is a set or an object of what its definitions give.
    Keyed,
}

impl Test {
    /// What it is asked for as.
    pub(super) fn path(&self) -> String {
        let name = self
            .renamed()
            .map_or_else(|| self.name.clone(), |name| vec![name]);
        refs::data_path(self.package.iter().chain(&name).map(String::as_str))
    }

    pub(super) fn result(self, outcome: Outcome, time: Duration) -> TestResult {
        let mut name = self.name.join(".");
        if self.number > 0 {
            name = format!("{name}#{:02}", self.number);
        }
        TestResult {
            file: self.file,
            line: self.line,
            package: refs::data_path(self.package.iter().map(String::as_str)),
            name,
            outcome,
            time,
        }
    }

    /// What it is called while it runs, where that is not what its author calls it.
    fn renamed(&self) -> Option<String> {
        match self.name.as_slice() {
            [name] if self.number > 0 => Some(format!("{name}__definition_{}", self.number)),
            _ => None,
        }
    }
}

/// The tests in the modules `of_interest`, in their order.
pub(super) fn tests(
    index: &Index,
    sources: &[ModuleSource],
    of_interest: impl Fn(&ModuleSource) -> bool,
) -> Vec<Test> {
    let mut numbers = BTreeMap::<Vec<String>, usize>::new();
    let mut tests = Vec::new();
    let modules = index.modules.iter().zip(sources).enumerate();
    for (module, (info, source)) in modules.filter(|(_, (_, source))| of_interest(source)) {
        for (rule, definition) in info.module.policy.iter().enumerate() {
            let name = index::head_path(definition);
            let Some(kind) = name.last().and_then(|last| kind(last, definition)) else {
                continue;
            };
            let name: Vec<String> = name.into_iter().map(str::to_owned).collect();
            let path = info.package.iter().chain(&name).cloned().collect();
            let number = numbers.entry(path).or_default();
            tests.push(Test {
                id: RuleId { module, rule },
                file: source.name.clone(),
                line: definition.span().line,
                package: info.package.clone(),
                name,
                number: *number,
                kind,
            });
            *number = number.saturating_add(1);
        }
    }
    tests
}

fn kind(name: &str, rule: &Rule) -> Option<Kind> {
    if name.starts_with("todo_test_") {
        return Some(Kind::Todo);
    }
    if !name.starts_with("test_") {
        return None;
    }
    let keyed = |refr: &ExprRef| {
        let chain = Chain::of(refr);
        chain.static_prefix().len() < chain.segments.len()
    };
    let kind = match rule {
        Rule::Spec { head, .. } => match head {
            RuleHead::Func { .. } => Kind::Function,
            RuleHead::Set { .. } => Kind::Keyed,
            RuleHead::Compr { refr, .. } if keyed(refr) => Kind::Keyed,
            RuleHead::Compr { .. } => Kind::Test,
        },
        Rule::Default { args, .. } if !args.is_empty() => Kind::Function,
        Rule::Default { refr, .. } if keyed(refr) => Kind::Keyed,
        Rule::Default { .. } => Kind::Test,
    };
    Some(kind)
}

/// `sources` with names of their own for all tests that share one with another; nothing where
/// there are none.
pub(super) fn rename(
    index: &Index,
    sources: &[ModuleSource],
    tests: &[Test],
) -> Option<Vec<ModuleSource>> {
    let mut renamed = None;
    // From the end, so that what is in front stays where it is.
    for test in tests.iter().rev() {
        let Some(name) = test.renamed() else { continue };
        let refr = match index.rule(test.id)?.as_ref() {
            Rule::Spec { head, .. } => match head {
                RuleHead::Compr { refr, .. }
                | RuleHead::Set { refr, .. }
                | RuleHead::Func { refr, .. } => refr,
            },
            Rule::Default { refr, .. } => refr,
        };
        let span = Chain::of(refr).root.span().clone();
        let (start, end) = (
            usize::try_from(span.start).ok()?,
            usize::try_from(span.end).ok()?,
        );
        let sources = renamed.get_or_insert_with(|| sources.to_vec());
        let source = sources.get_mut(test.id.module)?;
        source.text.get(start..end)?;
        source.text.replace_range(start..end, &name);
    }
    renamed
}
