//! `portcullis`: what opa-envoy has no key for.

use std::time::Duration;

use crate::{
    decision::HeaderName, http_send::Options as HttpSend, identity::Xfcc, input::Encoding,
    response::OnError, telemetry::log,
};

use super::{
    address::{ListenAddr, address},
    bundles::Bundles,
    decision_logs::OurDecisionLogs,
    http_send,
    http2::Http2,
    jwt::Jwt,
    observe::Observe,
    problem::Complaint,
    section::Section,
    telemetry::Telemetry,
    tls::Tls,
    value::{choice, duration, integer, text},
};

/// The section `portcullis`.
#[derive(Clone, Debug, PartialEq)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is a switch of its own in the file"
)]
pub struct Portcullis {
    /// `budget`: the time one check may take from its arrival to its answer. Default 100 ms.
    pub budget: Duration,
    /// `reply_margin`: what is left of the caller's `grpc-timeout` for the way back. Default 5 ms.
    pub reply_margin: Duration,
    /// `on_error`: the form of an answer that is no decision. Default `denied_response`.
    pub on_error: OnError,
    /// `input-encoding`: the shape of the input document. Default `reference`.
    pub input_encoding: Encoding,
    /// `lenient_query`: drop query pairs that do not parse instead of refusing. Default `false`.
    pub lenient_query: bool,
    /// `strict_builtin_errors`: an error in a built-in fails the evaluation. Default `false`.
    pub strict_builtin_errors: bool,
    /// `v0_compatible`: modules are Rego v0 unless they import v1. Default `false`.
    pub v0_compatible: bool,
    /// `watch`: load the policy files again when they change. Default `false`.
    pub watch: bool,
    /// `decision_id_header`: the response header that carries the decision's ID. Default none.
    pub decision_id_header: Option<HeaderName>,
    /// `reason_header`: the response header that carries a denial's reason. Default none.
    pub reason_header: Option<HeaderName>,
    /// `admin`: the HTTP port for operators.
    pub admin: Admin,
    /// `tls`: TLS on the gRPC port; `None` is plaintext.
    pub tls: Option<Tls>,
    /// `identity`: what proves who calls.
    pub identity: Identity,
    /// `jwt`: whose tokens are trusted. Default nobody's.
    pub jwt: Jwt,
    /// `admission`: how much is taken on at once.
    pub admission: Admission,
    /// `isolation`: how long decisions are kept away from the others.
    pub isolation: Isolation,
    /// `limits`: how far one evaluation may go.
    pub limits: EvaluationLimits,
    /// `http_send`: where policies may send. Default nowhere.
    pub http_send: HttpSend,
    /// `bundles`: what OPA has no key for, about `bundles`.
    pub bundles: Bundles,
    /// `decision_logs`: what OPA has no key for, about `decision_logs`.
    pub decision_logs: OurDecisionLogs,
    /// `telemetry`: what is told of checks, off their line.
    pub telemetry: Telemetry,
    /// `http2`: the gRPC port's HTTP/2 settings.
    pub http2: Http2,
    /// `shutdown`: how the server goes.
    pub shutdown: Shutdown,
    /// `observe`: where decisions are shown live, and to whom.
    pub observe: Observe,
    /// `log`: what the process writes to standard error.
    pub log: Log,
}

/// `admin`: the HTTP port for operators.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Admin {
    /// `addr`. Default `:8282`.
    pub addr: ListenAddr,
}

/// `identity`: what proves who calls.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Identity {
    /// `xfcc`: what `x-forwarded-client-cert` proves. Default `ignored`.
    pub xfcc: Xfcc,
}

/// `admission`: how much is taken on at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Admission {
    /// `max_in_flight`: checks that are worked on or wait; the next one is shed. Default 1024.
    pub max_in_flight: usize,
    /// `retry_after`: what a shed caller is told, in whole seconds. Default 1 s.
    pub retry_after: Duration,
}

/// `isolation`: how long decisions are kept away from the others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Isolation {
    /// `slice`: how long an evaluation may take on the line; longer ones begin anew in the slow lane.
    /// Default: what is usual with the policy, eight times.
    pub slice: Option<Duration>,
    /// `threads` of the slow lane. Default: half as many as there are CPUs, at least one.
    pub threads: usize,
    /// `queue`: how many may wait for one of them; the oldest is pushed out. Default 256.
    pub queue: usize,
}

/// `limits`: how far one evaluation may go; its time is [`Portcullis::budget`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EvaluationLimits {
    /// `instructions`: of regorus' virtual machine. Default 10,000,000.
    pub instructions: usize,
    /// `memory`: bytes it may hold at once. Default 64 MiB.
    pub memory: u64,
    /// `process_memory`: what all of the process may hold. Default [`ProcessMemory::Cgroup`].
    pub process_memory: ProcessMemory,
}

/// `limits.process_memory`: above it evaluations fail, so that the kernel does not end the process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProcessMemory {
    /// `cgroup`: nine tenths of what the control group may have, if it has a limit.
    Cgroup,
    /// `off`: no limit.
    Off,
    /// So many bytes.
    Bytes(u64),
}

