//! The command line of the measurements.

use std::{path::PathBuf, time::Duration};

use clap::Parser;
use http::Uri;

use crate::{
    open::{Class, Pace},
    setting::Setting,
};

/// Measures servers under load on loopback, and with `open` any `ext_authz` server.
#[derive(Parser)]
pub(crate) struct Arguments {
    /// What to measure: no-op, token, kids, overload, isolation, soak, console, sinks, open. Without a
    /// name all but open, and not the soak unless briefly
    pub(crate) names: Vec<String>,
    /// Once and briefly
    #[arg(long)]
    pub(crate) test: bool,
    /// open: the server, `http://HOST:PORT`
    #[arg(long)]
    pub(crate) target: Option<Uri>,
    /// open, isolation, sinks: checks a second
    #[arg(long)]
    pub(crate) rate: Option<f64>,
    /// open, overload, isolation, console, sinks: how long one window of load lasts
    #[arg(long, value_parser = time_span)]
    pub(crate) duration: Option<Duration>,
    /// HTTP/2 connections
    #[arg(long, default_value_t = 4)]
    pub(crate) connections: usize,
    /// Checks that may be outstanding on one connection; what comes then is not sent, and counted
    #[arg(long, default_value_t = 1024)]
    pub(crate) outstanding: usize,
    /// open: a `CheckRequest` as bytes; without it one that was recorded
    #[arg(long)]
    pub(crate) request: Option<PathBuf>,
    /// How long a check may take for its caller, sent as `grpc-timeout`
    #[arg(long, value_parser = time_span, default_value = "200ms")]
    pub(crate) timeout: Duration,
    /// open: what every check must be answered
    #[arg(long, value_enum)]
    pub(crate) expect: Option<Class>,
    /// How the generator waits; without it as suits the cores of the server
    #[arg(long, value_enum)]
    pub(crate) pace: Option<Pace>,
    /// isolation, console, sinks: rounds of windows
    #[arg(long)]
    pub(crate) rounds: Option<usize>,
    /// soak: how long
    #[arg(long)]
    pub(crate) minutes: Option<u64>,
    /// overload, isolation, soak, console, sinks: how a server is run, each a row of what is compared:
    /// `NAME [threads=N] [cores=LIST] [CONFIG.KEY=VALUE]...`
    #[arg(long = "row")]
    pub(crate) rows: Vec<Setting>,
    /// What cargo passes.
    #[arg(long, hide = true)]
    bench: bool,
    /// Serve instead of measuring: the server beside portcullis.
    #[arg(long, hide = true)]
    pub(crate) serve_typed: bool,
}

impl Arguments {
    /// How long a check may take where every one must be allowed: briefly, much longer than any noise.
    pub(crate) fn patience(&self) -> Duration {
        if self.test {
            Duration::from_secs(10)
        } else {
            self.timeout
        }
    }

    /// The rows, of which there is at least one.
    pub(crate) fn rows(&self) -> Vec<Setting> {
        if self.rows.is_empty() {
            vec![Setting::default()]
        } else {
            self.rows.clone()
        }
    }
}

/// A number and its unit.
fn time_span(text: &str) -> Result<Duration, String> {
    let units = [("ms", 1e-3), ("s", 1.0), ("m", 60.0)];
    units
        .into_iter()
        .find_map(|(unit, seconds)| {
            let number: f64 = text.strip_suffix(unit)?.parse().ok()?;
            Duration::try_from_secs_f64(number * seconds).ok()
        })
        .ok_or_else(|| "want a number and `ms`, `s` or `m`".to_owned())
}
