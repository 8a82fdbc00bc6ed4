//! From sources to syntax trees: every module is parsed, whichever fail, and what parses goes to
//! regorus in the form that [`super::rewrite`] gives it.

use std::num::{NonZeroU32, NonZeroUsize};

use regorus::unstable::{Module, Parser, Ref, Source};
use regorus::{Engine, PolicyLengthConfig};

use super::depth;
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
        match rewrite::for_evaluation(&index, at) {
            Ok(Some(text)) => changed.text = text,
            Ok(None) => {}
            // What was not rewritten would mean something else: the set must not load.
            Err(error) => {
                problems.push(Diagnostic::from_regorus(&source.name, &source.text, &error));
            }
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

/// Parses on a thread whose stack is as large as the text could need: operators that follow each
/// other nest without a bound of regorus', and dropping such a tree goes down all of it. Trees
/// that are too deep end on that thread.
fn parse_module(source: &ModuleSource) -> Result<Module, String> {
    let stack = source
        .text
        .len()
        .saturating_mul(STACK_PER_BYTE)
        .saturating_add(STACK_BASE);
    std::thread::scope(|scope| {
        std::thread::Builder::new()
            .name("policy-parser".to_owned())
            .stack_size(stack)
            .spawn_scoped(scope, || parse_here(source))
            .map_err(|error| format!("no thread to parse on: {error}"))?
            .join()
            .unwrap_or_else(|_| Err("the parser failed".to_owned()))
    })
}

fn parse_here(source: &ModuleSource) -> Result<Module, String> {
    if let Some((line, column)) = depth::too_nested(&source.text) {
        return Err(format!(
            "\n--> {}:{line}:{column}\n|\nerror: brackets are nested too deep",
            source.name
        ));
    }
    let text = Source::from_contents_with_limits(
        source.name.clone(),
        source.text.clone(),
        LENGTHS.max_file_bytes,
        LENGTHS.max_lines,
    );
    let module = text.and_then(|text| {
        let mut parser = Parser::new(&text)?;
        parser.set_max_col(LENGTHS.max_col);
        if !source.v0 {
            parser.enable_rego_v1()?;
        }
        parser.parse()
    });
    let module = module.map_err(|error| error.to_string())?;
    match depth::too_deep(&module) {
        Some(span) => Err(span.message(
            "error",
            &format!("nested deeper than {} levels", depth::MAX_DEPTH),
        )),
        None => Ok(module),
    }
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

/// Stack for dropping a tree of which each byte of text is half a level.
const STACK_PER_BYTE: usize = 512;
const STACK_BASE: usize = 4 << 20;

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
