//! Functions whose results a check takes from outside: `http.send`, whose answers are in the check's
//! [`Externals`], and those that would differ between two evaluations of one check.
//!
//! regorus' own `http.send` gives undefined and never runs.
//!
//! [`Externals`]: crate::policy::Externals

use regorus::Value;
use regorus::unstable::{BUILTINS, ExprRef, Span};

use super::caps::{self, Instead};
use super::replaced::{Replaced, failed};
use super::stop;
use crate::policy::EvalError;
use crate::policy::externals::{self, Known, Unanswered};

/// The function that asks other services.
pub(super) const SEND: Replaced = Replaced {
    name: NAME,
    call: send,
};

/// Functions of policies that call [`SEND`], which are evaluated anew after each answer: what they
/// gave first is what they give.
pub(super) const REMEMBERED: [Replaced; 3] = [
    Replaced {
        name: "rand.intn",
        call: |span, params, arguments, strict| {
            remembered("rand.intn", (span, params), arguments, strict)
        },
    },
    Replaced {
        name: "time.now_ns",
        call: |span, params, arguments, strict| {
            remembered("time.now_ns", (span, params), arguments, strict)
        },
    },
    Replaced {
        name: "uuid.rfc4122",
        call: |span, params, arguments, strict| {
            remembered("uuid.rfc4122", (span, params), arguments, strict)
        },
    },
];

fn send(
    _span: &Span,
    _params: &[ExprRef],
    arguments: &[Value],
    _strict: bool,
) -> anyhow::Result<Value> {
    stop::check()?;
    let [request] = arguments else {
        return Err(failed(NAME, "takes one argument"));
    };
    // Before anything compares it or writes it out.
    if let Err(Instead::Excess(why)) = caps::request(request) {
        return Err(failed(NAME, &why));
    }
    match externals::known(request) {
        Known::Answer(Ok(response)) => Ok(response),
        Known::Answer(Err(Unanswered::Failed(why))) => Err(anyhow::anyhow!("`{NAME}`: {why}")),
        Known::Answer(Err(Unanswered::Refused(why))) => Err(failed(NAME, &why)),
        Known::Awaited => Err(stop::evaluation(EvalError::Awaits)),
        Known::OutsideOfACheck => Err(failed(NAME, "nobody answers it here")),
    }
}

fn remembered(
    name: &'static str,
    (span, params): (&Span, &[ExprRef]),
    arguments: &[Value],
    strict: bool,
) -> anyhow::Result<Value> {
    if let Some(value) = externals::remembered(name, arguments) {
        return Ok(value);
    }
    let Some((own, _)) = BUILTINS.get(name) else {
        return Err(failed(name, "regorus has no such function"));
    };
    let value = own(span, params, arguments, strict)?;
    externals::remember(name, arguments, &value);
    Ok(value)
}

const NAME: &str = "http.send";
