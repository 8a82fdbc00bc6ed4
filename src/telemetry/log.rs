//! The process log: `tracing` to standard error, as OPA's `--log-level` and `--log-format` say.

use std::{
    fmt,
    io::{self, IsTerminal},
    str::FromStr,
};

use tracing::{Event, Subscriber, level_filters::LevelFilter};
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

/// Sends the log of this process to standard error. Fails when there is a log already.
pub fn init(level: Level, format: Format) -> Result<(), TryInitError> {
    let colour = io::stderr().is_terminal();
    subscriber(level, format, colour, io::stderr).try_init()
}

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