/// `shutdown`: how the server goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shutdown {
    /// `grace`: from "not ready" to the first GOAWAY, so that callers notice first. Default 5 s.
    pub grace: Duration,
    /// `drain_timeout`: the longest wait for checks in flight after that. Default 10 s.
    pub drain_timeout: Duration,
}

/// `log`: what the process writes to standard error.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Log {
    /// `level`. Default `info`.
    pub level: log::Level,
    /// `format`. Default `json`.
    pub format: log::Format,
}

impl Default for Portcullis {
    fn default() -> Self {
        Self {
            budget: DEFAULT_BUDGET,
            reply_margin: DEFAULT_REPLY_MARGIN,
            on_error: OnError::default(),
            input_encoding: Encoding::default(),
            lenient_query: false,
            strict_builtin_errors: false,
            v0_compatible: false,
            watch: false,
            decision_id_header: None,
            reason_header: None,
            admin: Admin::default(),
            tls: None,
            identity: Identity::default(),
            jwt: Jwt::default(),
            admission: Admission::default(),
            isolation: Isolation::default(),
            limits: EvaluationLimits::default(),
            http_send: HttpSend::default(),
            bundles: Bundles::default(),
            decision_logs: OurDecisionLogs::default(),
            telemetry: Telemetry::default(),
            http2: Http2::default(),
            shutdown: Shutdown::default(),
            observe: Observe::default(),
            log: Log::default(),
        }
    }
}

impl Portcullis {
    pub(super) fn read(section: &mut Section<'_>) -> Self {
        let default = Self::default();
        let budget = section.value("budget", duration(SHORTEST_BUDGET..=LONGEST_BUDGET));
        let margin = section.value("reply_margin", duration(Duration::ZERO..=LONGEST_BUDGET));
        let (budget, reply_margin) = (
            budget.unwrap_or(default.budget),
            margin.unwrap_or(default.reply_margin),
        );
        if reply_margin >= budget {
            let message = format!("`{reply_margin:?}` must be less than the budget `{budget:?}`");
            section.problem("reply_margin", Complaint::new(message));
        }
        Self {
            budget,
            reply_margin,
            on_error: section
                .value("on_error", choice(ON_ERROR))
                .unwrap_or_default(),
            input_encoding: section
                .value("input-encoding", choice(ENCODINGS))
                .unwrap_or_default(),
            lenient_query: section.flag("lenient_query"),
            strict_builtin_errors: section.flag("strict_builtin_errors"),
            v0_compatible: section.flag("v0_compatible"),
            watch: section.flag("watch"),
            decision_id_header: section.value("decision_id_header", header_name),
            reason_header: section.value("reason_header", header_name),
            admin: section.section("admin", Admin::read),
            tls: section.optional_section("tls", Tls::read).flatten(),
            identity: section.section("identity", Identity::read),
            jwt: section.section("jwt", |jwt| Jwt::read(jwt, budget)),
            admission: section.section("admission", Admission::read),
            isolation: section.section("isolation", Isolation::read),
            limits: section.section("limits", EvaluationLimits::read),
            http_send: section.section("http_send", http_send::read),
            bundles: section.section("bundles", Bundles::read),
            decision_logs: section.section("decision_logs", OurDecisionLogs::read),
            telemetry: section.section("telemetry", Telemetry::read),
            http2: section.section("http2", Http2::read),
            shutdown: section.section("shutdown", Shutdown::read),
            observe: section.section("observe", Observe::read),
            log: section.section("log", Log::read),
        }
    }
}

impl Default for Admin {
    fn default() -> Self {
        Self {
            addr: ListenAddr::any(DEFAULT_ADMIN_PORT),
        }
    }
}

impl Admin {
    fn read(section: &mut Section<'_>) -> Self {
        let addr = section.value("addr", address);
        addr.map_or_else(Self::default, |addr| Self { addr })
    }
}

impl Identity {
    fn read(section: &mut Section<'_>) -> Self {
        Self {
            xfcc: section.value("xfcc", choice(XFCC)).unwrap_or_default(),
        }
    }
}

impl Default for Admission {
    fn default() -> Self {
        Self {
            max_in_flight: 1024,
            retry_after: Duration::from_secs(1),
        }
    }
}

impl Admission {
    fn read(section: &mut Section<'_>) -> Self {
        let default = Self::default();
        Self {
            max_in_flight: section
                .value("max_in_flight", integer(1..=MOST_IN_FLIGHT))
                .unwrap_or(default.max_in_flight),
            retry_after: section
                .value(
                    "retry_after",
                    duration(Duration::from_secs(1)..=Duration::from_hours(1)),
                )
                .unwrap_or(default.retry_after),
        }
    }
}

impl Default for Isolation {
    fn default() -> Self {
        Self {
            slice: None,
            threads: std::thread::available_parallelism().map_or(1, |cpus| cpus.get().div_ceil(2)),
            queue: 256,
        }
    }
}

