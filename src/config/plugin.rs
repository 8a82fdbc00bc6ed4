//! `plugins.envoy_ext_authz_grpc`: the keys of opa-envoy with their names, defaults and meaning.

use std::path::PathBuf;

use serde_json::Value;

use crate::{policy::Entrypoint, telemetry::metrics::PERFORMANCE_BUCKETS};

use super::{
    address::{ListenAddr, address},
    problem::Complaint,
    section::Section,
    value::{integer, path, text},
};

/// The plugin section of opa-envoy.
#[derive(Clone, Debug, PartialEq)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is a switch of its own in the file"
)]
pub struct Plugin {
    /// `addr`: where checks are answered. Default `:9191`.
    pub addr: ListenAddr,
    /// `path` or `query`: what a check asks the policy. Default `envoy/authz/allow`.
    pub entrypoint: Entrypoint,
    /// `dry-run`: evaluate and log, but let everything through. Default `false`.
    pub dry_run: bool,
    /// `enable-reflection`: serve gRPC reflection. Default `false`.
    pub enable_reflection: bool,
    /// `proto-descriptor`: a file with a serialized `FileDescriptorSet` for gRPC bodies. Default none.
    pub proto_descriptor: Option<PathBuf>,
    /// `grpc-max-recv-msg-size`: the largest `CheckRequest` in bytes. Default 4 MiB.
    pub max_recv_msg_size: u32,
    /// `grpc-max-send-msg-size`: known but without effect, because a decision is bounded to less than
    /// 1 MiB as it is. Default none.
    pub max_send_msg_size: Option<u32>,
    /// `skip-request-body-parse`: leave `parsed_body` and `truncated_body` out. Default `false`.
    pub skip_request_body_parse: bool,
    /// `enable-performance-metrics`: the histograms of opa-envoy beside ours. Default `false`.
    pub enable_performance_metrics: bool,
    /// `grpc-request-duration-seconds-buckets`: upper bounds in seconds, ascending.
    pub request_duration_buckets: Vec<f64>,
}

impl Default for Plugin {
    fn default() -> Self {
        Self {
            addr: ListenAddr::any(DEFAULT_PORT),
            entrypoint: default_entrypoint(),
            dry_run: false,
            enable_reflection: false,
            proto_descriptor: None,
            max_recv_msg_size: DEFAULT_MAX_RECV,
            max_send_msg_size: None,
            skip_request_body_parse: false,
            enable_performance_metrics: false,
            request_duration_buckets: PERFORMANCE_BUCKETS.to_vec(),
        }
    }
}

impl Plugin {
    pub(super) fn read(section: &mut Section<'_>) -> Self {
        let default = Self::default();
        Self {
            addr: section.value("addr", address).unwrap_or(default.addr),
            entrypoint: read_entrypoint(section),
            dry_run: section.flag("dry-run"),
            enable_reflection: section.flag("enable-reflection"),
            proto_descriptor: section
                .value("proto-descriptor", |value| match text(value)? {
                    "" => Ok(None),
                    _ => path(value).map(Some),
                })
                .flatten(),
            max_recv_msg_size: section
                .value("grpc-max-recv-msg-size", integer(1..=LARGEST_MESSAGE))
                .unwrap_or(default.max_recv_msg_size),
            max_send_msg_size: section.value(MAX_SEND, integer(1..=LARGEST_MESSAGE)),
            skip_request_body_parse: section.flag("skip-request-body-parse"),
            enable_performance_metrics: section.flag("enable-performance-metrics"),
            request_duration_buckets: section
                .value("grpc-request-duration-seconds-buckets", buckets)
                .unwrap_or(default.request_duration_buckets),
        }
    }
}

fn default_entrypoint() -> Entrypoint {
    Entrypoint::Path(DEFAULT_PATH.map(str::to_owned).to_vec())
}

fn read_entrypoint(section: &mut Section<'_>) -> Entrypoint {
    // Empty text is the same as no key, as in the reference.
    let given = |text: &&str| !text.is_empty();
    let path = section.value("path", text).filter(given);
    let query = section.value("query", text).filter(given);
    match (path, query) {
        (Some(_), Some(_)) => {
            let complaint =
                Complaint::new("invalid config: specify a value for only the \"path\" field");
            section.problem("query", complaint.hint("`query` is deprecated, remove it"));
            default_entrypoint()
        }
        (None, Some(query)) => Entrypoint::Query(query.to_owned()),
        (None, None) => default_entrypoint(),
        (Some(path), None) => {
            let segments = decision_path(path);
            if segments.is_empty() {
                let complaint = Complaint::new("the path names no rule");
                section.problem("path", complaint.hint("write it like `envoy/authz/allow`"));
            }
            Entrypoint::Path(segments)
        }
    }
}

/// The segments below `data`; empty ones do not count, dots do not separate.
fn decision_path(path: &str) -> Vec<String> {
    path.split('/')
        .filter(|segment| !segment.is_empty())
        .map(str::to_owned)
        .collect()
}

fn buckets(value: &Value) -> Result<Vec<f64>, Complaint> {
    let wrong = || Complaint::wrong_type("a list of numbers", value);
    let bounds = value
        .as_array()
        .ok_or_else(wrong)?
        .iter()
        .map(|bound| {
            bound
                .as_f64()
                .ok_or_else(|| Complaint::wrong_type("a list of numbers only", bound))
        })
        .collect::<Result<Vec<_>, _>>()?;
    if bounds.is_empty() || bounds.len() > MAX_BUCKETS {
        let message = format!("must have from 1 to {MAX_BUCKETS} bounds");
        return Err(Complaint::new(message));
    }
    let positive = bounds.iter().all(|bound| bound.is_finite() && *bound > 0.0);
    if !positive || !bounds.is_sorted_by(|a, b| a < b) {
        return Err(Complaint::new(
            "the bounds must be finite, above zero and ascending",
        ));
    }
    Ok(bounds)
}

const DEFAULT_PORT: u16 = 9191;
const DEFAULT_PATH: [&str; 3] = ["envoy", "authz", "allow"];
/// What grpc-go receives at most when nothing is said.
const DEFAULT_MAX_RECV: u32 = 4 * 1024 * 1024;
/// What grpc-go takes for a size: the largest 32-bit integer.
const LARGEST_MESSAGE: u32 = 0x7fff_ffff;
/// The key of [`Plugin::max_send_msg_size`].
pub(super) const MAX_SEND: &str = "grpc-max-send-msg-size";
/// Most buckets of one histogram: each is a time series.
const MAX_BUCKETS: usize = 64;
