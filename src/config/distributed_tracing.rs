//! `distributed_tracing`: where the spans of checks go, and which checks have any.

use serde_json::Value;

use super::{
    otlp::{self, Names},
    problem::Complaint,
    section::Section,
};
use crate::traces::Options;

/// What `distributed_tracing` asks for; `None` when nobody collects spans.
pub(super) fn read(root: &mut Section<'_>) -> Option<Options> {
    root.optional_section("distributed_tracing", |section| {
        let ratio = section.value("sample_percentage", share).unwrap_or(1.0);
        let collector = otlp::read(section, NAMES)?;
        Some(Options { collector, ratio })
    })
    .flatten()
}

fn share(value: &Value) -> Result<f64, Complaint> {
    let percentage = value
        .as_f64()
        .ok_or_else(|| Complaint::wrong_type("a number", value))?;
    if (0.0..=100.0).contains(&percentage) {
        return Ok(percentage / 100.0);
    }
    let message = format!("`{value}` must be a number from 0 to 100");
    Err(Complaint::new(message))
}

const NAMES: Names = Names {
    // As in OPA, whose dashboards go on to find it.
    service: "opa",
    batch: "batch_span_processor_options",
};
