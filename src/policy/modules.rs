//! From sources to syntax trees: every module is parsed, whichever fail, and what parses goes to
//! regorus in the form that [`super::rewrite`] gives it.

use std::num::{NonZeroU32, NonZeroUsize};

use regorus::unstable::{Module, Parser, Ref, Source};
use regorus::{Engine, PolicyLengthConfig};

use super::diagnostic::Diagnostic;
use super::index::Index;
use super::load::ModuleSource;
use super::rewrite;

/// The modules that parse.
pub(super) struct Parsed {
    /// As their authors wrote them; index and sources are in step.
    pub(super) sources: Vec<ModuleSource>,
    pub(super) index: Index,
    /// What regorus compiles in place of each source's text.
    pub(super) rewritten: Vec<ModuleSource>,
    pub(super) engine: Engine,
}

/// An engine with nothing in it but our settings.
pub(super) fn new_engine() -> Engine {
    let mut engine = Engine::new();
    engine.set_policy_length_config(LENGTHS);
    // A `print` that stands where it cannot be erased must not write to stderr.
    engine.set_gather_prints(true);
    engine
}

/// Parses `sources`; what fails becomes a problem and stays out.
pub(super) fn parse(sources: Vec<ModuleSource>, problems: &mut Vec<Diagnostic>) -> Parsed {
    let mut modules = Vec::new();
    let mut parsed = Vec::new();
    for source in sources {
        match parse_module(&source) {
            Ok(module) => {
                modules.push(Ref::new(module));
                parsed.push(source);
            }
            Err(error) => {
                let problem = Diagnostic::from_regorus(&source.name, &source.text, &error);
                problems.push(hint_at_v0(problem, &source));
            }
        }
    }
    let index = Index::new(&modules);
    let mut engine = new_engine();
    let mut rewritten = Vec::new();
    for (at, source) in parsed.iter().enumerate() {
        let mut changed = source.clone();
        if let Some(text) = rewrite::for_evaluation(&index, at) {
            changed.text = text;
        }
        if let Err(error) = add(&mut engine, &changed) {
            problems.push(Diagnostic::from_regorus(&source.name, &source.text, &error));
        }
        rewritten.push(changed);
    }
    Parsed {
        sources: parsed,
        index,
        rewritten,
        engine,
    }
}

/// Adds one module to `engine`.
pub(super) fn add(engine: &mut Engine, source: &ModuleSource) -> Result<(), String> {
    engine.set_rego_v0(source.v0);
    engine
        .add_policy(source.name.clone(), source.text.clone())
        .map(drop)
        .map_err(|error| error.to_string())
}

fn parse_module(source: &ModuleSource) -> Result<Module, String> {
    let parse = || -> Result<Module, Box<dyn std::error::Error + Send + Sync>> {
        let text = Source::from_contents_with_limits(
            source.name.clone(),
            source.text.clone(),
            LENGTHS.max_file_bytes,
            LENGTHS.max_lines,
        )?;
        let mut parser = Parser::new(&text)?;
        parser.set_max_col(LENGTHS.max_col);
        if !source.v0 {
            parser.enable_rego_v1()?;
        }
        Ok(parser.parse()?)
    };
    parse().map_err(|error| error.to_string())
}

fn hint_at_v0(problem: Diagnostic, source: &ModuleSource) -> Diagnostic {
    // Only where v0 makes the difference: regorus warns on stderr about v0 that looks like v1.
    if !problem.message.contains("keyword is required") {
        return problem;
    }
    let as_v0 = ModuleSource {
        v0: true,
        ..source.clone()
    };
    if !source.v0 && parse_module(&as_v0).is_ok() {
        return problem
            .hinting("this is Rego v0: load it with `--v0-compatible`, or write it as Rego v1");
    }
    problem
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
