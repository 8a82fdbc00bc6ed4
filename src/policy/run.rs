//! Running a policy: a pool of virtual machines where the policy may use them, the interpreter
//! otherwise, both under [`Limits`].
//!
//! Nothing here waits: the pool is a lock-free queue, and when it is empty a new machine is made.

use std::num::{NonZeroU32, NonZeroU64};
use std::sync::Arc;
use std::time::Duration;

use crossbeam_queue::ArrayQueue;
use regorus::languages::rego::compiler::Compiler;
use regorus::rvm::program::Program;
use regorus::rvm::vm::{RegoVM, VmError};
use regorus::utils::limits::ExecutionTimerConfig;
use regorus::{CompiledPolicy, LimitError, MemoryBudgetConfig, QueryResults, Value};

use super::data::DataTree;
use super::diagnostic::Diagnostic;
use super::entrypoint::Target;
use super::load::ModuleSource;
use super::modules::{self, Parsed};
use super::{Engine, EvalError, EvaluatorError, Limits, LoadOptions, builtins, rewrite};

/// A policy that is ready to run.
#[derive(Debug)]
pub(super) struct Runner {
    interpreter: Interpreter,
    machines: Option<Machines>,
}

impl Runner {
    /// Prepares `target`. The virtual machine is used when `because` is empty; if the policy then
    /// does not compile for it, the reason is added.
    pub(super) fn new(
        parsed: Parsed,
        data: &DataTree,
        target: &Target,
        options: &LoadOptions,
        because: &mut Vec<Diagnostic>,
    ) -> Result<Self, Diagnostic> {
        let Parsed {
            mut engine,
            rewritten,
            index,
            ..
        } = parsed;
        let unusable = |error: &dyn std::fmt::Display| {
            Diagnostic::of_set(format!("`{}` does not compile: {error}", target.text()))
        };
        let strict = options.strict_builtin_errors;
        engine.set_strict_builtin_errors(strict);
        builtins::add(&mut engine, &index, target.query(), strict)
            .map_err(|error| unusable(&error))?;
        let (ask, machines) = match target {
            Target::Rule { text, .. } => {
                engine
                    .compile_with_entrypoint(&text.as_str().into())
                    .map_err(|error| unusable(&error))?;
                let machines = if because.is_empty() {
                    Machines::new(&rewritten, text, data.root())
                        .map_err(|reason| because.push(reason))
                        .ok()
                } else {
                    None
                };
                (Ask::Rule(text.clone()), machines)
            }
            Target::Document { text, .. } | Target::Query { text, .. } => {
                (Ask::Query(text.clone()), None)
            }
        };
        Ok(Self {
            interpreter: Interpreter { engine, ask },
            machines,
        })
    }

    /// The same policy without the virtual machine.
    pub(super) fn on_interpreter(&self) -> Self {
        Self {
            interpreter: self.interpreter.clone(),
            machines: None,
        }
    }

    /// The evaluator that every policy has.
    pub(super) fn interpreter(&self) -> &Interpreter {
        &self.interpreter
    }

    pub(super) fn engine(&self) -> Engine {
        match self.machines {
            Some(_) => Engine::Rvm,
            None => Engine::Interpreter,
        }
    }

    /// Has a machine ready for each of so many workers, where machines run it.
    pub(super) fn prepare(&self, workers: usize) {
        if let Some(machines) = &self.machines {
            machines.fill(workers);
        }
    }

    /// Evaluates `query` for what it leaves behind in caches.
    pub(super) fn touch(&self, query: &str, limits: Limits) {
        let asked = Interpreter::asking(&self.interpreter.engine, query.to_owned());
        drop(asked.observed(Value::Undefined, limits));
    }

    pub(super) fn evaluate(&self, input: Value, limits: Limits) -> Result<Value, EvalError> {
        let value = builtins::observed(limits, || match &self.machines {
            Some(machines) => machines.evaluate(input, limits),
            None => self.interpreter.evaluate(input, limits),
        })?;
        if value == Value::Undefined {
            return Err(EvalError::Undefined);
        }
        Ok(value)
    }
}

/// The tree-walking evaluator: a prepared engine that every evaluation takes a copy of.
#[derive(Clone, Debug)]
pub(super) struct Interpreter {
    engine: regorus::Engine,
    ask: Ask,
}

