//! Stage 5: the active policy, an immutable value that is loaded once and evaluated per request.
//!
//! Loading is pure: bytes in, a [`Policy`] or every problem out. What can go wrong with a policy
//! whatever the request (unknown functions, an entrypoint that nobody defines, unsafe variables) is
//! found here and never at request time.

pub mod bundle;
pub mod explain;
pub mod testing;

mod builtins;
mod check;
mod constructs;
mod data;
mod depth;
mod diagnostic;
mod document;
mod entrypoint;
mod externals;
mod index;
mod load;
mod modules;
mod query;
mod reads;
mod refs;
mod rewrite;
mod run;
mod summary;
mod warm;

use std::{
    fmt,
    sync::Arc,
    time::{Duration, Instant},
};

use crate::input::{Reads, Value};

pub use constructs::{Construct, proven_builtins};
pub use diagnostic::Diagnostic;
pub use explain::Location;
pub use externals::{Answer, Externals, Unanswered};
pub use summary::Summary;

/// One file of a policy set: a Rego module, a data file or a bundle archive, told apart by name.
#[derive(Clone, Debug)]
pub struct PolicyFile {
    /// The path as the user knows it; diagnostics name it.
    pub name: String,
    /// Where a data file's content goes below `data`: the folders between root and file.
    pub data_path: Vec<String>,
    /// The content.
    pub bytes: Vec<u8>,
}

/// Everything a policy is made of.
#[derive(Clone, Copy, Debug, Default)]
pub struct PolicySet<'a> {
    /// Files, among them archives.
    pub files: &'a [PolicyFile],
    /// Bundles that are read already; they own the parts of `data` that their roots name.
    pub bundles: &'a [Arc<bundle::Bundle>],
    /// What makes the archives among the files genuine; `None` is [`bundle::Verification::None`].
    pub verification: Option<&'a bundle::Verification>,
}

/// What to evaluate, and how strictly.
#[derive(Clone, Debug)]
pub struct LoadOptions {
    /// The decision path (`path`, default `envoy/authz/allow`) or the deprecated raw `query`.
    pub entrypoint: Entrypoint,
    /// `--v0-compatible`: modules without `import rego.v1` are Rego v0.
    pub v0_compatible: bool,
    /// An error inside a built-in fails the evaluation instead of making the expression undefined.
    pub strict_builtin_errors: bool,
}

/// What a check asks the policy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Entrypoint {
    /// Segments below `data`.
    Path(Vec<String>),
    /// A Rego query, as opa-envoy's deprecated `query` key takes it.
    Query(String),
}

/// How far one evaluation may go.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Wall-clock time.
    pub time: Duration,
    /// RVM instructions; the interpreter is bounded by time alone.
    pub instructions: usize,
    /// Bytes that it may hold at once.
    pub memory: u64,
}

/// Which of regorus' two evaluators runs a policy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Engine {
    /// The virtual machine: only for constructs proven equal to the interpreter.
    Rvm,
    /// The tree-walking interpreter.
    Interpreter,
}

/// Why no decision came out of an evaluation.
#[derive(Debug, thiserror::Error)]
pub enum EvalError {
    /// The entrypoint has no value for this input.
    #[error("undefined decision")]
    Undefined,
    /// More than one result.
    #[error("multiple evaluation results")]
    Conflict(#[source] Option<EvaluatorError>),
    /// The evaluator gave up.
    #[error("the policy did not evaluate")]
    Failed(#[source] EvaluatorError),
    /// [`Limits::time`] is used up.
    #[error("the evaluation used up its time")]
    TimeLimit,
    /// [`Limits::instructions`] are used up.
    #[error("the evaluation used up its {0} instructions")]
    InstructionLimit(usize),
    /// [`Limits::memory`] is used up.
    #[error("the evaluation used up its {0} bytes of memory")]
    MemoryLimit(u64),
    /// A call of `http.send` has no answer yet: [`Externals::awaited`] names it.
    #[error("the policy waits for an answer to `http.send`")]
    Awaits,
}

/// An error of the evaluator, with its own text.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct EvaluatorError(pub String);

/// Why a policy set cannot become active: every problem found, each with its place.
#[derive(Clone, Debug, thiserror::Error)]
pub struct LoadError(pub Vec<Diagnostic>);

/// How many problems there are, then each of them as its author needs it.
impl fmt::Display for LoadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let plural = if self.0.len() == 1 { "" } else { "s" };
        write!(f, "{} problem{plural} in the policy", self.0.len())?;
        self.0
            .iter()
            .try_for_each(|problem| write!(f, "\n{problem}"))
    }
}

