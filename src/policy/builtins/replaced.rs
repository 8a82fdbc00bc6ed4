//! Functions that stand in for regorus' own of the same name, on both evaluators: each checks its
//! arguments against [`super::caps`] and then calls what it stands in for.
//!
//! Promises: below the caps nothing changes, neither results nor what is undefined nor what is an
//! error; above them the evaluation ends with [`EvalError::Failed`], strict or not.

use std::sync::LazyLock;

use regorus::rvm::program::Program;
use regorus::unstable::{BUILTINS, BuiltinFcn, Expr, ExprRef, Ref, Source, Span};
use regorus::{LimitError, Value};

use super::caps::{self, Check, Instead};
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
    "abs" => caps::plain;
    "array.concat" => caps::collections::items;
    "array.reverse" => caps::collections::items;
    "array.slice" => caps::collections::items;
    "base64.decode" => caps::plain;
    "base64.encode" => caps::plain;
    "base64.is_valid" => caps::plain;
    "base64url.decode" => caps::plain;
    "base64url.encode" => caps::plain;
    "base64url.encode_no_pad" => caps::plain;
    "bits.and" => caps::plain;
    "bits.lsh" => caps::numbers::shift;
    "bits.negate" => caps::plain;
    "bits.or" => caps::plain;
    "bits.rsh" => caps::plain;
    "bits.xor" => caps::plain;
    "ceil" => caps::plain;
    "concat" => caps::strings::concat;
    "contains" => caps::plain;
    "endswith" => caps::plain;
    "floor" => caps::plain;
    "format_int" => caps::plain;
    "glob.match" => caps::patterns::glob;
    "glob.quote_meta" => caps::patterns::glob;
    "graph.reachable" => caps::plain;
    "graph.reachable_paths" => caps::graphs::paths;
    "hex.decode" => caps::plain;
    "hex.encode" => caps::plain;
    "indexof" => caps::strings::searched;
    "indexof_n" => caps::strings::indexof_n;
    "intersection" => caps::plain;
    "json.filter" => caps::collections::paths;
    "json.is_valid" => caps::encodings::json;
    "json.marshal" => caps::plain;
    "json.marshal_with_options" => caps::encodings::to_json;
    "json.match_schema" => caps::schemas::matches;
    "json.patch" => caps::collections::patch;
    "json.remove" => caps::collections::paths;
    "json.unmarshal" => caps::encodings::json;
    "json.verify_schema" => caps::schemas::verify;
    "lower" => caps::plain;
    "max" => caps::collections::folded;
    "min" => caps::collections::folded;
    "net.cidr_contains" => caps::plain;
    "net.cidr_expand" => caps::net::expand;
    "net.cidr_is_valid" => caps::plain;
    "numbers.range" => caps::numbers::range;
    "numbers.range_step" => caps::numbers::range_step;
    "object.filter" => caps::collections::keys;
    "object.get" => caps::collections::looked_up;
    "object.keys" => caps::collections::keys;
    "object.remove" => caps::collections::keys;
    "object.subset" => caps::collections::subset;
    "object.union" => caps::plain;
    "object.union_n" => caps::collections::union_n;
    "product" => caps::collections::product;
    "regex.find_all_string_submatch_n" => caps::patterns::groups;
    "regex.find_n" => caps::patterns::all;
    "regex.is_valid" => caps::patterns::pattern;
    "regex.match" => caps::patterns::once;
    "regex.replace" => caps::patterns::replace;
    "regex.split" => caps::patterns::all;
    "regex.template_match" => caps::patterns::template;
    "replace" => caps::strings::replace;
    "round" => caps::plain;
    "semver.compare" => caps::plain;
    "semver.is_valid" => caps::plain;
    "sort" => caps::plain;
    "split" => caps::strings::split;
    "sprintf" => caps::strings::sprintf;
    "startswith" => caps::plain;
    "strings.any_prefix_match" => caps::strings::any_match;
    "strings.any_suffix_match" => caps::strings::any_match;
    "strings.count" => caps::strings::count;
    "strings.replace_n" => caps::strings::replace_n;
    "strings.reverse" => caps::plain;
    "substring" => caps::plain;
    "sum" => caps::collections::folded;
    "time.add_date" => caps::plain;
    "time.clock" => caps::plain;
    "time.date" => caps::plain;
    "time.diff" => caps::plain;
    "time.format" => caps::plain;
    "time.parse_duration_ns" => caps::plain;
    "time.parse_ns" => caps::plain;
    "time.parse_rfc3339_ns" => caps::plain;
    "time.weekday" => caps::plain;
    "to_number" => caps::plain;
    "trim" => caps::strings::trim;
    "trim_left" => caps::strings::trim;
    "trim_prefix" => caps::plain;
    "trim_right" => caps::strings::trim;
    "trim_space" => caps::plain;
    "trim_suffix" => caps::plain;
    "union" => caps::collections::union;
    "units.parse" => caps::encodings::quantity;
    "units.parse_bytes" => caps::encodings::quantity;
    "upper" => caps::plain;
    "urlquery.decode" => caps::encodings::query;
    "urlquery.decode_object" => caps::encodings::query;
    "urlquery.encode" => caps::plain;
    "urlquery.encode_object" => caps::plain;
    "uuid.parse" => caps::plain;
    "walk" => caps::graphs::walk;
    "yaml.is_valid" => caps::encodings::yaml;
    "yaml.marshal" => caps::encodings::to_yaml;
    "yaml.unmarshal" => caps::encodings::yaml;
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
        Err(Instead::Answer(value)) => return Ok(value),
        Err(Instead::Excess(why)) => return Err(failed(name, &why)),
        Err(Instead::Error(why)) => return Err(anyhow::anyhow!("`{name}`: {why}")),
    }
    let result = own(span, params, arguments, strict);
    stop::check()?;
    result.map_err(|error| match error.downcast_ref() {
        Some(LimitError::RegexSizeLimitExceeded { limit }) => failed(
            name,
            &format!("the pattern compiles to more than {limit} bytes"),
        ),
        Some(LimitError::MemoryLimitExceeded { .. } | LimitError::TimeLimitExceeded { .. })
        | None => error,
    })
}

/// A product that is no longer than functions take.
pub(super) fn bounded(mut arguments: Vec<Value>) -> anyhow::Result<Value> {
    stop::check()?;
    if let Err(Instead::Excess(why)) = caps::plain(&arguments) {
        return Err(failed("*", &why));
    }
    Ok(arguments.pop().unwrap_or(Value::Undefined))
}

/// Ends the evaluation with what is wrong about a call of `name`.
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
