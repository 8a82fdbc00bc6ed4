//! The event of one check, in OPA's schema and with what is ours under `portcullis`.

use std::collections::BTreeMap;

use crate::{input, redact::credentials};

/// What an event holds, and which get one.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// OPA's `labels`, with `id` and `version` among them.
    pub labels: BTreeMap<String, String>,
    /// How the input document is shaped.
    pub input: input::Options,
    /// OPA's `mask_decision`: segments below `data`, `["system", "log", "mask"]` by default there.
    pub mask: Option<Vec<String>>,
    /// OPA's `drop_decision`, likewise.
    pub drop: Option<Vec<String>>,
    /// Whether the answers of `http.send` and of its like are told.
    pub nd_builtin_cache: bool,
    /// OPA's `request_context.http.headers`.
    pub request_context_headers: Vec<String>,
    /// One in so many checks that are allowed gets an event; every one when 0 or 1.
    pub sample_allowed: u32,
    /// What is never shown; names of headers and parameters that tokens are looked for in belong here.
    pub redact: credentials::Options,
    /// Whether the rules that decided are told. They are found by evaluating once more.
    pub rules: bool,
}
