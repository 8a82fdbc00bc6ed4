//! `portcullis health`: asks a gate by `grpc.health.v1` whether it serves, for container health checks
//! and `exec` probes: an image needs no other binary for them.
//!
//! Promises an answer within `--timeout`, and success only for a gate that said SERVING.

use std::{
    net::{Ipv4Addr, Ipv6Addr},
    process::ExitCode,
    time::Duration,
};

use anyhow::{Context as _, Result, bail};
use clap::Args;
use tokio::{runtime::Builder, time::timeout};
use tonic::Code;
use tonic_health::pb::{
    HealthCheckRequest, health_check_response::ServingStatus, health_client::HealthClient,
};

use super::{
    ConfigArguments, Usage,
    gate::{Gate, TlsArguments},
    load, print,
};
use crate::config::{ListenAddr, parse_duration};

/// Arguments of `health`.
#[derive(Args, Clone, Debug)]
pub(super) struct Health {
    /// Where the gate answers checks, as its `plugins.envoy_ext_authz_grpc.addr`: `host:port`,
    /// `unix:///path` or `unix://@name`; default: the variable `PORTCULLIS_HEALTH_ADDR`, else what the
    /// configuration says, else this machine's port 9191
    #[arg(long, value_name = "ADDR")]
    addr: Option<String>,
    #[command(flatten)]
    config: ConfigArguments,
    /// Ask for this service, as in `envoy.service.auth.v3.Authorization`; default: the gate as a whole
    #[arg(
        long,
        value_name = "NAME",
        default_value = "",
        hide_default_value = true
    )]
    service: String,
    /// How long the answer may take
    #[arg(long, value_name = "TIME", default_value = "1s", value_parser = span)]
    timeout: Duration,
    #[command(flatten)]
    tls: TlsArguments,
}

fn span(text: &str) -> Result<Duration, &'static str> {
    let span = parse_duration(text).filter(|span| !span.is_zero());
    span.ok_or("write a number and one of `us`, `ms`, `s`, `m`, `h`, such as `500ms`")
}

/// Asks once; a gate that does not serve is an error.
pub(super) fn run(arguments: &Health) -> Result<ExitCode> {
    let gate = Gate::new(address(arguments)?, &arguments.tls)?;
    let runtime = Builder::new_current_thread().enable_all().build()?;
    let asked = runtime.block_on(async {
        let asking = ask(&gate, arguments.service.clone());
        timeout(arguments.timeout, asking).await
    });
    // A name that is still being looked up holds nobody up.
    runtime.shutdown_background();
    let told = asked.map_err(|_| {
        let limit = arguments.timeout;
        anyhow::anyhow!("the gate at `{gate}` has not answered within {limit:?}")
    });
    let status = told??;
    if status != ServingStatus::Serving {
        bail!("the gate at `{gate}` is {}", status.as_str_name());
    }
    print(status.as_str_name())?;
    Ok(ExitCode::SUCCESS)
}

async fn ask(gate: &Gate, service: String) -> Result<ServingStatus> {
    let mut client = HealthClient::new(gate.connect().await?);
    let answer = client.check(HealthCheckRequest {
        service: service.clone(),
    });
    match answer.await {
        Ok(response) => Ok(response.get_ref().status()),
        Err(status) if status.code() == Code::NotFound => {
            bail!("the gate at `{gate}` has no service `{service}`")
        }
        Err(status) if status.code() == Code::Unimplemented => {
            bail!("what answers at `{gate}` knows no health checks")
        }
        Err(status) => Err(status).with_context(|| format!("the gate at `{gate}` does not answer")),
    }
}

fn address(arguments: &Health) -> Result<ListenAddr> {
    let given = arguments.addr.clone();
    let given = given
        .or_else(|| load::environment(VARIABLE))
        .filter(|address| !address.is_empty());
    if let Some(address) = given {
        return Ok(from_here(address.parse().map_err(load::usage)?));
    }
    let config = load::config(&arguments.config)?;
    if config.portcullis.tls.is_some() && !arguments.tls.is_given() {
        let text = "the configuration has `portcullis.tls`: say with `--tls-ca` whom to trust";
        return Err(Usage(text.to_owned()).into());
    }
    Ok(from_here(config.plugin.addr))
}

/// Every interface is where a server listens; the loopback one is where a client on the same machine
/// reaches it. No names: an image has no hosts file of its own.
fn from_here(listens: ListenAddr) -> ListenAddr {
    match listens {
        ListenAddr::Tcp { host, port } => {
            let host = if host.is_empty() || host == Ipv4Addr::UNSPECIFIED.to_string() {
                Ipv4Addr::LOCALHOST.to_string()
            } else if host == Ipv6Addr::UNSPECIFIED.to_string() {
                Ipv6Addr::LOCALHOST.to_string()
            } else {
                host
            };
            ListenAddr::Tcp { host, port }
        }
        socket @ (ListenAddr::Unix(_) | ListenAddr::Abstract(_)) => socket,
    }
}

/// The address, where no argument gives it.
const VARIABLE: &str = "PORTCULLIS_HEALTH_ADDR";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_on_every_interface_is_asked_on_the_loopback_one() {
        for (listens, asked) in [
            (":9191", "127.0.0.1:9191"),
            ("0.0.0.0:1", "127.0.0.1:1"),
            ("[::]:1", "[::1]:1"),
            ("10.0.0.1:1", "10.0.0.1:1"),
            ("gate.authz:1", "gate.authz:1"),
            ("unix:///run/gate.sock", "unix:///run/gate.sock"),
            ("unix://@gate", "unix://@gate"),
        ] {
            let listens = listens.parse().unwrap();
            assert_eq!(from_here(listens).to_string(), asked);
        }
    }

    #[test]
    fn a_timeout_is_a_span_that_passes() {
        assert_eq!(span("1.5s"), Ok(Duration::from_millis(1500)));
        for wrong in ["", "1", "0s", "0", "-1s", "soon"] {
            assert!(span(wrong).is_err(), "{wrong}");
        }
    }
}
