//! OTLP, over gRPC and HTTP: what a collector of OpenTelemetry is given, from a thread that may not wait.
//!
//! Promises that whatever is given away is counted once, as sent or as lost; that what waits is bounded in
//! items and in bytes; and that nobody encodes, compresses or waits for the collector but the thread
//! that sends.

mod batch;
mod error;
mod export;
mod tls;
mod transport;

use std::{fmt, path::PathBuf, time::Duration};

use http::HeaderMap;
use opentelemetry_proto::tonic::{
    common::v1::{AnyValue, InstrumentationScope, KeyValue, any_value::Value},
    resource::v1::Resource,
};

use crate::{redact::Secret, version::VERSION};

pub use batch::{Batcher, Loss, Patience, Settings, Tally};
pub use error::ExportError;

/// A collector, and how it is given things.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Options {
    /// gRPC or HTTP.
    pub protocol: Protocol,
    /// Its host and port.
    pub address: String,
    /// `None` is plaintext.
    pub tls: Option<Tls>,
    /// What goes with every request.
    pub headers: Secret<HeaderMap>,
    /// Whether requests are compressed with gzip.
    pub gzip: bool,
    /// Who we are: names and values of the resource, in order.
    pub resource: Vec<(&'static str, String)>,
    /// How much at once, and when.
    pub batch: Batch,
}

impl Options {
    /// The resource that names a process.
    pub const INSTANCE: &'static str = "service.instance.id";

    /// The same for the process `id`, if the configuration does not name it otherwise.
    #[must_use]
    pub fn of_instance(mut self, id: &str) -> Self {
        let named = self
            .resource
            .iter()
            .any(|(name, _)| *name == Self::INSTANCE);
        if !named {
            self.resource.push((Self::INSTANCE, id.to_owned()));
        }
        self
    }
}

/// How OTLP travels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    /// gRPC.
    Grpc,
    /// Binary Protobuf in HTTP POST.
    Http,
}

/// How the collector is known, and how it knows us.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tls {
    /// Who signs its certificate, PEM; `None`: whom this machine trusts.
    pub authorities: Option<PathBuf>,
    /// Our certificate and its key, PEM.
    pub identity: Option<(PathBuf, PathBuf)>,
    /// Whoever answers is believed.
    pub insecure: bool,
}

/// How much is sent at once, and when.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Batch {
    /// Items of one request.
    pub size: usize,
    /// The longest that an item waits for others.
    pub delay: Duration,
    /// The longest that one export takes.
    pub timeout: Duration,
    /// Items that wait, in all.
    pub queue: usize,
}

/// As OpenTelemetry's specification of the batching processor has it.
impl Default for Batch {
    fn default() -> Self {
        Self {
            size: 512,
            delay: Duration::from_secs(5),
            timeout: Duration::from_secs(30),
            queue: 2048,
        }
    }
}

/// A kind of things that collectors take.
pub trait Signal: fmt::Debug + Send + 'static {
    /// One of them.
    type Item: prost::Message + Clone;
    /// Several of them.
    type Request: prost::Message + 'static;
    /// What the collector answers.
    type Response: prost::Message + Default + 'static;

    /// The path of the gRPC method.
    const METHOD: &'static str;
    /// The path over HTTP.
    const PATH: &'static str;

    /// A request with these items.
    fn request(origin: &Origin, items: Vec<Self::Item>) -> Self::Request;

    /// How many items of a request were not taken.
    fn rejected(response: &Self::Response) -> i64;
}

/// Where things come from.
#[derive(Clone, Debug)]
pub struct Origin {
    /// This process.
    pub resource: Resource,
    /// This program.
    pub scope: InstrumentationScope,
}

impl Origin {
    fn new(names: &[(&'static str, String)]) -> Self {
        let attributes = names.iter().map(|(name, value)| attribute(name, value));
        Self {
            resource: Resource {
                attributes: attributes.collect(),
                ..Resource::default()
            },
            scope: InstrumentationScope {
                name: "portcullis".to_owned(),
                version: VERSION.to_owned(),
                ..InstrumentationScope::default()
            },
        }
    }
}

/// An attribute that is text.
pub fn attribute(key: &str, value: &str) -> KeyValue {
    with(key, Value::StringValue(value.to_owned()))
}

/// An attribute that is a number.
pub fn number(key: &str, value: i64) -> KeyValue {
    with(key, Value::IntValue(value))
}

fn with(key: &str, value: Value) -> KeyValue {
    KeyValue {
        key: key.to_owned(),
        value: Some(AnyValue { value: Some(value) }),
        ..KeyValue::default()
    }
}

/// A time since the Unix epoch, as OTLP has it.
pub fn nanoseconds(unix: Duration) -> u64 {
    u64::try_from(unix.as_nanos()).unwrap_or(u64::MAX)
}
