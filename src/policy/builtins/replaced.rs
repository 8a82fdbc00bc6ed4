//! Functions that stand in for regorus' own of the same name, on both evaluators: each checks its
//! arguments against [`super::caps`] and then calls what it stands in for.
//!
//! Promises: below the caps nothing changes, neither results nor what is undefined nor what is an
//! error; above them the evaluation ends with [`EvalError::Failed`], strict or not.

use std::sync::LazyLock;

use regorus::rvm::program::Program;
use regorus::unstable::{BUILTINS, BuiltinFcn, Expr, ExprRef, Ref, Source, Span};
use regorus::{LimitError, Value};

use super::caps::{self, Check, Refusal};
use super::stop;
use crate::policy::diagnostic::Diagnostic;
use crate::policy::{EvalError, EvaluatorError};

/// What regorus calls as a built-in.
type Call = fn(&Span, &[ExprRef], &[Value], bool) -> anyhow::Result<Value>;

/// A function in place of regorus' own.
#[derive(Clone, Copy, Debug)]
pub(super) struct Replaced {
    pub(super) name: &'static str,
    pub(super) call: Call,
}

/// One function for each name: the machine takes nothing but plain pointers.
macro_rules! replaced {
    ($($name:literal => $check:expr;)*) => {
        /// Every function that stands in for one of regorus.
        pub(super) const REPLACED: &[Replaced] = &[$(Replaced {
            name: $name,
            call: {
                fn call(
                    span: &Span,
                    params: &[ExprRef],
                    arguments: &[Value],
                    strict: bool,
                ) -> anyhow::Result<Value> {
                    static OWN: LazyLock<Option<BuiltinFcn>> =
                        LazyLock::new(|| BUILTINS.get($name).copied());
                    capped($name, $check, *OWN, (span, params), arguments, strict)
                }
                call
            },
        },)*];
    };
}

replaced! {
    "concat" => caps::strings::concat;
    "lower" => caps::strings::plain;
    "net.cidr_expand" => caps::net::expand;
    "numbers.range" => caps::numbers::range;
    "numbers.range_step" => caps::numbers::range_step;
    "replace" => caps::strings::replace;
    "split" => caps::strings::split;
    "sprintf" => caps::strings::sprintf;
    "upper" => caps::strings::plain;
}

fn capped(
    name: &str,
    check: Check,
    own: Option<BuiltinFcn>,
    (span, params): (&Span, &[ExprRef]),
    arguments: &[Value],
    strict: bool,
) -> anyhow::Result<Value> {
    stop::check()?;
    let Some((own, _)) = own else {
        return Err(failed(name, "regorus has no such function"));
    };
    match check(arguments) {
        Ok(()) => {}
        Err(Refusal::Excess(why)) => return Err(failed(name, &why)),
        Err(Refusal::Error(why)) => return Err(anyhow::anyhow!("`{name}`: {why}")),
    }
    own(span, params, arguments, strict).map_err(|error| match error.downcast_ref() {
        Some(LimitError::RegexSizeLimitExceeded { limit }) => failed(
            name,
            &format!("the pattern compiles to more than {limit} bytes"),
        ),
        Some(LimitError::MemoryLimitExceeded { .. } | LimitError::TimeLimitExceeded { .. })
        | None => error,
    })
}

/// Fails the evaluation, strict or not.
pub(super) fn failed(name: &str, why: &str) -> anyhow::Error {
    stop::evaluation(EvalError::Failed(EvaluatorError(format!(
        "`{name}`: {why}"
    ))))
}

/// Exchanges the functions of a program for the machine.
pub(in crate::policy) fn exchange(program: &mut Program) {
    let infos = &program.builtin_info_table;
    for (info, resolved) in infos.iter().zip(&mut program.resolved_builtins) {
        if let Some(replaced) = super::every_replaced().find(|replaced| replaced.name == info.name)
        {
            resolved.0 = replaced.call;
        }
    }
}

impl Replaced {
    /// As the interpreter calls added functions: it fails at their errors, so that what makes a
    /// built-in undefined becomes undefined here.
    pub(super) fn extension(
        self,
        strict: bool,
    ) -> impl Fn(Vec<Value>) -> anyhow::Result<Value> + Clone + Send + Sync {
        move |arguments| {
            let Some((span, params)) = PLACE.as_ref() else {
                return Err(failed(self.name, "there is no place to call it from"));
            };
            match (self.call)(span, params, &arguments, strict) {
                Err(error) if !strict && !error.is::<LimitError>() => Ok(Value::Undefined),
                // The interpreter adds the place of the call.
                Err(error) => {
                    let tidy = Diagnostic::from_regorus("", "", &error.to_string());
                    Err(anyhow::anyhow!(tidy.message))
                }
                value => value,
            }
        }
    }
}

/// Where a built-in believes to be called from; it needs a place to report its errors at.
static PLACE: LazyLock<Option<(Span, Vec<ExprRef>)>> = LazyLock::new(|| {
    let source = Source::from_contents("<built-in>".to_owned(), String::new()).ok()?;
    let span = Span {
        source,
        line: 1,
        col: 1,
        start: 0,
        end: 0,
    };
    let param = Ref::new(Expr::Null {
        span: span.clone(),
        value: Value::Null,
        eidx: 0,
    });
    Some((span, vec![param; MAX_PARAMS]))
});

/// No built-in takes more.
const MAX_PARAMS: usize = 8;
