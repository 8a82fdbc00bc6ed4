//! `portcullis observe`: the decisions of a running gate, for people and for scripts.
//!
//! Shows the newest 20 and ends; with `--follow`, those that are made from now on, until it is
//! interrupted. The gate does the filtering. Promises that nothing a request says reaches the terminal
//! as anything but text.

mod line;
mod since;

use std::{
    future::pending,
    io::{self, IsTerminal as _, Write as _},
    process::ExitCode,
};

use anyhow::{Context as _, Result};
use clap::{Args, builder::PossibleValuesParser};
use tokio::runtime::Builder;
use tonic::{Code, Status, Streaming};

use self::{
    line::{Lines, Output},
    since::Since,
};
use super::{
    Usage, complain,
    gate::{Gate, TlsArguments},
    load,
};
use crate::{
    clock::Clock,
    config::ListenAddr,
    observe::{
        DEFAULT_ADDRESS,
        proto::{
            Filter, ObserveRequest, ObserveResponse, observe_response::Event,
            observer_client::ObserverClient,
        },
    },
    outcome::{Answer, Reason},
};

/// Arguments of `observe`. Those that `hubble observe` has keep its names.
#[derive(Args, Clone, Debug)]
pub(super) struct Observe {
    /// Where the gate shows decisions, as its `portcullis.observe.addr`: `host:port` or `unix:///path`;
    /// default: the variable `PORTCULLIS_OBSERVE_SERVER`, else `127.0.0.1:9292`
    #[arg(long, value_name = "ADDR")]
    server: Option<String>,
    #[command(flatten)]
    tls: TlsArguments,
    #[command(flatten)]
    filter: FilterArguments,
    /// Only what was decided since then: so long ago, as in `5m`, or a time, as in
    /// `2026-01-31T12:00:00Z`
    #[arg(long, value_name = "TIME")]
    since: Option<Since>,
    /// Only so many of the newest; default 20, or with `--since` all, or with `--follow` none
    #[arg(long, value_name = "N")]
    last: Option<u32>,
    /// Go on with what is decided from now on
    #[arg(short, long)]
    follow: bool,
    /// What to show of each
    #[arg(short, long, value_enum, default_value_t)]
    output: Output,
}

/// Which decisions; of several values of one kind, one is enough. In patterns `*` is any run of
/// characters.
#[derive(Args, Clone, Debug)]
struct FilterArguments {
    /// Only what was denied
    #[arg(long)]
    denied: bool,
    /// Only what was allowed
    #[arg(long)]
    allowed: bool,
    /// Only what could not be decided
    #[arg(long)]
    error: bool,
    /// Only these outcomes
    #[arg(long, value_name = "OUTCOME", value_delimiter = ',', value_parser = outcomes())]
    outcome: Vec<String>,
    /// Only these reasons
    #[arg(long, value_name = "REASON", value_delimiter = ',', value_parser = reasons())]
    reason: Vec<String>,
    /// Only these callers: SPIFFE IDs, or `namespace/account` as in `shop/*`
    #[arg(long, value_name = "GLOB")]
    caller: Vec<String>,
    /// Only these paths, without their query
    #[arg(long, value_name = "GLOB")]
    path: Vec<String>,
    /// Only these hosts
    #[arg(long, value_name = "GLOB")]
    host: Vec<String>,
}

fn outcomes() -> PossibleValuesParser {
    PossibleValuesParser::new(ANSWERS.map(Answer::as_str))
}

fn reasons() -> PossibleValuesParser {
    PossibleValuesParser::new(Reason::ALL.map(Reason::as_str))
}

/// Asks, and shows what comes until it ends.
pub(super) fn run(arguments: &Observe) -> Result<ExitCode> {
    let gate = gate(arguments)?;
    let request = request(arguments);
    let runtime = Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        tokio::select! {
            shown = observe(&gate, request, arguments.output) => shown?,
            () = interrupted() => (),
        }
        Ok(ExitCode::SUCCESS)
    })
}

fn gate(arguments: &Observe) -> Result<Gate> {
    let given = arguments.server.clone();
    let address = given
        .or_else(|| load::environment(VARIABLE))
        .filter(|address| !address.is_empty());
    let address = address.as_deref().unwrap_or(DEFAULT_ADDRESS);
    match address.parse().map_err(load::usage)? {
        ListenAddr::Abstract(_) => {
            let text = format!("decisions are never shown at an abstract name as `{address}`");
            Err(Usage(text).into())
        }
        listens @ (ListenAddr::Tcp { .. } | ListenAddr::Unix(_)) => {
            Gate::new(listens, &arguments.tls)
        }
    }
}

