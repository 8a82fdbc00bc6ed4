//! Stage 5: the active policy, an immutable value that is loaded once and evaluated per request.

use std::time::Duration;

use crate::input::{Reads, Value};

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
}

/// An error of the evaluator, with its own text.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct EvaluatorError(pub String);

/// Why a policy set cannot become active: every problem found, each with its place.
#[derive(Debug, thiserror::Error)]
#[error("{} problem(s) in the policy", .0.len())]
pub struct LoadError(pub Vec<Diagnostic>);

/// One problem in a policy set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diagnostic {
    /// The file it is in; empty when it concerns the whole set.
    pub file: String,
    /// Line and column, from 1.
    pub position: Option<(u32, u32)>,
    /// The problem: the thing and the rule.
    pub message: String,
    /// The source line, when there is one.
    pub excerpt: Option<String>,
    /// What to do about it, when that is known.
    pub hint: Option<String>,
}

/// A loaded policy.
#[derive(Debug)]
pub struct Policy {
    reads: Reads,
}

impl Policy {
    /// Compiles `files` into a policy.
    pub fn load(_files: &[PolicyFile], _options: &LoadOptions) -> Result<Self, LoadError> {
        Ok(Self {
            reads: Reads::Everything,
        })
    }

    /// Evaluates the entrypoint for one input.
    pub fn evaluate(&self, _input: Value, _limits: Limits) -> Result<Value, EvalError> {
        Err(EvalError::Undefined)
    }

    /// What of the input the entrypoint can read.
    pub fn reads(&self) -> &Reads {
        &self.reads
    }

    /// Which evaluator runs it.
    pub fn engine(&self) -> Engine {
        Engine::Interpreter
    }

    /// Why the interpreter runs it: the constructs that are not proven equal, with their places.
    pub fn interpreted_because(&self) -> &[Diagnostic] {
        &[]
    }

    /// The bundle's revision, else a short digest of the files.
    pub fn revision(&self) -> &'static str {
        ""
    }
}
