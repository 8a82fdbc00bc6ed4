//! The `test_` rules that come with a policy, run as `opa test` runs them: what a bundle says of
//! itself before it is made active.
//!
//! A test is a rule whose name begins with `test_`. It passes when it is `true`, and whatever else it
//! is, undefined included, it fails; rules that begin with `todo_test_` are skipped. Several rules of
//! one name are several tests. All of them run on the interpreter, because `with` may put anything in
//! the place of anything; `input` is undefined unless `with` says otherwise.
//!
//! Nothing is fetched: `http.send` is an error where no mock stands in for it. Time and memory are
//! bounded, for each test and for all of them. Of a rule with keys (`test_x[case]`), where `opa test`
//! looks for the cases that have no value, nobody here can know those, so that it is an error.

mod found;

use std::fmt;
use std::time::{Duration, Instant};

use regorus::Value;

use super::check::{self, Prepared, analysis};
use super::diagnostic::Diagnostic;
use super::load::{self, ModuleSource};
use super::run::Interpreter;
use super::{EvalError, Limits, LoadError, LoadOptions, PolicySet, builtins, modules};
use found::Kind;

/// Whose tests run.
#[derive(Clone, Copy, Debug)]
pub enum Of<'a> {
    /// Those of all modules.
    Everything,
    /// Those of the modules of these bundles, which may use all others.
    Bundles(&'a [&'a str]),
}

/// How far tests may go.
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    /// Time of one test.
    pub each: Duration,
    /// Time of all tests; what has not begun by then is an error.
    pub all: Duration,
    /// Bytes that one test may hold at once.
    pub memory: u64,
}

/// As long as `opa test` gives a test, and a minute for all of them.
impl Default for Bounds {
    fn default() -> Self {
        Self {
            each: Duration::from_secs(5),
            all: Duration::from_mins(1),
            memory: 256 << 20,
        }
    }
}

impl Bounds {
    /// Those of one test; the interpreter counts no instructions.
    fn of_one(self) -> Limits {
        Limits {
            time: self.each,
            instructions: usize::MAX,
            memory: self.memory,
        }
    }
}

/// One test that ran, or was skipped.
#[derive(Clone, Debug)]
pub struct TestResult {
    /// The file it is in.
    pub file: String,
    /// The line it begins at, from 1.
    pub line: u32,
    /// Its package, as `data.a.b`.
    pub package: String,
    /// Its name in the package, with `#01` and so on behind the second and further of one name.
    pub name: String,
    /// How it ended.
    pub outcome: Outcome,
    /// How long it took.
    pub time: Duration,
}

/// How a test ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It is `true`.
    Passed,
    /// It is undefined, or another value than `true`.
    Failed,
    /// It has no value for this reason.
    Error(String),
    /// Its name begins with `todo_`.
    Skipped,
}

impl TestResult {
    /// Whether a policy with this result may not become active.
    pub fn is_bad(&self) -> bool {
        match self.outcome {
            Outcome::Passed | Outcome::Skipped => false,
            Outcome::Failed | Outcome::Error(_) => true,
        }
    }
}

/// `file:line: data.package.name: failed`.
impl fmt::Display for TestResult {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            file,
            line,
            package,
            name,
            outcome,
            time: _,
        } = self;
        write!(f, "{file}:{line}: {package}.{name}: ")?;
        match outcome {
            Outcome::Passed => f.write_str("passed"),
            Outcome::Failed => f.write_str("failed"),
            Outcome::Error(why) => write!(f, "error: {why}"),
            Outcome::Skipped => f.write_str("skipped"),
        }
    }
}

/// Runs the tests of `set`, in the order of its modules. A set without any has nothing to fail.
///
/// Runs on the calling thread, as [`Policy::load`](super::Policy::load) does.
pub fn run(
    set: &PolicySet<'_>,
    options: &LoadOptions,
    of: Of<'_>,
    bounds: Bounds,
) -> Result<Vec<TestResult>, LoadError> {
    let load::Collected {
        modules: sources,
        data,
        bundles,
        revision: _,
        revisions: _,
        mut problems,
    } = load::collect(set, options);
    let of_interest = |source: &ModuleSource| match of {
        Of::Everything => true,
        Of::Bundles(names) => source
            .bundle
            .and_then(|at| bundles.get(at))
            .is_some_and(|bundle| names.contains(&bundle.name.as_str())),
    };
    let mut parsed = modules::parse(sources, &mut problems);
    let tests = found::tests(&parsed.index, &parsed.sources, of_interest);
    // Several rules of one name get names of their own.
    if let Some(renamed) = found::rename(&parsed.index, &parsed.sources, &tests) {
        parsed = modules::parse(renamed, &mut problems);
    }
    let mut prepared = Prepared {
        parsed,
        data,
        bundles,
    };
    check::check(&mut prepared, &mut problems);
    if !problems.is_empty() {
        return Err(LoadError(problems));
    }
    let Prepared { mut parsed, .. } = prepared;
    let unusable = |error: anyhow::Error| {
        LoadError(vec![Diagnostic::of_set(format!(
            "the tests do not compile: {error}"
        ))])
    };
    let strict = options.strict_builtin_errors;
    parsed.engine.set_strict_builtin_errors(strict);
    builtins::add(&mut parsed.engine, &parsed.index, None, strict).map_err(unusable)?;
    let begun = Instant::now();
    let results = tests.into_iter().map(|test| {
        let started = Instant::now();
        let outcome = match test.kind {
            Kind::Todo => Outcome::Skipped,
            Kind::Function => Outcome::Error("a test has no arguments".to_owned()),
            Kind::Keyed => Outcome::Error("a test has no keys".to_owned()),
            Kind::Test if begun.elapsed() >= bounds.all => {
                Outcome::Error(format!("the tests took longer than {:?}", bounds.all))
            }
            Kind::Test => {
                let asked = Interpreter::asking(&parsed.engine, test.path());
                let value = asked.observed(Value::Undefined, bounds.of_one());
                outcome(value, &parsed.sources)
            }
        };
        test.result(outcome, started.elapsed())
    });
    Ok(results.collect())
}

fn outcome(value: Result<Value, EvalError>, sources: &[ModuleSource]) -> Outcome {
    match value {
        Ok(Value::Bool(true)) => Outcome::Passed,
        Ok(_) | Err(EvalError::Undefined) => Outcome::Failed,
        Err(EvalError::Failed(error) | EvalError::Conflict(Some(error))) => {
            Outcome::Error(analysis::located(&error.0, sources).to_string())
        }
        Err(error) => Outcome::Error(error.to_string()),
    }
}

#[cfg(test)]
mod tests;