/// How the interpreter is asked.
#[derive(Clone, Debug)]
pub(super) enum Ask {
    /// For the rule at this path, which has no keys and nothing below it.
    Rule(String),
    /// For what this query gives.
    Query(String),
}

impl Interpreter {
    /// A copy of the prepared engine, which shares all that is large.
    pub(super) fn engine(&self) -> regorus::Engine {
        self.engine.clone()
    }

    /// Asks a copy of `engine`, which is prepared, for the document at `reference`.
    pub(super) fn asking(engine: &regorus::Engine, reference: String) -> Self {
        Self {
            engine: engine.clone(),
            ask: Ask::Query(reference),
        }
    }

    /// Evaluates once, with functions that end it where `limits` are used up.
    pub(super) fn observed(&self, input: Value, limits: Limits) -> Result<Value, EvalError> {
        builtins::observed(limits, || self.evaluate(input, limits))
    }

    fn evaluate(&self, input: Value, limits: Limits) -> Result<Value, EvalError> {
        self.answer(&self.ask, input, limits)
    }

    /// Evaluates what is asked once, without an end but the time.
    pub(super) fn answer(
        &self,
        ask: &Ask,
        input: Value,
        limits: Limits,
    ) -> Result<Value, EvalError> {
        let mut engine = self.engine.clone();
        engine.set_execution_timer_config(timer(limits.time, INTERPRETER_INTERVAL));
        engine.set_input(input);
        match ask {
            Ask::Rule(path) => engine
                .eval_rule(path.clone())
                .map_err(|error| interpreter_error(&error)),
            Ask::Query(query) => engine
                .eval_query(query.clone(), false)
                .map_err(|error| interpreter_error(&error))
                .and_then(single),
        }
    }
}

/// The value of the one result: its first expression's, as the reference takes it.
fn single(results: QueryResults) -> Result<Value, EvalError> {
    let mut results = results.result.into_iter();
    let Some(result) = results.next() else {
        return Err(EvalError::Undefined);
    };
    if results.next().is_some() {
        return Err(EvalError::Conflict(None));
    }
    let first = result.expressions.into_iter().next();
    first
        .map(|expression| expression.value)
        .ok_or(EvalError::Undefined)
}

fn interpreter_error(error: &anyhow::Error) -> EvalError {
    let limit = error
        .chain()
        .find_map(|cause| cause.downcast_ref::<LimitError>());
    match limit {
        Some(LimitError::TimeLimitExceeded { .. }) => return EvalError::TimeLimit,
        Some(LimitError::MemoryLimitExceeded { usage, limit }) => {
            return process_memory(*usage, *limit);
        }
        // The function that compiled it says so.
        Some(LimitError::RegexSizeLimitExceeded { .. }) | None => {}
    }
    let text = error.to_string();
    // An error inside a function of the policy is text alone.
    if text.contains("execution exceeded time limit (elapsed=") {
        return EvalError::TimeLimit;
    }
    // The interpreter has no type for this error, only these words in all its places.
    if text.contains("produce multiple outputs") || text.contains("rule conflicts with rule") {
        return EvalError::Conflict(Some(EvaluatorError(text)));
    }
    EvalError::Failed(EvaluatorError(text))
}

/// A program for the virtual machine, and the machines that wait to run it.
#[derive(Debug)]
struct Machines {
    program: Arc<Program>,
    data: Value,
    compiled: CompiledPolicy,
    idle: ArrayQueue<Box<RegoVM>>,
}

impl Machines {
    fn new(sources: &[ModuleSource], path: &str, data: &Value) -> Result<Self, Diagnostic> {
        let refused = |error: &dyn std::fmt::Display| {
            let tidy = Diagnostic::from_regorus("", "", &error.to_string());
            let reason = format!("the virtual machine does not take it: {}", tidy.message);
            Diagnostic::of_set(reason)
        };
        let mut data = data.clone();
        if let Ok(object) = data.as_object_mut() {
            object.insert(rewrite::LOADED.into(), Value::from(true));
        }
        let compiled = guarded(sources, &data, path).map_err(|error| refused(&error))?;
        let mut program = Compiler::compile_from_policy(&compiled, &[path]).map_err(|error| {
            match &error.span {
                Some(span) => Diagnostic::at(
                    span,
                    format!("the virtual machine does not take it: {}", error.error),
                ),
                None => refused(&error.error),
            }
        })?;
        match Arc::get_mut(&mut program) {
            Some(program) => builtins::exchange(program),
            None => return Err(refused(&"its program is shared")),
        }
        let machines = Self {
            program,
            data,
            compiled,
            idle: ArrayQueue::new(MAX_IDLE),
        };
        let first = machines.build().map_err(|error| refused(&error))?;
        drop(machines.idle.push(first));
        Ok(machines)
    }

