//! `decision_logs` and `portcullis.decision_logs`: who gets a record of each check, and what it holds.
//!
//! Promises OPA's keys with their defaults and rules, that a section which names nobody is told of
//! rather than ignored, and that what is sent to a service is bounded also where OPA has no bound.

mod ours;
mod reporting;

use serde_json::Value;

use super::{
    problem::Complaint,
    section::Section,
    services::Services,
    value::{shown, text},
};
use crate::{
    decision_log::{file, service},
    telemetry::decision_log::Sink,
    traces::otlp,
};

pub use ours::{OurDecisionLogs, Redact};

/// Who gets a record of each check, and what it holds.
#[derive(Clone, Debug, PartialEq)]
pub struct DecisionLogs {
    /// `decision_logs.console`: records are logged as OPA logs them.
    pub console: bool,
    /// `decision_logs.service` and what belongs to it: records are posted.
    pub service: Option<service::Options>,
    /// `portcullis.decision_logs.file`: records are appended to a file.
    pub file: Option<file::Options>,
    /// `portcullis.decision_logs.otlp`: records are exported.
    pub otlp: Option<otlp::Options>,
    /// `decision_logs.mask_decision`, as the names below `data`. Default `/system/log/mask`.
    pub mask_decision: Vec<String>,
    /// `decision_logs.drop_decision`, as the names below `data`. Default `/system/log/drop`.
    pub drop_decision: Vec<String>,
    /// `nd_builtin_cache`, or the same below `decision_logs`: records hold what `http.send` answered.
    pub nd_builtin_cache: bool,
    /// `decision_logs.request_context.http.headers`: headers that records hold apart.
    pub request_context_headers: Vec<String>,
    /// `portcullis.decision_logs.sample.allowed`: one in so many allowed checks has a record.
    pub sample_allowed: u32,
    /// `portcullis.decision_logs.redact`.
    pub redact: Redact,
    /// `portcullis.decision_logs.rules`: records say where the decision came from.
    pub rules: bool,
}

impl DecisionLogs {
    /// Where records go.
    pub fn sinks(&self) -> Vec<Sink> {
        let there = |sink: &Sink| match sink {
            Sink::Console => self.console,
            Sink::File => self.file.is_some(),
            Sink::Service => self.service.is_some(),
            Sink::Otlp => self.otlp.is_some(),
        };
        Sink::ALL.into_iter().filter(there).collect()
    }

    /// Whether a record goes anywhere.
    fn has_sink(&self) -> bool {
        !self.sinks().is_empty()
    }
}

/// What both sections ask for; `None` when nobody is to get a record. `manual`: the trigger that
/// `discovery` says is everybody's.
pub(super) fn read(
    root: &mut Section<'_>,
    services: &Services,
    ours: &OurDecisionLogs,
    manual: bool,
) -> Option<DecisionLogs> {
    let given = root.raw(SECTION).is_some();
    let cache = root.raw(ND_BUILTIN_CACHE) == Some(&Value::Bool(true));
    let others = ours.file.is_some() || ours.otlp.is_some();
    let context = Context {
        services,
        ours,
        others,
        manual,
    };
    let mut logs = root
        .optional_section(SECTION, |section| theirs(section, &context))
        .unwrap_or_else(|| of_nobody(ours));
    logs.nd_builtin_cache |= cache;
    if ours.spill.is_some() && logs.service.is_none() {
        let text = "`portcullis.decision_logs.spill` has no effect: no record is sent to a service";
        root.report().warn(text);
    }
    if logs.has_sink() {
        return Some(logs);
    }
    if given {
        root.warn(SECTION, "names nobody who gets records: nothing is logged");
    }
    if cache {
        root.warn(ND_BUILTIN_CACHE, "has no effect without a decision log");
    }
    None
}

/// What `decision_logs` is read with.
struct Context<'a> {
    services: &'a Services,
    ours: &'a OurDecisionLogs,
    /// Whether our own section names somebody who gets records.
    others: bool,
    manual: bool,
}

/// With OPA's defaults, and what our own section says.
fn of_nobody(ours: &OurDecisionLogs) -> DecisionLogs {
    DecisionLogs {
        console: false,
        service: None,
        file: ours.file.clone(),
        otlp: ours.otlp.clone(),
        mask_decision: MASK.map(str::to_owned).to_vec(),
        drop_decision: DROP.map(str::to_owned).to_vec(),
        nd_builtin_cache: false,
        request_context_headers: Vec::new(),
        sample_allowed: ours.sample_allowed,
        redact: ours.redact.clone(),
        rules: ours.rules,
    }
}

fn theirs(section: &mut Section<'_>, context: &Context<'_>) -> DecisionLogs {
    let default = of_nobody(context.ours);
    if section.raw("plugin").is_some() {
        let complaint =
            Complaint::new("plugins of OPA cannot be used").hint("use `service` or `console`");
        section.problem("plugin", complaint);
    }
    let console = section.flag("console");
    let mask = section.value("mask_decision", data_path);
    let drop = section.value("drop_decision", data_path);
    let headers = section.section("request_context", |context| {
        context.section("http", |http| http.list("headers", ours::header))
    });
    DecisionLogs {
        console,
        service: reporting::service(section, context, console),
        mask_decision: mask.unwrap_or(default.mask_decision),
        drop_decision: drop.unwrap_or(default.drop_decision),
        nd_builtin_cache: section.flag(ND_BUILTIN_CACHE),
        request_context_headers: headers.unwrap_or_default(),
        file: default.file,
        otlp: default.otlp,
        sample_allowed: default.sample_allowed,
        redact: default.redact,
        rules: default.rules,
    }
}

/// The names below `data` that `/system/log/mask` stands for.
fn data_path(value: &Value) -> Result<Vec<String>, Complaint> {
    let given = text(value)?;
    let names = given.trim_matches('/').split('/');
    let names: Vec<String> = names.map(str::to_owned).collect();
    if names.iter().any(String::is_empty) {
        let complaint = Complaint::new(format!("`{}` names no rule", shown(given)));
        return Err(complaint.hint("write it like `/system/log/mask`"));
    }
    Ok(names)
}

const SECTION: &str = "decision_logs";
/// OPA has the key at the root, and knows it below `decision_logs` too.
const ND_BUILTIN_CACHE: &str = "nd_builtin_cache";
const MASK: [&str; 3] = ["system", "log", "mask"];
const DROP: [&str; 3] = ["system", "log", "drop"];
