//! How a function ends an evaluation for good.
//!
//! Neither evaluator can be told by a function why it must stop: the machine takes one type of error
//! that no text fits in, and the interpreter turns every error into text and drops the error of one
//! definition where another has a value. So the reason is kept beside the evaluation, and whatever
//! the evaluator comes to, the reason is the result. An evaluation runs on one thread from its
//! beginning to its end.

use std::cell::RefCell;

use regorus::LimitError;

use crate::policy::{EvalError, Limits};

thread_local! {
    static STOPPED: RefCell<Option<EvalError>> = const { RefCell::new(None) };
}

/// Runs an evaluation whose functions may end it with [`evaluation`].
pub(in crate::policy) fn observed<T>(
    _limits: Limits,
    run: impl FnOnce() -> Result<T, EvalError>,
) -> Result<T, EvalError> {
    STOPPED.replace(None);
    let result = run();
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

/// An error where the evaluation has been ended already: the interpreter may still try the next
/// definition.
pub(super) fn check() -> anyhow::Result<()> {
    if STOPPED.with_borrow(Option::is_some) {
        return Err(goes_no_further());
    }
    Ok(())
}

/// The type of error that the machine does not turn into undefined.
fn goes_no_further() -> anyhow::Error {
    anyhow::Error::new(LimitError::MemoryLimitExceeded { usage: 0, limit: 0 })
}
