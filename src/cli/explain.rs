//! `portcullis explain`: why a request was allowed or denied, from a decision log record or a saved
//! CheckRequest and the policy that decided it. Offline, and without a credential in what it prints.

mod record;

use std::{path::PathBuf, process::ExitCode, time::Duration};

use anyhow::{Context, Result};
use clap::{Args, ValueEnum};
use serde::Serialize;

use super::{
    ConfigArguments, PolicyArguments, Usage,
    decide::{Decided, Offline},
    load, print, requests,
    signing::VerificationArguments,
};
use crate::{
    app::{build::check_options, redaction},
    chain::Chain,
    config::Config,
    decision::Decision,
    input::Value,
    outcome::{Answer, Outcome, Reason},
    policy::{
        Entrypoint, Limits,
        explain::{Explainer, Explanation, Reach},
    },
};
use record::Record;

/// Arguments of `explain`.
#[derive(Args, Clone, Debug)]
#[command(after_help = super::EXIT_CODES)]
pub(super) struct Explain {
    /// Decision log record, file of records, or saved CheckRequest; `-` reads from standard input
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// The record of this decision, where the file has several
    #[arg(long, value_name = "ID")]
    decision_id: Option<String>,
    /// Rego files, data files, bundle archives and folders of them; none: the embedded default
    #[arg(short, long, value_name = "PATH")]
    policy: Vec<String>,
    /// Load this path as a bundle
    #[arg(short, long, value_name = "PATH")]
    bundle: Vec<String>,
    /// Read modules without `import rego.v1` as Rego v0
    #[arg(long)]
    v0_compatible: bool,
    #[command(flatten)]
    verification: VerificationArguments,
    #[command(flatten)]
    config: ConfigArguments,
    /// Key set of a token provider whose keys come over HTTP; for a CheckRequest
    #[arg(long, value_name = "PROVIDER=FILE")]
    keys: Vec<String>,
    /// Judge tokens of a CheckRequest as of this time, in seconds since the Unix epoch; default: now
    #[arg(long, value_name = "SECONDS")]
    at: Option<u64>,
    /// How to print
    #[arg(short, long, value_name = "FORM", default_value = "text")]
    output: Form,
}

/// What `--output` may be.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum Form {
    Text,
    Json,
}

/// Everything that is printed.
#[derive(Debug, Serialize)]
struct Explained {
    #[serde(skip_serializing_if = "Option::is_none")]
    decision_id: Option<String>,
    decision: &'static str,
    reason: String,
    /// The policy's own reason, or the error with its causes.
    #[serde(skip_serializing_if = "String::is_empty")]
    why: String,
    revision: String,
    entrypoint: String,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    warnings: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    explanation: Option<Explanation>,
}

/// Explains one decision; whatever it was, that is a success.
pub(super) fn run(arguments: &Explain) -> Result<ExitCode> {
    let config = load::config(&arguments.config)?;
    let policy = PolicyArguments {
        paths: arguments.policy.clone(),
        bundle: arguments.bundle.clone(),
        v0_compatible: arguments.v0_compatible,
        verification: arguments.verification.clone(),
        ..PolicyArguments::default()
    };
    let name = arguments.file.display().to_string();
    let bytes = requests::file(&arguments.file)
        .with_context(|| format!("cannot read `{name}`"))
        .map_err(wrong)?;
    let record = record::find(&bytes, arguments.decision_id.as_deref())
        .with_context(|| format!("`{name}`"))
        .map_err(wrong)?;
    let explained = if let Some(record) = record {
        of_record(&record, &policy, &config)?
    } else {
        let bytes = requests::wire(bytes).with_context(|| format!("`{name}`"));
        let bytes = bytes.map_err(wrong)?;
        let offline = Offline::new(&policy, &config, &arguments.keys, arguments.at)?;
        of_request(&Decided::of(&offline, &bytes)?, &policy, &config)?
    };
    match arguments.output {
        Form::Text => print(&explained.text())?,
        Form::Json => print(&serde_json::to_string_pretty(&explained)?)?,
    }
    Ok(ExitCode::SUCCESS)
}

fn of_request(decided: &Decided, policy: &PolicyArguments, config: &Config) -> Result<Explained> {
    let explainer = load::compiled(policy, config, Explainer::new)?.hiding(&redaction(config));
    let input = Value::from_json_str(&decided.input.to_string())?;
    let explanation =
        was_asked(decided.reason).then(|| explainer.explain(&input, &[], reach(config)));
    Ok(Explained {
        decision_id: None,
        decision: decided.answer.as_str(),
        reason: decided.reason.as_str().to_owned(),
        why: explainer.shown(Some(&input), &decided.why),
        revision: explainer.policy().revision().to_owned(),
        entrypoint: explainer.policy().provenance().entrypoint.clone(),
        warnings: Vec::new(),
        explanation,
    })
}