    fn build(&self) -> Result<Box<RegoVM>, VmError> {
        let mut machine = Box::new(RegoVM::new_with_policy(self.compiled.clone()));
        machine.load_program(Arc::clone(&self.program));
        machine.set_data(self.data.clone())?;
        Ok(machine)
    }

    /// Makes machines until so many wait.
    fn fill(&self, wanted: usize) {
        while self.idle.len() < wanted.min(MAX_IDLE) {
            let Ok(machine) = self.build() else { return };
            drop(self.idle.push(machine));
        }
    }

    /// A machine comes back to the pool only from here, so that one whose run panicked is gone.
    fn evaluate(&self, input: Value, limits: Limits) -> Result<Value, EvalError> {
        let mut machine = match self.idle.pop() {
            Some(machine) => machine,
            None => self.build().map_err(vm_error)?,
        };
        machine.set_input(input);
        machine.set_max_instructions(limits.instructions);
        machine.set_execution_timer_config(Some(timer(limits.time, MACHINE_INTERVAL)));
        machine.set_memory_budget_config(
            NonZeroU64::new(limits.memory).map(|limit| MemoryBudgetConfig { limit }),
        );
        let result = machine.execute_entry_point_by_index(0).map_err(vm_error);
        machine.set_input(Value::Null);
        drop(self.idle.push(machine));
        result
    }
}

/// Compiles the modules once more, in the form that the machine needs.
fn guarded(sources: &[ModuleSource], data: &Value, path: &str) -> anyhow::Result<CompiledPolicy> {
    let mut plain = modules::new_engine();
    let mut guarded = modules::new_engine();
    for source in sources {
        modules::add(&mut plain, source).map_err(anyhow::Error::msg)?;
    }
    for (source, module) in sources.iter().zip(plain.get_modules()) {
        let mut source = source.clone();
        if let Some(text) = rewrite::for_machine(module) {
            source.text = text;
        }
        modules::add(&mut guarded, &source).map_err(anyhow::Error::msg)?;
    }
    guarded.add_data(data.clone())?;
    guarded.compile_with_entrypoint(&path.into())
}

#[expect(
    clippy::wildcard_enum_match_arm,
    reason = "the limits are ours to tell apart, all else the machine reports is a failure"
)]
fn vm_error(error: VmError) -> EvalError {
    match error {
        VmError::TimeLimitExceeded { .. } => EvalError::TimeLimit,
        VmError::InstructionLimitExceeded { limit, .. } => EvalError::InstructionLimit(limit),
        VmError::MemoryBudgetExceeded { budget, .. } => EvalError::MemoryLimit(budget),
        VmError::MemoryLimitExceeded { usage, limit, .. } => process_memory(usage, limit),
        other => EvalError::Failed(EvaluatorError(other.to_string())),
    }
}

/// Has every evaluation of the process fail while it holds more than `limit` bytes.
pub(super) fn limit_process_memory(limit: Option<u64>) {
    regorus::set_global_memory_limit(limit);
    // A thread counts for itself and is forgotten with what it has not yet told the others.
    regorus::set_thread_flush_threshold_override(Some(64 * 1024));
}

/// The limit of the process is nobody's fault in particular: all evaluations fail until it has room.
fn process_memory(usage: u64, limit: u64) -> EvalError {
    EvalError::Failed(EvaluatorError(format!(
        "the process holds {usage} bytes of memory, more than {limit}"
    )))
}

fn timer(limit: Duration, check_interval: NonZeroU32) -> ExecutionTimerConfig {
    ExecutionTimerConfig {
        limit,
        check_interval,
    }
}

/// How many units of work pass between two looks at the clock. What a unit of the machine may take
/// long for are calls, which look for themselves, and `in`, which goes through an array; the interpreter
/// also builds sets in one.
const MACHINE_INTERVAL: NonZeroU32 = NonZeroU32::MIN.saturating_add(15);
const INTERPRETER_INTERVAL: NonZeroU32 = NonZeroU32::MIN.saturating_add(7);

/// How many machines wait for work; one runs per check at a time.
const MAX_IDLE: usize = 128;