fn request(arguments: &Observe) -> ObserveRequest {
    let Observe {
        filter,
        since,
        last,
        follow,
        ..
    } = arguments;
    let usual = match (since, follow) {
        (Some(_), _) => None,
        (None, true) => Some(0),
        (None, false) => Some(USUAL),
    };
    ObserveRequest {
        since: since.as_ref().map(|since| since.at(Clock::System.now())),
        last: last.or(usual),
        follow: *follow,
        filter: Some(filter.filter()),
    }
}

impl FilterArguments {
    fn filter(&self) -> Filter {
        let mut outcome = self.outcome.clone();
        let flags = [self.allowed, self.denied, self.error];
        for (answer, asked) in ANSWERS.iter().zip(flags) {
            if asked {
                outcome.push(answer.as_str().to_owned());
            }
        }
        Filter {
            outcome,
            reason: self.reason.clone(),
            caller: self.caller.clone(),
            path: self.path.clone(),
            host: self.host.clone(),
        }
    }
}

async fn observe(gate: &Gate, request: ObserveRequest, output: Output) -> Result<()> {
    let follows = request.follow;
    let mut client = ObserverClient::new(gate.connect().await?);
    let answer = client.observe(request).await;
    let stream = answer.map_err(|status| refused(gate, &status))?;
    let colours = io::stdout().is_terminal() && load::environment("NO_COLOR").is_none();
    let lines = Lines::new(output, colours);
    let shown = if follows {
        show(gate, stream.into_inner(), lines).await
    } else {
        show_all(gate, stream.into_inner(), lines).await
    };
    match shown {
        // Whoever read has seen enough.
        Err(error) if is_closed(&error) => Ok(()),
        shown => shown,
    }
}

/// Shows everything at once, in columns that fit it.
async fn show_all(
    gate: &Gate,
    mut stream: Streaming<ObserveResponse>,
    mut lines: Lines,
) -> Result<()> {
    let mut decisions = Vec::new();
    while let Some(response) = next(gate, &mut stream).await? {
        if let Some(Event::Decision(decision)) = response.event {
            lines.fit(&decision);
            decisions.push(decision);
        }
    }
    if let Some(header) = lines.header() {
        write(&header)?;
    }
    for decision in &decisions {
        write(&lines.decision(decision)?)?;
    }
    Ok(())
}

/// Shows each when it comes.
async fn show(gate: &Gate, mut stream: Streaming<ObserveResponse>, mut lines: Lines) -> Result<()> {
    if let Some(header) = lines.header() {
        write(&header)?;
    }
    while let Some(response) = next(gate, &mut stream).await? {
        match response.event {
            Some(Event::Decision(decision)) => write(&lines.decision(&decision)?)?,
            Some(Event::Lost(count)) => match lines.lost(count) {
                Some(line) => write(&line)?,
                None => complain(&format!(
                    "note: {count} decisions are missing here: they came too fast"
                )),
            },
            // A newer gate tells more.
            None => (),
        }
    }
    Ok(())
}

async fn next(
    gate: &Gate,
    stream: &mut Streaming<ObserveResponse>,
) -> Result<Option<ObserveResponse>> {
    stream.message().await.map_err(|status| gone(gate, &status))
}

fn write(line: &str) -> io::Result<()> {
    writeln!(io::stdout().lock(), "{line}")
}

fn is_closed(error: &anyhow::Error) -> bool {
    let error = error.downcast_ref::<io::Error>();
    error.is_some_and(|error| error.kind() == io::ErrorKind::BrokenPipe)
}

/// The gate does not begin.
fn refused(gate: &Gate, status: &Status) -> anyhow::Error {
    let said = line::plain(status.message());
    let code = status.code();
    if code == Code::InvalidArgument {
        Usage(said.into_owned()).into()
    } else if code == Code::Unimplemented {
        anyhow::anyhow!("`{gate}` is not where a gate shows decisions")
    } else {
        anyhow::anyhow!("the gate at `{gate}` does not answer: {said}")
    }
}

/// The gate has begun, and does not go on.
fn gone(gate: &Gate, status: &Status) -> anyhow::Error {
    let said = line::plain(status.message());
    anyhow::anyhow!("the gate at `{gate}` is gone: {said}")
}

/// Waits for Ctrl-C; for ever where that cannot be waited for, and then it ends the process.
async fn interrupted() {
    if let Err(error) = tokio::signal::ctrl_c().await.context("no signals") {
        complain(&format!("note: {error:#}"));
        pending::<()>().await;
    }
}

const ANSWERS: [Answer; 3] = [Answer::Allowed, Answer::Denied, Answer::Error];
/// The address, where no argument gives it.
const VARIABLE: &str = "PORTCULLIS_OBSERVE_SERVER";
/// How many are shown when nothing is said of it.
const USUAL: u32 = 20;
