//! How a function ends an evaluation for good, and what it ends it for that no evaluator sees in
//! time: the memory that the evaluation holds, and the time itself. Evaluators look at the clock
//! every so many steps, and a step may be a long call.
//!
//! Neither evaluator can be told by a function why it must stop: the machine takes one type of error
//! that no text fits in, and the interpreter turns every error into text and drops the error of one
//! definition where another has a value. So the reason is kept beside the evaluation, and whatever
//! the evaluator comes to, the reason is the result. An evaluation runs on one thread from its
//! beginning to its end.

use std::cell::{Cell, RefCell};
use std::time::{Duration, Instant};

use regorus::LimitError;

use crate::policy::{EvalError, Limits};

thread_local! {
    static STOPPED: RefCell<Option<EvalError>> = const { RefCell::new(None) };
    static ALLOWANCE: Cell<Option<Allowance>> = const { Cell::new(None) };
}

/// What the evaluation on this thread may take.
#[derive(Clone, Copy, Debug)]
struct Allowance {
    started: Instant,
    time: Duration,
    /// What this thread held before.
    before: i64,
    memory: u64,
}

/// Runs an evaluation whose functions may end it with [`evaluation`].
pub(in crate::policy) fn observed<T>(
    limits: Limits,
    run: impl FnOnce() -> Result<T, EvalError>,
) -> Result<T, EvalError> {
    STOPPED.replace(None);
    ALLOWANCE.set(Some(Allowance {
        started: Instant::now(),
        time: limits.time,
        before: mimalloc::current_thread_live_bytes(),
        memory: limits.memory,
    }));
    let result = run();
    ALLOWANCE.set(None);
    match STOPPED.take() {
        Some(reason) => Err(reason),
        None => result,
    }
}

/// Ends the evaluation that runs on this thread: the first reason is its result. The error is for
/// the evaluator, which goes no further with it, strict or not.
pub(super) fn evaluation(reason: EvalError) -> anyhow::Error {
    STOPPED.with_borrow_mut(|stopped| {
        if stopped.is_none() {
            *stopped = Some(reason);
        }
    });
    goes_no_further()
}

/// Ends the evaluation if it has taken too much; an error also where it has been ended already, because
/// the interpreter may still try the next definition.
pub(super) fn check() -> anyhow::Result<()> {
    if STOPPED.with_borrow(Option::is_some) {
        return Err(goes_no_further());
    }
    let Some(allowance) = ALLOWANCE.get() else {
        return Ok(());
    };
    if allowance.started.elapsed() > allowance.time {
        return Err(evaluation(EvalError::TimeLimit));
    }
    let held = mimalloc::current_thread_live_bytes().saturating_sub(allowance.before);
    if u64::try_from(held).is_ok_and(|held| held > allowance.memory) {
        return Err(evaluation(EvalError::MemoryLimit(allowance.memory)));
    }
    Ok(())
}

/// The type of error that the machine does not turn into undefined.
fn goes_no_further() -> anyhow::Error {
    anyhow::Error::new(LimitError::MemoryLimitExceeded { usage: 0, limit: 0 })
}
