//! What one check knows from outside of its request: answers to the `http.send` calls of its policy.
//!
//! An evaluation never waits. A call whose answer is not here ends the evaluation with
//! [`EvalError::Awaits`](super::EvalError::Awaits); who wants a decision fetches what
//! [`Externals::awaited`] names, adds it and evaluates anew. So a decision stays a function of its
//! arguments, and no thread is held while a backend thinks.

use crate::input::Value;

/// The answer to one call: the response object, or why the call failed.
pub type Answer = Result<Value, String>;

/// The answers that one check has, and the call that it waits for.
#[derive(Debug, Default)]
pub struct Externals {
    answers: Vec<(Value, Answer)>,
    awaited: Option<Value>,
}

impl Externals {
    /// The request object of the call that the last evaluation ended at; then none until the next.
    pub fn awaited(&mut self) -> Option<Value> {
        self.awaited.take()
    }

    /// Adds the answer to the call with this request object.
    pub fn answer(&mut self, request: Value, answer: Answer) {
        self.answers.push((request, answer));
    }
}
