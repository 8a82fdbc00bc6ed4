//! The two text formats of a scrape.
//!
//! prometheus-client writes OpenMetrics only. Prometheus' own format, 0.0.4, has the same samples; what
//! is said about them differs: a counter is described by the name of its samples, an unknown type is
//! called `untyped`, and neither units nor an end are told.

/// The media type of [`super::Metrics::encode`].
pub const OPENMETRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";
/// The media type of what [`prometheus`] makes of that.
pub const PROMETHEUS: &str = "text/plain; version=0.0.4; charset=utf-8";

/// The same in Prometheus' format. For what our registry encodes, where the description of a family is
/// a line `# HELP` followed by a line `# TYPE`, and where there are no exemplars and no `info` type.
pub fn prometheus(openmetrics: &str) -> String {
    let mut out = String::with_capacity(openmetrics.len());
    let mut help = None;
    for line in openmetrics.lines() {
        let Some(described) = line.strip_prefix("# ") else {
            put(&mut out, &[line]);
            continue;
        };
        match described.split_once(' ') {
            Some(("HELP", text)) => help = text.split_once(' '),
            Some(("TYPE", text)) => {
                let (name, kind) = text.split_once(' ').unwrap_or((text, "unknown"));
                let suffix = if kind == "counter" { "_total" } else { "" };
                let kind = if kind == "unknown" { "untyped" } else { kind };
                if let Some((_, text)) = help.take() {
                    put(&mut out, &["# HELP ", name, suffix, " ", text]);
                }
                put(&mut out, &["# TYPE ", name, suffix, " ", kind]);
            }
            // `# UNIT` and `# EOF`.
            Some(_) | None => {}
        }
    }
    out
}

fn put(out: &mut String, parts: &[&str]) {
    out.extend(parts.iter().copied().chain(["\n"]));
}
