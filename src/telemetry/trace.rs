//! Where a check stands in a distributed trace.

/// The span of one check, and the one it was asked from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Trace {
    /// The trace.
    pub trace_id: [u8; 16],
    /// The span of this check.
    pub span_id: [u8; 8],
    /// The caller's span; `None` when the trace begins here.
    pub parent: Option<[u8; 8]>,
    /// Whether spans of it are exported.
    pub sampled: bool,
}
