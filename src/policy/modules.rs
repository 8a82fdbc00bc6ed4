//! From sources to syntax trees: every module is parsed, whichever fail, and `print` statements
//! are taken out.
//!
//! portcullis has no print hook, and OPA without one erases `print` before it compiles. Erasing
//! matters: an evaluated `print` would evaluate its arguments, whose errors are not the policy's.

use std::num::{NonZeroU32, NonZeroUsize};

use regorus::unstable::{Expr, Literal, LiteralStmt, Module, Parser, Rule, RuleHead, Source};
use regorus::{Engine, PolicyLengthConfig};

use super::diagnostic::Diagnostic;
use super::load::ModuleSource;
use super::refs::{self, Visitor};

/// An engine with nothing in it but our settings.
pub(super) fn new_engine() -> Engine {
    let mut engine = Engine::new();
    engine.set_policy_length_config(LENGTHS);
    // A `print` that stands where it cannot be erased must not write to stderr.
    engine.set_gather_prints(true);
    engine
}

/// Parses `sources` into an engine; what fails becomes a problem and stays out.
///
/// The sources come back as they were compiled: with `print` erased, each at the index of its
/// module.
pub(super) fn parse(
    sources: Vec<ModuleSource>,
    problems: &mut Vec<Diagnostic>,
) -> (Engine, Vec<ModuleSource>) {
    let mut engine = new_engine();
    let mut parsed = Vec::new();
    for mut source in sources {
        match parse_module(&source.name, &source.text, source.v0) {
            Ok(module) => source.text = without_prints(&source.text, &module),
            Err(error) => {
                let problem = Diagnostic::from_regorus(&source.name, &source.text, &error);
                problems.push(hint_at_v0(problem, &source));
                continue;
            }
        }
        match add(&mut engine, &source) {
            Ok(()) => parsed.push(source),
            Err(error) => {
                problems.push(Diagnostic::from_regorus(&source.name, &source.text, &error))
            }
        }
    }
    (engine, parsed)
}

/// Adds one module to `engine`.
pub(super) fn add(engine: &mut Engine, source: &ModuleSource) -> Result<(), String> {
    engine.set_rego_v0(source.v0);
    engine
        .add_policy(source.name.clone(), source.text.clone())
        .map(drop)
        .map_err(|error| error.to_string())
}

fn parse_module(name: &str, text: &str, v0: bool) -> Result<Module, String> {
    let parse = || -> Result<Module, Box<dyn std::error::Error + Send + Sync>> {
        let source = Source::from_contents_with_limits(
            name.to_owned(),
            text.to_owned(),
            LENGTHS.max_file_bytes,
            LENGTHS.max_lines,
        )?;
        let mut parser = Parser::new(&source)?;
        parser.set_max_col(LENGTHS.max_col);
        if !v0 {
            parser.enable_rego_v1()?;
        }
        Ok(parser.parse()?)
    };
    parse().map_err(|error| error.to_string())
}

fn hint_at_v0(problem: Diagnostic, source: &ModuleSource) -> Diagnostic {
    if !source.v0 && parse_module(&source.name, &source.text, true).is_ok() {
        return problem
            .hinting("this is Rego v0: load it with `--v0-compatible`, or write it as Rego v1");
    }
    problem
}

/// The text with `true` and blanks where a `print` statement stands; places stay what they are.
fn without_prints(text: &str, module: &Module) -> String {
    if module.policy.iter().any(|rule| defines_print(rule)) {
        return text.to_owned();
    }
    let mut prints = Prints(Vec::new());
    for rule in &module.policy {
        refs::walk_rule(rule, &mut prints);
    }
    let mut bytes = text.as_bytes().to_vec();
    for (start, end) in prints.0 {
        let Some(call) = bytes.get_mut(start..end) else {
            continue;
        };
        for byte in call.iter_mut().filter(|byte| **byte != b'\n') {
            *byte = b' ';
        }
        for (byte, letter) in call.iter_mut().zip(b"true") {
            *byte = *letter;
        }
    }
    String::from_utf8(bytes).unwrap_or_else(|_| text.to_owned())
}

struct Prints(Vec<(usize, usize)>);

impl<'a> Visitor<'a> for Prints {
    fn expr(&mut self, _expr: &'a regorus::unstable::ExprRef) {}

    fn statement(&mut self, statement: &'a LiteralStmt) {
        if let Literal::Expr { expr, .. } = &statement.literal
            && let Expr::Call { span, fcn, .. } = expr.as_ref()
            && refs::variable(fcn) == Some("print")
            && let (Ok(start), Ok(end)) = (usize::try_from(span.start), usize::try_from(span.end))
        {
            self.0.push((start, end));
        }
    }
}

fn defines_print(rule: &Rule) -> bool {
    match rule {
        Rule::Spec {
            head: RuleHead::Func { refr, .. },
            ..
        } => refs::variable(refr) == Some("print"),
        Rule::Spec { .. } | Rule::Default { .. } => false,
    }
}

/// How long a source may be. Nesting is bounded by the parser itself (32 levels).
const LENGTHS: PolicyLengthConfig = PolicyLengthConfig {
    max_col: nonzero_u32(4096),
    max_file_bytes: nonzero(1 << 20),
    max_lines: nonzero(20_000),
};

const fn nonzero_u32(value: u32) -> NonZeroU32 {
    match NonZeroU32::new(value) {
        Some(value) => value,
        None => NonZeroU32::MIN,
    }
}

const fn nonzero(value: usize) -> NonZeroUsize {
    match NonZeroUsize::new(value) {
        Some(value) => value,
        None => NonZeroUsize::MIN,
    }
}
