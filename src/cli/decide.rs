//! `portcullis decide`: saved CheckRequests against a policy, offline, by the same code that serves.

use std::{
    fs,
    path::{Path, PathBuf},
    process::ExitCode,
    sync::Arc,
    time::Duration,
};

use anyhow::{Context, Result};
use clap::{Args, ValueEnum};
use serde_json::{Value, json};

use super::{
    ConfigArguments, PolicyArguments, load, print, requests, signing::VerificationArguments,
    table::Table,
};
use crate::{
    app::build::{self, check_options, input_options},
    chain::Chain,
    check::{self, Active, Callers, budget::Budget},
    clock::Clock,
    config::Config,
    decision::Decision,
    identity::{
        Identity,
        jwt::{KeySet, ProviderKeys},
    },
    input::{self, Plan},
    outcome::{Answer, CheckError, Reason},
    policy::Externals,
    request::RequestView,
    response::{Reply, respond},
    sources::jwks::Kind,
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
    verification: VerificationArguments,
    #[command(flatten)]
    config: ConfigArguments,
    /// Key set of a token provider whose keys come over HTTP
    #[arg(long, value_name = "PROVIDER=FILE")]
    keys: Vec<String>,
    /// Judge tokens as of this time, in seconds since the Unix epoch; default: now
    #[arg(long, value_name = "SECONDS")]
    at: Option<u64>,
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
        verification: arguments.verification.clone(),
        ..PolicyArguments::default()
    };
    let offline = Offline::new(&policy, &config, &arguments.keys, arguments.at)?;
    let mut verdicts = Table::new(["VERDICT", "STATUS", "REASON", "TIME", "REQUEST", ""]);
    let mut unexpected = false;
    for path in &arguments.requests {
        let name = path.display().to_string();
        let bytes = requests::read(path).with_context(|| format!("cannot read `{name}`"))?;
        let decided = Decided::of(&offline, &bytes)?;
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
pub(super) struct Decided {
    pub(super) answer: Answer,
    pub(super) reason: Reason,
    status: Option<u16>,
    /// The policy's own reason, or the error with its causes.
    pub(super) why: String,
    elapsed: Duration,
    /// The full document, whatever the policy reads of it.
    pub(super) input: Value,
    response: Value,
}

/// What requests are decided by.
pub(super) struct Offline {
    active: Active,
    callers: Callers,
    check: check::Options,
    clock: Clock,
    input: input::Options,
}

impl Offline {
    /// As the configuration has it; tokens are judged as of `at`, with `keys` for the providers whose
    /// keys come over HTTP.
    pub(super) fn new(
        policy: &PolicyArguments,
        config: &Config,
        keys: &[String],
        at: Option<u64>,
    ) -> Result<Self> {
        let options = input_options(config).map_err(load::usage)?;
        Ok(Self {
            active: Active::new(load::policy(policy, config)?, &options),
            callers: callers(config, keys)?,
            check: check_options(config),
            clock: at.map_or(Clock::System, |at| Clock::AsOf(Duration::from_secs(at))),
            input: options,
        })
    }
}

/// The providers of the configuration, with the keys that need no network.
fn callers(config: &Config, keys: &[String]) -> Result<Callers> {
    let callers = build::callers(config);
    let use_keys = |provider, set| {
        let keys = ProviderKeys {
            set: Some(set),
            usable_until: None,
        };
        callers.tokens.keys().set(provider, keys);
    };
    for (provider, source) in config.portcullis.jwt.sources.iter().enumerate() {
        match &source.kind {
            Kind::Inline(set) => use_keys(provider, Arc::clone(set)),
            Kind::File(file) => use_keys(provider, key_set(file)?),
            Kind::Uri(_) | Kind::Discovery { .. } | Kind::Secret => {}
        }
    }
    for argument in keys {
        let (name, file) = argument
            .split_once('=')
            .with_context(|| format!("`--keys {argument}` is not of the form `PROVIDER=FILE`"))?;
        let mut providers = callers.tokens.providers().iter();
        let at = providers
            .position(|provider| &*provider.name == name)
            .with_context(|| format!("`--keys`: there is no provider `{name}`"))?;
        use_keys(at, key_set(Path::new(file))?);
    }
    Ok(callers)
}

fn key_set(file: &Path) -> Result<Arc<KeySet>> {
    let name = file.display();
    let json = fs::read(file).with_context(|| format!("cannot read `{name}`"))?;
    let set = KeySet::parse(&json).with_context(|| format!("`{name}`"))?;
    Ok(Arc::new(set))
}

impl Decided {
    /// Decides the request of these wire bytes.
    pub(super) fn of(offline: &Offline, bytes: &[u8]) -> Result<Self> {
        let mut budget = Budget::offline(&offline.check.budget, offline.clock);
        let view = RequestView::parse(bytes);
        let outcome = match &view {
            Ok(view) => {
                check::decide(
                    &offline.active,
                    &offline.callers,
                    view,
                    &mut Externals::default(),
                    &mut budget,
                )
                .outcome
            }
            Err(error) => Err((*error).into()),
        };
        let elapsed = budget.elapsed();
        let response = match respond(&outcome, OFFLINE, &offline.check.response) {
            Reply::Response(bytes) => requests::response_json(&bytes)?,
            Reply::GrpcError { code, message } => {
                json!({"grpc_error": format!("{code}: {message}")})
            }
        };
        let input = view.ok().map(|view| document(&view, offline));
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
fn document(view: &RequestView<'_>, offline: &Offline) -> Value {
    let identity = Identity::of(view, offline.callers.xfcc);
    let token = offline.callers.tokens.present(view, offline.clock.now());
    let token = token.token.as_ref().map(|verified| &verified.document);
    let plan = Plan::everything(&offline.input);
    match plan.build(view, &identity, token.map_err(|error| *error)) {
        Ok(document) => serde_json::to_value(document).unwrap_or_default(),
        Err(error) => json!({"error": Chain(&error).to_string()}),
    }
}

/// Stands where a served check has its decision id.
const OFFLINE: &str = "00000000-0000-0000-0000-000000000000";