/// Has every evaluation of the process fail while all of it holds more than `limit` bytes.
pub fn limit_process_memory(limit: Option<u64>) {
    run::limit_process_memory(limit);
}

/// Which policy it is that decides: what answers, logs and metrics say of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Provenance {
    /// The bundles' revisions, else a short digest of the files.
    pub revision: String,
    /// The name of each bundle with its revision, if it has one.
    pub bundles: Vec<(Arc<str>, Option<String>)>,
    /// What a check evaluates, as Rego: `data.envoy.authz.allow` or a query.
    pub entrypoint: String,
    /// What runs it.
    pub engine: Engine,
}

/// A loaded policy.
#[derive(Debug)]
pub struct Policy {
    provenance: Arc<Provenance>,
    reads: Reads,
    interpreted_because: Vec<Diagnostic>,
    summary: Summary,
    /// What compiles the patterns in it.
    patterns: Vec<String>,
    runner: run::Runner,
    rules: query::Rules,
    deciders: explain::Deciders,
}

impl Policy {
    /// Compiles `files` into a policy.
    ///
    /// Loads on the calling thread and takes as long as the policy is large: not for the line of a
    /// check.
    pub fn load(files: &[PolicyFile], options: &LoadOptions) -> Result<Self, LoadError> {
        let set = PolicySet {
            files,
            ..PolicySet::default()
        };
        Self::load_set(&set, options)
    }

    /// Whether each file and bundle of `set` can be read by itself, without compiling them: what one
    /// needs of another may not be there yet. As [`load`](Self::load) otherwise.
    pub fn read_set(set: &PolicySet<'_>, options: &LoadOptions) -> Result<(), LoadError> {
        let load::Collected {
            modules,
            mut problems,
            ..
        } = load::collect(set, options);
        drop(modules::parse(modules, &mut problems));
        if problems.is_empty() {
            Ok(())
        } else {
            Err(LoadError(problems))
        }
    }

    /// Compiles files and bundles together into one policy; as [`load`](Self::load).
    pub fn load_set(set: &PolicySet<'_>, options: &LoadOptions) -> Result<Self, LoadError> {
        let collected = load::collect(set, options);
        let load::Collected {
            modules,
            data,
            bundles,
            revision,
            revisions,
            mut problems,
        } = collected;
        let mut prepared = check::Prepared {
            parsed: modules::parse(modules, &mut problems),
            data,
            bundles,
        };
        check::check(&mut prepared, &mut problems);
        let check::Prepared {
            mut parsed, data, ..
        } = prepared;
        let target = match entrypoint::resolve(&options.entrypoint, &parsed.index, &data) {
            Ok(target) => target,
            Err(problem) => {
                // While a module is missing, what it defines is not known.
                if problems.is_empty() {
                    problems.push(problem);
                }
                return Err(LoadError(problems));
            }
        };
        if let Some(query) = target.query() {
            problems.extend(check::names::unknown_in_query(&parsed.index, query));
            problems.extend(rewrite::refused_query(&parsed.index, query));
        }
        if !problems.is_empty() {
            return Err(LoadError(problems));
        }
        let index = index::Index::new(parsed.engine.get_modules());
        let reachable = target.reachable(&index);
        let reads = reads::of(&index, &reachable, target.query());
        let patterns = warm::patterns(&index, &reachable, target.query());
        let mut because = constructs::unproven(&index, &reachable, &target, options);
        let summary = Summary::new(&index, &target);
        let sources = parsed.sources.clone();
        let runner = run::Runner::new(parsed, &data, &target, options, &mut because)
            .map_err(|problem| LoadError(vec![problem]))?;
        for reason in &mut because {
            reason.show_in(&sources);
        }
        let provenance = Provenance {
            revision,
            bundles: revisions,
            entrypoint: summary.entrypoint.clone(),
            engine: runner.engine(),
        };
        Ok(Self {
            provenance: Arc::new(provenance),
            summary,
            reads,
            interpreted_because: because,
            patterns,
            runner,
            rules: query::Rules::default(),
            deciders: explain::Deciders::new(target.path().map(<[String]>::to_vec)),
        })
    }

