//! `portcullis demo`: the quick-start policy, asked over real gRPC with requests captured from a
//! real Envoy; with `--envoy` a real Envoy in front, to be asked with curl.

mod captures;
mod envoy;

use std::{path::PathBuf, process::ExitCode, time::Instant};

use anyhow::{Context, Result, bail};
use bytes::Bytes;
use clap::Args;
use serde_json::Value;
use tokio::runtime::Builder;
use tonic::{client::Grpc, transport::Channel};

use super::{ConfigArguments, Usage, load, print, requests, table::Table};
use crate::{
    app::{Stopped, build::build, listen, raw::Raw},
    config::Config,
    request::RequestView,
    shutdown,
    sources::file::Files,
    telemetry::log,
};
use envoy::Prepared;

/// Arguments of `demo`.
#[derive(Args, Clone, Debug)]
pub(super) struct Demo {
    /// Address of the gRPC port
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:9191")]
    addr: String,
    /// Address of the admin port
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:8282")]
    admin_addr: String,
    /// Put a real Envoy in front: this binary, else `.tools/envoy` (see `make envoy`) or the PATH's
    #[arg(long, value_name = "PATH", num_args = 0..=1, default_missing_value = "")]
    envoy: Option<PathBuf>,
    /// Port of that Envoy; 0 is any free one
    #[arg(long, value_name = "PORT", default_value_t = 10000)]
    envoy_port: u16,
    /// End after the table instead of serving on
    #[arg(long)]
    once: bool,
}

/// Serves, plays, shows and goes on serving.
pub(super) fn run(arguments: &Demo) -> Result<ExitCode> {
    let config = config(arguments)?;
    let _log =
        log::init(log::Level::Error, log::Format::Text).context("logging cannot be set up")?;
    let runtime = Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(demonstrate(arguments, &config))
}

async fn demonstrate(arguments: &Demo, config: &Config) -> Result<ExitCode> {
    let envoy = arguments.envoy.as_deref();
    let envoy = envoy
        .map(|binary| Prepared::new(binary, arguments.envoy_port))
        .transpose()?;
    let running = build(config, Files::default())
        .await
        .context("the demo does not start (`--addr` and `--admin-addr` choose its ports)")?;
    let listen::Bound::Tcp(address) = running.bound().grpc() else {
        bail!(Usage("the demo serves on a TCP address".to_owned()));
    };
    let address = *address;
    let admin = running.bound().admin().to_string();
    let (trigger, stop) = shutdown::channel();
    let serving = tokio::spawn(running.run(stop));
    // Before there is an Envoy that a signal would leave behind.
    let on_signals = trigger.clone();
    tokio::spawn(async move { on_signals.on_signals().await });
    print(&play(&address.to_string()).await?.to_string())?;
    let envoy = match envoy {
        Some(envoy) => Some(envoy.start(address.port()).await?),
        None => None,
    };
    if let Some(envoy) = &envoy {
        print(&envoy.invitation())?;
    }
    if arguments.once {
        trigger.graceful();
    } else {
        print(&format!(
            "\nserving checks on {address}, metrics and health on http://{admin} until Ctrl-C"
        ))?;
    }
    Ok(match serving.await? {
        Stopped::Drained => ExitCode::SUCCESS,
        Stopped::TimedOut | Stopped::AtOnce => ExitCode::FAILURE,
    })
}

/// The configuration of a demo: nothing waits for load balancers here, and a busy machine or a
/// debug build is no reason to answer with a time-out.
fn config(arguments: &Demo) -> Result<Config> {
    load::config(&ConfigArguments {
        set: vec![
            format!("plugins.envoy_ext_authz_grpc.addr={}", arguments.addr),
            "plugins.envoy_ext_authz_grpc.enable-reflection=true".to_owned(),
            format!("portcullis.admin.addr={}", arguments.admin_addr),
            "portcullis.shutdown.grace=0s".to_owned(),
            "portcullis.budget=1s".to_owned(),
        ],
        ..ConfigArguments::default()
    })
}

/// Asks the server about every captured request, twice, and shows the second answer: the first one
/// pays for the connection.
async fn play(address: &str) -> Result<Table<6>> {
    let channel = Channel::from_shared(format!("http://{address}"))?
        .connect()
        .await?;
    let mut client = Grpc::new(channel);
    let mut table = Table::new(["CALLER", "REQUEST", "VERDICT", "STATUS", "REASON", "TIME"]);
    for (name, request) in captures::ALL {
        let mut answered = None;
        for _ in 0..2 {
            client.ready().await?;
            let began = Instant::now();
            let request = tonic::Request::new(Bytes::from_static(request));
            let answer = client
                .unary(request, CHECK.parse()?, Raw)
                .await?
                .into_inner();
            answered = Some((answer, began.elapsed()));
        }
        let (answer, elapsed) = answered.with_context(|| format!("no answer about `{name}`"))?;
        let verdict = Verdict::of(&requests::response_json(&answer)?);
        let (caller, asked) = asked(request)?;
        let time = format!("{} µs", elapsed.as_micros());
        table.row([
            caller,
            asked,
            verdict.word,
            verdict.status,
            verdict.reason,
            time,
        ]);
    }
    Ok(table)
}

/// Who asked for what.
fn asked(request: &[u8]) -> Result<(String, String)> {
    let view = RequestView::parse(request)?;
    let caller = match view.source_principal() {
        "" => "(no identity)".to_owned(),
        principal => principal.trim_start_matches("spiffe://").to_owned(),
    };
    let asked = match view.http() {
        Some(http) => format!("{} {}", http.method(), http.path()),
        None => format!(
            "TCP to port {}",
            view.destination_port().unwrap_or_default()
        ),
    };
    Ok((caller, asked))
}

struct Verdict {
    word: String,
    status: String,
    reason: String,
}

impl Verdict {
    fn of(response: &Value) -> Self {
        let at = |pointer| response.pointer(pointer);
        let allowed = at("/status/code")
            .and_then(Value::as_u64)
            .unwrap_or_default()
            == 0;
        let status = at("/deniedResponse/status/code").and_then(Value::as_str);
        let status = status.and_then(|name| STATUS_NAMES.iter().find(|(known, _)| *known == name));
        let headers = at("/deniedResponse/headers").and_then(Value::as_array);
        let reason = headers.into_iter().flatten().find_map(|option| {
            let text = |pointer| option.pointer(pointer)?.as_str();
            (text("/header/key")? == "x-portcullis-reason").then(|| text("/header/value"))?
        });
        Self {
            word: if allowed { "ALLOWED" } else { "DENIED" }.to_owned(),
            status: status.map_or_else(String::new, |(_, code)| code.to_string()),
            reason: reason.unwrap_or_default().to_owned(),
        }
    }
}

const CHECK: &str = "/envoy.service.auth.v3.Authorization/Check";
/// The statuses of the quick start, as proto JSON names them.
const STATUS_NAMES: [(&str, u16); 3] = [
    ("BadRequest", 400),
    ("Unauthorized", 401),
    ("Forbidden", 403),
];
