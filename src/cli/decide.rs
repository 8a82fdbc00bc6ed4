//! `portcullis decide`: saved CheckRequests against a policy, offline, by the same code that serves.

use std::{path::PathBuf, process::ExitCode, time::Duration};

use anyhow::{Context, Result};
use clap::{Args, ValueEnum};
use serde_json::{Value, json};

use super::{ConfigArguments, PolicyArguments, load, print, requests, table::Table};
use crate::{
    app::build::{check_options, input_options},
    check::{self, Active, budget::Budget},
    clock::Clock,
    config::Config,
    decision::Decision,
    identity::Identity,
    input::{self, Plan},
    outcome::{Answer, Chain, CheckError, Outcome, Reason},
    request::RequestView,
    response::{Reply, respond},
};

/// Arguments of `decide`.
#[derive(Args, Clone, Debug)]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag of its own")]
pub(super) struct Decide {
    /// Saved CheckRequests: wire bytes, proto JSON or captures; `-` reads one from standard input
    #[arg(value_name = "REQUESTS", required = true)]
    requests: Vec<PathBuf>,
    /// Rego files, data files, bundle archives and folders of them; none: the embedded default
    #[arg(short, long, value_name = "PATH")]
    policy: Vec<String>,
    /// Read modules without `import rego.v1` as Rego v0
    #[arg(long)]
    v0_compatible: bool,
    #[command(flatten)]
    config: ConfigArguments,
    /// Show the input document that the policy saw
    #[arg(long)]
    input: bool,
    /// Show the CheckResponse
    #[arg(long)]
    response: bool,
    /// Print JSON, one object a request
    #[arg(long)]
    json: bool,
    /// Fail unless every verdict is this one
    #[arg(long, value_name = "VERDICT")]
    expect: Option<Expected>,
}

/// What `--expect` may expect.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum Expected {
    Allowed,
    Denied,
}

impl Expected {
    fn is(self, answer: Answer) -> bool {
        match self {
            Self::Allowed => answer == Answer::Allowed,
            Self::Denied => answer != Answer::Allowed,
        }
    }
}

/// Decides every request and shows what came out.
pub(super) fn run(arguments: &Decide) -> Result<ExitCode> {
    let config = load::config(&arguments.config)?;
    let policy = PolicyArguments {
        paths: arguments.policy.clone(),
        v0_compatible: arguments.v0_compatible,
        ..PolicyArguments::default()
    };
    let options = input_options(&config).map_err(load::usage)?;
    let active = Active::new(load::policy(&policy, &config)?, &options);
    let mut verdicts = Table::new(["VERDICT", "STATUS", "REASON", "TIME", "REQUEST", ""]);
    let mut unexpected = false;
    for path in &arguments.requests {
        let name = path.display().to_string();
        let bytes = requests::read(path).with_context(|| format!("cannot read `{name}`"))?;
        let decided = Decided::of(&active, &bytes, &config, &options)?;
        unexpected |= arguments.expect.is_some_and(|e| !e.is(decided.answer));
        if arguments.json {
            print(&decided.json(&name, arguments).to_string())?;
            continue;
        }
        verdicts.row(decided.row(name));
        for (title, shown, value) in [
            ("input", arguments.input, &decided.input),
            ("response", arguments.response, &decided.response),
        ] {
            if shown {
                verdicts.below(&format!("{title} {}", serde_json::to_string_pretty(value)?));
            }
        }
    }
    if !arguments.json {
        print(&verdicts.to_string())?;
    }
    Ok(ExitCode::from(u8::from(unexpected)))
}

/// One request and all that came out of it.
struct Decided {
    answer: Answer,
    reason: Reason,
    status: Option<u16>,
    /// The policy's own reason, or the error with its causes.
    why: String,
    elapsed: Duration,
    input: Value,
    response: Value,
}

impl Decided {
    fn of(
        active: &Active,
        bytes: &[u8],
        config: &Config,
        options: &input::Options,
    ) -> Result<Self> {
        let check = check_options(config);
        let mut budget = Budget::offline(&check.budget, Clock::System);
        let view = RequestView::parse(bytes);
        let outcome: Outcome = match &view {
            Ok(view) => check::decide(active, view, &mut budget),
            Err(error) => Err((*error).into()),
        };
        let elapsed = budget.elapsed();
        let response = match respond(&outcome, OFFLINE, &check.response) {
            Reply::Response(bytes) => requests::response_json(&bytes)?,
            Reply::GrpcError { code, message } => {
                json!({"grpc_error": format!("{code}: {message}")})
            }
        };
        let input = view.ok().map(|view| document(&view, options));
        Ok(Self {
            answer: Answer::of(&outcome),
            reason: outcome
                .as_ref()
                .map_or_else(CheckError::reason, |_| Reason::Policy),
            status: match &outcome {
                Ok(Decision::Allow(_)) => None,
                Ok(Decision::Deny(denial)) => Some(denial.http_status().get()),
                Err(error) => Some(error.http_status()),
            },
            why: match &outcome {
                Ok(decision) => decision.reason().unwrap_or_default().to_owned(),
                Err(error) => Chain(error).to_string(),
            },
            elapsed,
            input: input.unwrap_or_default(),
            response,
        })
    }

    fn row(&self, name: String) -> [String; 6] {
        [
            self.answer.as_str().to_uppercase(),
            self.status
                .map(|status| status.to_string())
                .unwrap_or_default(),
            self.reason.as_str().to_owned(),
            format!("{} µs", self.elapsed.as_micros()),
            name,
            self.why.clone(),
        ]
    }

    fn json(&self, name: &str, arguments: &Decide) -> Value {
        let mut json = json!({
            "request": name,
            "outcome": self.answer.as_str(),
            "http_status": self.status,
            "reason": self.reason.as_str(),
            "why": self.why,
            "duration_us": u64::try_from(self.elapsed.as_micros()).unwrap_or(u64::MAX),
        });
        for (key, shown, value) in [
            ("input", arguments.input, &self.input),
            ("response", arguments.response, &self.response),
        ] {
            if shown && let Some(fields) = json.as_object_mut() {
                fields.insert(key.to_owned(), value.clone());
            }
        }
        json
    }
}

/// The full document, whatever the policy reads of it.
fn document(view: &RequestView<'_>, options: &input::Options) -> Value {
    let identity = Identity::from_principal(view.source_principal());
    match Plan::everything(options).build(view, &identity) {
        Ok(document) => serde_json::to_value(document).unwrap_or_default(),
        Err(error) => json!({"error": Chain(&error).to_string()}),
    }
}

/// Stands where a served check has its decision id.
const OFFLINE: &str = "00000000-0000-0000-0000-000000000000";
