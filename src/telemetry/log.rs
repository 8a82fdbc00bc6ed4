//! The process log: `tracing` to standard error, as OPA's `--log-level` and `--log-format` say.
//!
//! Lines are written by a thread of their own. When nobody reads standard error, so many wait and the
//! rest is dropped and counted: a log that is not read holds nothing up.

use std::{
    fmt,
    io::{self, IsTerminal},
    str::FromStr,
    sync::OnceLock,
};

use tracing::{Event, Subscriber, level_filters::LevelFilter};
use tracing_appender::non_blocking::{ErrorCounter, NonBlockingBuilder, WorkerGuard};
use tracing_subscriber::{
    Layer,
    filter::Targets,
    fmt::{
        FmtContext, FormatEvent, FormatFields, MakeWriter,
        format::{Format as LineFormat, Json, JsonFields, Writer},
    },
    layer::SubscriberExt,
    registry::LookupSpan,
    util::{SubscriberInitExt, TryInitError},
};

/// How much is logged.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Level {
    /// Allows too.
    Debug,
    /// Denials, errors and what happens to the server.
    #[default]
    Info,
    /// Only what needs somebody.
    Error,
}

/// How a line looks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Format {
    /// A JSON object a line.
    #[default]
    Json,
    /// A JSON object over several lines.
    JsonPretty,
    /// For people.
    Text,
}

/// A level or format that is none of the known ones.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{given}` is not one of {known}")]
pub struct UnknownName {
    given: String,
    known: &'static str,
}

/// The log of this process for as long as this lives; what still waits is written when it is dropped.
#[derive(Debug)]
#[must_use = "the log ends when this is dropped"]
pub struct Guard {
    _writing: WorkerGuard,
}

/// Sends the log of this process to standard error. Fails when there is a log already.
pub fn init(level: Level, format: Format) -> Result<Guard, TryInitError> {
    let colour = io::stderr().is_terminal();
    let (writer, writing) = NonBlockingBuilder::default()
        .lossy(true)
        .buffered_lines_limit(MAX_WAITING)
        .thread_name("log")
        .finish(io::stderr());
    let dropped = writer.error_counter();
    subscriber(level, format, colour, writer).try_init()?;
    // The first and only log.
    let _first = DROPPED.set(dropped);
    Ok(Guard { _writing: writing })
}

/// How many lines of this process' log were dropped, because too many waited.
pub fn dropped_lines() -> u64 {
    let dropped = DROPPED.get().map(ErrorCounter::dropped_lines);
    dropped.map_or(0, |lines| u64::try_from(lines).unwrap_or(u64::MAX))
}

static DROPPED: OnceLock<ErrorCounter> = OnceLock::new();
/// Lines that wait to be written; of a kilobyte or two at most.
const MAX_WAITING: usize = 8 * 1024;

/// The subscriber that writes to `writer`, with `colour` in text.
pub fn subscriber<W>(
    level: Level,
    format: Format,
    colour: bool,
    writer: W,
) -> impl Subscriber + Send + Sync
where
    W: for<'a> MakeWriter<'a> + Send + Sync + 'static,
{
    let layer = tracing_subscriber::fmt::layer()
        .with_writer(writer)
        .with_ansi(colour && format == Format::Text);
    let layer = match format {
        Format::Text => layer.boxed(),
        Format::Json => layer
            .event_format(json())
            .fmt_fields(JsonFields::new())
            .boxed(),
        Format::JsonPretty => layer
            .event_format(Pretty(json()))
            .fmt_fields(JsonFields::new())
            .boxed(),
    };
    tracing_subscriber::registry()
        .with(level.filter())
        .with(layer)
}

impl Level {
    /// Libraries are heard one level later than we are: at `debug` they would tell every frame.
    fn filter(self) -> Targets {
        let (ours, theirs) = match self {
            Self::Debug => (LevelFilter::DEBUG, LevelFilter::INFO),
            Self::Info => (LevelFilter::INFO, LevelFilter::WARN),
            Self::Error => (LevelFilter::ERROR, LevelFilter::ERROR),
        };
        Targets::new()
            .with_default(theirs)
            .with_target("portcullis", ours)
    }
}

impl FromStr for Level {
    type Err = UnknownName;

    fn from_str(name: &str) -> Result<Self, UnknownName> {
        match name {
            "debug" => Ok(Self::Debug),
            "info" => Ok(Self::Info),
            "error" => Ok(Self::Error),
            _ => Err(UnknownName::of(name, "debug, info, error")),
        }
    }
}

impl FromStr for Format {
    type Err = UnknownName;

    fn from_str(name: &str) -> Result<Self, UnknownName> {
        match name {
            "json" => Ok(Self::Json),
            "json-pretty" => Ok(Self::JsonPretty),
            "text" => Ok(Self::Text),
            _ => Err(UnknownName::of(name, "json, json-pretty, text")),
        }
    }
}

impl UnknownName {
    fn of(given: &str, known: &'static str) -> Self {
        let given = given.to_owned();
        Self { given, known }
    }
}

fn json() -> LineFormat<Json> {
    LineFormat::default()
        .json()
        .flatten_event(true)
        .with_current_span(false)
        .with_span_list(false)
}

/// JSON lines, spread out.
struct Pretty(LineFormat<Json>);

impl<S, N> FormatEvent<S, N> for Pretty
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(
        &self,
        context: &FmtContext<'_, S, N>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        let mut line = String::new();
        self.0
            .format_event(context, Writer::new(&mut line), event)?;
        match serde_json::from_str::<serde_json::Value>(&line) {
            Ok(value) => writeln!(writer, "{value:#}"),
            Err(_) => writer.write_str(&line),
        }
    }
}

#[cfg(test)]
pub(in crate::telemetry) mod tests;
