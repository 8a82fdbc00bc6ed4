//! The text of the questions. Each builds on the one before: no statement is written twice.

use std::collections::{BTreeMap, BTreeSet};

use super::Question;
use crate::policy::diagnostic::Diagnostic;
use crate::policy::explain::addition::Addition;
use crate::policy::explain::plan::{Adjusted, Body, EveryPlan, Plans, Step};
use crate::policy::index::Index;
use crate::policy::load::ModuleSource;

/// Questions as modules, and where each stands.
pub(super) struct Written {
    pub(super) sources: Vec<ModuleSource>,
    /// By module and first line.
    spots: BTreeMap<(String, usize), Spot>,
}

/// What stands in one place.
#[derive(Debug)]
pub(super) struct Spot {
    pub(super) body: usize,
    pub(super) name: String,
    pub(super) kind: Kind,
}

/// What is left when a question does not compile.
#[derive(Clone, Copy, Debug)]
pub(super) enum Kind {
    /// Nothing of the body.
    Begin,
    /// The statement of this number together with its neighbour.
    Step(usize),
    /// Everything else of the body.
    Other,
}

impl Written {
    /// What stands where `problem` is.
    pub(super) fn spot(&self, problem: &Diagnostic) -> Option<&Spot> {
        let (line, _) = problem.position?;
        let line = usize::try_from(line).ok()?;
        let until = (problem.file.clone(), line);
        let (place, spot) = self.spots.range(..=until).next_back()?;
        (place.0 == problem.file).then_some(spot)
    }
}

/// The name of a question.
pub(super) fn name(prefix: &str, body: usize, question: Question) -> String {
    match question {
        Question::Rows(step) => format!("{prefix}{body}_s{step}"),
        Question::Value => format!("{prefix}{body}_v"),
        Question::Operand(step, at) => format!("{prefix}{body}_s{step}_o{at}"),
        Question::Call(step, at) => format!("{prefix}{body}_s{step}_c{at}"),
        Question::Elements(step) => format!("{prefix}{body}_s{step}_e"),
    }
}

/// The function that gives what a question is given.
pub(super) fn bound(prefix: &str) -> String {
    format!("{prefix}bound")
}

/// Every question but those that `adjusted` leaves out.
pub(super) fn all(index: &Index, plans: &Plans, adjusted: &Adjusted, prefix: &str) -> Written {
    let mut writer = Writer {
        prefix,
        adjusted,
        written: Written {
            sources: Vec::new(),
            spots: BTreeMap::new(),
        },
        open: None,
    };
    for (module, info) in index.modules.iter().enumerate() {
        let of_module = plans.bodies.iter().enumerate();
        let of_module = of_module.filter(|(_, body)| body.module == module);
        for (number, body) in of_module {
            if adjusted.closed.contains(&number) {
                continue;
            }
            if writer.open.as_ref().is_none_or(Addition::is_full) {
                writer.close();
                writer.open = Some(Addition::beside(&info.module));
            }
            writer.body(number, body);
        }
        writer.close();
    }
    writer.written
}

struct Writer<'p> {
    prefix: &'p str,
    adjusted: &'p Adjusted,
    written: Written,
    open: Option<Addition>,
}

impl Writer<'_> {
    fn file(&self) -> String {
        format!("<{}{}>", self.prefix, self.written.sources.len())
    }

    fn close(&mut self) {
        let file = self.file();
        if let Some(addition) = self.open.take() {
            self.written.sources.push(addition.source(file));
        }
    }

    fn question(
        &mut self,
        body: usize,
        question: Question,
        kind: Kind,
        (value, statements): (&str, &str),
    ) {
        let name = name(self.prefix, body, question);
        if self.adjusted.dropped.contains(&name) {
            return;
        }
        let file = self.file();
        if let Some(addition) = &mut self.open {
            let line = addition.line();
            addition.rule(&name, value, statements);
            let spot = Spot { body, name, kind };
            self.written.spots.insert((file, line), spot);
        }
    }

    fn body(&mut self, number: usize, body: &Body) {
        let given = format!("[[{}]]", body.given.join(", "));
        let begin = self.begin(body);
        self.question(number, Question::Rows(0), Kind::Begin, (&given, &begin));
        let mut known = body.given.as_slice();
        for (at, step) in body.steps.iter().enumerate() {
            self.step(number, (at, step), known);
            known = &step.known;
        }
        if let Some(value) = &body.value {
            let rows = self.rows(number, body.steps.len(), "_", known);
            let text = format!("[{p}it |\n{rows}\n{p}it := {value}\n]", p = self.prefix);
            self.question(number, Question::Value, Kind::Other, (&text, ""));
        }
    }

    /// The patterns of a function's arguments, or the variables around the body of `every`.
    fn begin(&self, body: &Body) -> String {
        let bound = bound(self.prefix);
        let is_variable: BTreeSet<&String> = body.given.iter().collect();
        let patterns = if body.arguments.is_empty() {
            &body.given
        } else {
            &body.arguments
        };
        let statements = patterns.iter().enumerate().filter(|(_, it)| *it != "_");
        let statements = statements.map(|(at, pattern)| {
            let operator = if is_variable.contains(pattern) {
                ":="
            } else {
                "="
            };
            format!("{pattern} {operator} {bound}({at})")
        });
        statements.collect::<Vec<_>>().join("\n")
    }

    fn step(&mut self, body: usize, (at, step): (usize, &Step), known: &[String]) {
        let p = self.prefix;
        let behind = at.saturating_add(1);
        let rows = self.rows(body, at, "_", known);
        let text = format!(
            "[[{}] |\n{rows}\n{}\n]",
            step.known.join(", "),
            step.evaluated
        );
        self.question(body, Question::Rows(behind), Kind::Step(at), (&text, ""));
        let first = self.rows(body, at, "0", known);
        for (number, operand) in step.operands.iter().enumerate() {
            let text = format!("[{p}it |\n{first}\n{p}it := {}\n]", operand.evaluated);
            let question = Question::Operand(at, number);
            self.question(body, question, Kind::Other, (&text, ""));
        }
        for (number, call) in step.calls.iter().enumerate() {
            let names: Vec<String> = (0..call.arguments.len())
                .map(|at| format!("{p}it{at}"))
                .collect();
            let values = names.iter().zip(&call.arguments);
            let values = values.map(|(name, argument)| format!("{name} := {argument}"));
            let values = values.collect::<Vec<_>>().join("\n");
            let text = format!("[[{}] |\n{first}\n{values}\n]", names.join(", "));
            self.question(body, Question::Call(at, number), Kind::Other, (&text, ""));
        }
        if let Some(EveryPlan { domain, .. }) = &step.every {
            let text = format!(
                "[[{p}key, {p}it] |\n{first}\n{p}domain := {domain}\n{p}it := {p}domain[{p}key]\n]"
            );
            self.question(body, Question::Elements(at), Kind::Other, (&text, ""));
        }
    }

    /// Binds what the first so many statements know, in each way or in the first.
    fn rows(&self, body: usize, step: usize, way: &str, known: &[String]) -> String {
        let p = self.prefix;
        let from = name(p, body, Question::Rows(step));
        let mut text = format!("{p}row := {from}[{way}]");
        for (at, name) in known.iter().enumerate() {
            text.push_str(&format!("\n{name} := {p}row[{at}]"));
        }
        text
    }
}