fn of_record(record: &Record, policy: &PolicyArguments, config: &Config) -> Result<Explained> {
    let entrypoint = record.entrypoint.clone();
    let explainer = load::compiled(policy, config, |set, options| {
        let mut options = options.clone();
        if let Some(path) = entrypoint {
            options.entrypoint = Entrypoint::Path(path);
        }
        Explainer::new(set, &options)
    })?;
    let explainer = explainer.hiding(&redaction(config));
    let loaded = explainer.policy();
    let mut warnings = record.other_policy(loaded);
    let mut explained = Explained {
        decision_id: record.decision_id.clone(),
        decision: record.answer.map_or("unknown", Answer::as_str),
        reason: record.reason.clone().unwrap_or_default(),
        why: explainer.shown(record.input.as_ref(), &record.why),
        revision: loaded.revision().to_owned(),
        entrypoint: loaded.provenance().entrypoint.clone(),
        warnings: Vec::new(),
        explanation: None,
    };
    let asked = record.input.as_ref().filter(|_| record.policy_was_asked());
    let Some(input) = asked else {
        warnings.push("the policy was not asked, or the record has no input".to_owned());
        explained.warnings = warnings;
        return Ok(explained);
    };
    let reach = reach(config);
    let outcome = decision(loaded.evaluate(input.clone(), reach.each));
    let answer = Answer::of(&outcome);
    if let Some(recorded) = record.answer.filter(|recorded| *recorded != answer) {
        warnings.push(format!(
            "the record says `{}`, this policy says `{}` of what is in the record",
            recorded.as_str(),
            answer.as_str()
        ));
    }
    if !record.hidden.is_empty() {
        let hidden = record.hidden.len();
        warnings.push(format!(
            "parts of the input are redacted in the record ({hidden}): conditions on them may have held"
        ));
    }
    explained.decision = answer.as_str();
    explained.reason = match &outcome {
        Ok(_) => Reason::Policy.as_str().to_owned(),
        Err(error) => error.reason().as_str().to_owned(),
    };
    explained.why = explainer.shown(Some(input), &why(&outcome));
    explained.warnings = warnings;
    explained.explanation = Some(explainer.explain(input, &record.hidden, reach));
    Ok(explained)
}

fn decision(value: Result<Value, crate::policy::EvalError>) -> Outcome {
    Ok(Decision::parse(&value?)?)
}

fn why(outcome: &Outcome) -> String {
    match outcome {
        Ok(decision) => decision.reason().unwrap_or_default().to_owned(),
        Err(error) => Chain(error).to_string(),
    }
}

/// Whether the policy was asked at all.
fn was_asked(reason: Reason) -> bool {
    match reason {
        Reason::Policy
        | Reason::Undefined
        | Reason::Conflict
        | Reason::MalformedDecision
        | Reason::Evaluation
        | Reason::Budget => true,
        Reason::Token
        | Reason::Request
        | Reason::Overload
        | Reason::NotReady
        | Reason::Internal => false,
    }
}

/// More than a check has: nobody waits here.
fn reach(config: &Config) -> Reach {
    let budget = check_options(config).budget;
    Reach {
        each: Limits {
            time: Duration::from_secs(5),
            instructions: budget.instructions,
            memory: budget.memory,
        },
        all: Duration::from_mins(1),
    }
}

impl Explained {
    fn text(&self) -> String {
        let why = match self.why.as_str() {
            "" => String::new(),
            why => format!(": {why}"),
        };
        let mut lines = Vec::new();
        if let Some(id) = &self.decision_id {
            lines.push(format!("decision {id}"));
        }
        lines.push(format!("{} ({}){why}", self.decision, self.reason));
        lines.push(format!(
            "policy {}, asked for {}",
            self.revision, self.entrypoint
        ));
        for warning in &self.warnings {
            lines.push(format!("warning: {warning}"));
        }
        if let Some(explanation) = &self.explanation {
            lines.push(String::new());
            lines.push(explanation.to_string());
        }
        lines.join("\n")
    }
}

#[expect(clippy::needless_pass_by_value, reason = "what `map_err` takes")]
fn wrong(error: anyhow::Error) -> anyhow::Error {
    anyhow::Error::new(Usage(format!("{error:#}")))
}