    /// Evaluates the entrypoint for one input, without anything from outside.
    pub fn evaluate(&self, input: Value, limits: Limits) -> Result<Value, EvalError> {
        self.evaluate_with(input, limits, &mut Externals::default())
    }

    /// Evaluates the entrypoint for one input, with what is known from outside.
    pub fn evaluate_with(
        &self,
        input: Value,
        limits: Limits,
        externals: &mut Externals,
    ) -> Result<Value, EvalError> {
        if !self.summary.sends {
            return self.runner.evaluate(input, limits);
        }
        externals.during(|| self.runner.evaluate(input, limits))
    }

    /// Does what the first evaluations on so many threads would be the first to do, with `input` in the
    /// place of theirs: what comes of it is dropped, and nothing from outside is waited for. Takes as
    /// long as `limits` give one evaluation, about twice that at most.
    pub fn warm(&self, input: &Value, workers: usize, limits: Limits) {
        let begun = Instant::now();
        let left = || limits.time.checked_sub(begun.elapsed());
        self.runner.prepare(workers);
        for query in &self.patterns {
            let Some(time) = left() else { return };
            self.runner.touch(query, Limits { time, ..limits });
        }
        for _ in 0..workers.saturating_mul(WARM_ROUNDS) {
            let Some(time) = left() else { return };
            drop(self.evaluate(input.clone(), Limits { time, ..limits }));
        }
    }

    /// The same policy on the interpreter, whatever it consists of: what a comparison of the two
    /// evaluators runs against.
    #[must_use]
    pub fn on_interpreter(&self) -> Self {
        let runner = self.runner.on_interpreter();
        Self {
            provenance: Arc::new(Provenance {
                engine: runner.engine(),
                ..Provenance::clone(&self.provenance)
            }),
            reads: self.reads.clone(),
            interpreted_because: self.interpreted_because.clone(),
            summary: self.summary.clone(),
            patterns: self.patterns.clone(),
            runner,
            rules: query::Rules::default(),
            deciders: explain::Deciders::new(self.deciders.entrypoint().map(<[String]>::to_vec)),
        }
    }

    /// Which policy this is, for who outlives it.
    pub fn provenance(&self) -> &Arc<Provenance> {
        &self.provenance
    }

    /// What of the input the entrypoint can read.
    pub fn reads(&self) -> &Reads {
        &self.reads
    }

    /// Which evaluator runs it.
    pub fn engine(&self) -> Engine {
        self.runner.engine()
    }

    /// Why the interpreter runs it: the constructs that are not proven equal, with their places.
    pub fn interpreted_because(&self) -> &[Diagnostic] {
        &self.interpreted_because
    }

    /// The bundles' revisions, else a short digest of the files.
    pub fn revision(&self) -> &str {
        &self.provenance.revision
    }

    /// The name of each bundle with its revision, if it has one.
    pub fn bundles(&self) -> &[(Arc<str>, Option<String>)] {
        &self.provenance.bundles
    }

    /// What is in the policy set, for people.
    pub fn summary(&self) -> &Summary {
        &self.summary
    }
}

/// How often each machine runs before its first check.
const WARM_ROUNDS: usize = 16;

#[cfg(test)]
mod tests;