impl Isolation {
    fn read(section: &mut Section<'_>) -> Self {
        let default = Self::default();
        Self {
            slice: section.value("slice", duration(Duration::ZERO..=LONGEST_BUDGET)),
            threads: section
                .value("threads", integer(1..=MOST_THREADS))
                .unwrap_or(default.threads),
            queue: section
                .value("queue", integer(1..=MOST_IN_FLIGHT))
                .unwrap_or(default.queue),
        }
    }
}

impl Default for EvaluationLimits {
    fn default() -> Self {
        Self {
            instructions: 10_000_000,
            memory: 64 * 1024 * 1024,
            process_memory: ProcessMemory::Cgroup,
        }
    }
}

impl EvaluationLimits {
    fn read(section: &mut Section<'_>) -> Self {
        let default = Self::default();
        Self {
            instructions: section
                .value("instructions", integer(1_000..=MOST_INSTRUCTIONS))
                .unwrap_or(default.instructions),
            memory: section
                .value("memory", integer(LEAST_MEMORY..=MOST_MEMORY))
                .unwrap_or(default.memory),
            process_memory: section
                .value("process_memory", process_memory)
                .unwrap_or(default.process_memory),
        }
    }
}

fn process_memory(value: &serde_json::Value) -> Result<ProcessMemory, Complaint> {
    if value.is_number() {
        return integer(LEAST_PROCESS_MEMORY..=MOST_PROCESS_MEMORY)(value)
            .map(ProcessMemory::Bytes);
    }
    choice(&[
        ("cgroup", ProcessMemory::Cgroup),
        ("off", ProcessMemory::Off),
    ])(value)
}

impl Default for Shutdown {
    fn default() -> Self {
        Self {
            grace: Duration::from_secs(5),
            drain_timeout: Duration::from_secs(10),
        }
    }
}

impl Shutdown {
    fn read(section: &mut Section<'_>) -> Self {
        let default = Self::default();
        let range = || Duration::ZERO..=LONGEST_SHUTDOWN;
        Self {
            grace: section
                .value("grace", duration(range()))
                .unwrap_or(default.grace),
            drain_timeout: section
                .value("drain_timeout", duration(range()))
                .unwrap_or(default.drain_timeout),
        }
    }
}

impl Log {
    fn read(section: &mut Section<'_>) -> Self {
        Self {
            level: section.value("level", choice(LEVELS)).unwrap_or_default(),
            format: section.value("format", choice(FORMATS)).unwrap_or_default(),
        }
    }
}

fn header_name(value: &serde_json::Value) -> Result<HeaderName, Complaint> {
    let name: Option<HeaderName> = text(value)?.parse().ok();
    // The policy and Envoy have their own use for these.
    name.filter(|name| !RESERVED_HEADERS.contains(&name.as_str()))
        .ok_or_else(|| {
            Complaint::new("must be the name of a header of your own")
                .hint("write it like `x-decision-id`")
        })
}

const ON_ERROR: &[(&str, OnError)] = &[
    ("denied_response", OnError::DeniedResponse),
    ("error_response", OnError::ErrorResponse),
    ("grpc_error", OnError::GrpcError),
];
const ENCODINGS: &[(&str, Encoding)] = &[
    ("reference", Encoding::Reference),
    ("protojson", Encoding::ProtoJson),
];
const XFCC: &[(&str, Xfcc)] = &[("ignored", Xfcc::Ignored), ("trusted", Xfcc::Trusted)];
const LEVELS: &[(&str, log::Level)] = &[
    ("error", log::Level::Error),
    ("info", log::Level::Info),
    ("debug", log::Level::Debug),
];
const FORMATS: &[(&str, log::Format)] = &[
    ("json", log::Format::Json),
    ("json-pretty", log::Format::JsonPretty),
    ("text", log::Format::Text),
];
const RESERVED_HEADERS: [&str; 3] = ["content-type", "retry-after", "set-cookie"];
const DEFAULT_BUDGET: Duration = Duration::from_millis(100);
const DEFAULT_REPLY_MARGIN: Duration = Duration::from_millis(5);
const DEFAULT_ADMIN_PORT: u16 = 8282;
/// A shorter budget than this ends before the first stage does.
const SHORTEST_BUDGET: Duration = Duration::from_micros(100);
/// Nobody's proxy waits longer than this.
const LONGEST_BUDGET: Duration = Duration::from_mins(1);
const LONGEST_SHUTDOWN: Duration = Duration::from_mins(10);
const MOST_THREADS: usize = 1024;
const MOST_IN_FLIGHT: usize = 1_000_000;
/// Less than this is used by ordinary policies.
const LEAST_MEMORY: u64 = 1024 * 1024;
const MOST_MEMORY: u64 = 16 * 1024 * 1024 * 1024;
/// A server with a policy holds about as much.
const LEAST_PROCESS_MEMORY: u64 = 32 * 1024 * 1024;
const MOST_PROCESS_MEMORY: u64 = 1 << 50;
const MOST_INSTRUCTIONS: usize = 1_000_000_000;
