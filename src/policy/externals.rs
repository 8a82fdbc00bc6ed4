//! What one check knows from outside of its request: answers to the `http.send` calls of its policy.
//!
//! An evaluation never waits. A call whose answer is not here ends the evaluation with
//! [`EvalError::Awaits`](super::EvalError::Awaits); who wants a decision fetches what
//! [`Externals::awaited`] names, adds it and evaluates anew. So a decision stays a function of its
//! arguments, and no thread is held while a backend thinks.
//!
//! What time, random numbers and UUIDs an evaluation has seen is kept here too: a request that holds
//! one of them must be the same when the policy is evaluated again, or it would never be answered.
//!
//! The evaluators call functions without a word on which check it is for. An evaluation runs on one
//! thread from its beginning to its end, so what it may know lies beside it, and is taken back
//! whatever ends it.

use std::{cell::RefCell, collections::BTreeMap, mem};

use crate::input::Value;

/// The answer to one call: the response object, or why there is none.
pub type Answer = Result<Value, Unanswered>;

/// Why a call has no response, and what that means to the policy.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unanswered {
    /// An error of the function as the reference has it: undefined, or with strict errors the end.
    #[error("{0}")]
    Failed(String),
    /// A bound or a refusal that the reference does not have. A policy that is right there must not
    /// go on without the response: it ends the evaluation, strict or not.
    #[error("{0}")]
    Refused(String),
}

/// The answers that one check has, and the call that it waits for.
#[derive(Clone, Debug, Default)]
pub struct Externals {
    answers: BTreeMap<Value, Answer>,
    awaited: Option<Value>,
    /// What functions have given that give something else each time, by name and arguments.
    seen: BTreeMap<(&'static str, Vec<Value>), Value>,
}

impl Externals {
    /// The request object of the call that the last evaluation ended at; then none until the next.
    pub fn awaited(&mut self) -> Option<Value> {
        self.awaited.take()
    }

    /// Adds the answer to the call with this request object.
    pub fn answer(&mut self, request: Value, answer: Answer) {
        self.answers.insert(request, answer);
    }

    /// The calls that were answered, and their answers.
    pub fn answers(&self) -> impl Iterator<Item = (&Value, &Answer)> {
        self.answers.iter()
    }

    /// What functions have given that give something else each time: name, arguments and value.
    pub fn seen(&self) -> impl Iterator<Item = (&'static str, &[Value], &Value)> {
        let seen = self.seen.iter();
        seen.map(|((function, arguments), value)| (*function, arguments.as_slice(), value))
    }

    /// Evaluates with what is known here.
    pub(super) fn during<T>(&mut self, evaluate: impl FnOnce() -> T) -> T {
        self.awaited = None;
        let outer = CURRENT.replace(Some(mem::take(self)));
        let _back = Back {
            externals: self,
            outer,
        };
        evaluate()
    }
}

thread_local! {
    static CURRENT: RefCell<Option<Externals>> = const { RefCell::new(None) };
}

/// Takes back what was lent to an evaluation, also when that panics.
struct Back<'e> {
    externals: &'e mut Externals,
    outer: Option<Externals>,
}

impl Drop for Back<'_> {
    fn drop(&mut self) {
        if let Some(lent) = CURRENT.replace(self.outer.take()) {
            *self.externals = lent;
        }
    }
}

/// What is known of one call.
pub(super) enum Known {
    /// Its answer.
    Answer(Answer),
    /// Nothing: it is noted as the one that is awaited.
    Awaited,
    /// There is no check whose answers could be asked.
    OutsideOfACheck,
}

/// The answer to the call with this request object.
pub(super) fn known(request: &Value) -> Known {
    CURRENT.with_borrow_mut(|current| {
        let Some(externals) = current else {
            return Known::OutsideOfACheck;
        };
        if let Some(answer) = externals.answers.get(request) {
            return Known::Answer(answer.clone());
        }
        if externals.awaited.is_none() {
            externals.awaited = Some(request.clone());
        }
        Known::Awaited
    })
}

/// What `function` has given for `arguments` to this check.
pub(super) fn remembered(function: &'static str, arguments: &[Value]) -> Option<Value> {
    CURRENT.with_borrow(|current| {
        let seen = &current.as_ref()?.seen;
        seen.get(&(function, arguments.to_vec())).cloned()
    })
}

/// Notes what `function` gives for `arguments` to this check.
pub(super) fn remember(function: &'static str, arguments: &[Value], value: &Value) {
    CURRENT.with_borrow_mut(|current| {
        if let Some(externals) = current {
            let call = (function, arguments.to_vec());
            externals.seen.insert(call, value.clone());
        }
    });
}
