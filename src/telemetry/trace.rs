//! Where a check stands in a distributed trace, and whether that trace is recorded.
//!
//! Promises that a trace begins without waiting, without allocating and whatever the caller's headers hold, and
//! that it costs one branch when nobody wants it.

mod export;
mod parent;

use http::HeaderMap;

pub use export::{ExportFailed, ExportGoesOn};
pub use parent::{Context, Parent};

/// The span of one check, and the one it was asked from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Trace {
    /// The trace.
    pub trace_id: [u8; 16],
    /// The span of this check; the caller's where checks have none of their own.
    pub span_id: [u8; 8],
    /// The caller's span; `None` when the trace begins here.
    pub parent: Option<[u8; 8]>,
    /// Whether spans of it are exported.
    pub sampled: bool,
}

/// Begins the traces of checks. By default there are none.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Tracing(Mode);

#[derive(Clone, Copy, Debug, Default, PartialEq)]
enum Mode {
    #[default]
    Off,
    Callers,
    Spans {
        ratio: f64,
    },
}

impl Tracing {
    /// Checks have no span of their own, but it is known which of the caller's they belong to.
    pub const CALLERS: Self = Self(Mode::Callers);

    /// Each check has a span. It is recorded if the caller's is; where there is no caller's, or it does
    /// not say, for this share of traces: 0 is none, 1 is all.
    pub fn spans(ratio: f64) -> Self {
        Self(Mode::Spans { ratio })
    }

    /// Where the check stands that was asked for with this `metadata` of the gRPC call.
    #[inline]
    pub fn begin(self, metadata: &HeaderMap) -> Option<Trace> {
        match self.0 {
            Mode::Off => None,
            Mode::Callers => callers(metadata),
            Mode::Spans { ratio } => Some(begin(metadata, ratio)),
        }
    }
}

fn callers(metadata: &HeaderMap) -> Option<Trace> {
    let context = Parent::of(metadata).context?;
    Some(Trace {
        trace_id: context.trace_id,
        span_id: context.span_id,
        parent: None,
        sampled: false,
    })
}

fn begin(metadata: &HeaderMap, ratio: f64) -> Trace {
    let Parent { context, sampled } = Parent::of(metadata);
    let trace_id = context.map_or_else(new_trace_id, |context| context.trace_id);
    Trace {
        trace_id,
        span_id: new_span_id(),
        parent: context.map(|context| context.span_id),
        sampled: sampled.unwrap_or_else(|| is_of(trace_id, ratio)),
    }
}

/// Whether this trace is of the `ratio` that is recorded: told from its id as every participant tells it,
/// by its last 8 bytes as a number.
fn is_of(trace_id: [u8; 16], ratio: f64) -> bool {
    let [.., a, b, c, d, _, _, _, _] = trace_id;
    let number = f64::from(u32::from_be_bytes([a, b, c, d]));
    number < ratio * NUMBERS
}

/// How many numbers 4 bytes can be.
const NUMBERS: f64 = 4_294_967_296.0;

fn new_trace_id() -> [u8; 16] {
    // Zero is no id.
    fastrand::u128(1..).to_be_bytes()
}

/// A new span's id.
pub(crate) fn new_span_id() -> [u8; 8] {
    fastrand::u64(1..).to_be_bytes()
}

#[cfg(test)]
mod tests;
