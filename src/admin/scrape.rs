//! `/metrics`: the metrics as the scraper reads them.
//!
//! OpenMetrics where that is asked for by name, else Prometheus' text format, which everybody reads;
//! compressed where the scraper takes it. Encoding is not done by those who answer checks.

use std::io::{self, Write as _};

use axum::{
    extract::State,
    http::{
        HeaderMap, StatusCode,
        header::{ACCEPT, ACCEPT_ENCODING, CONTENT_ENCODING, CONTENT_TYPE, HeaderName, VARY},
    },
    response::{IntoResponse, Response},
};
use flate2::{Compression, write::GzEncoder};

use super::Views;
use crate::telemetry::metrics::exposition::{OPENMETRICS, PROMETHEUS, prometheus};

/// Answers a scrape.
pub(super) async fn metrics(State(views): State<Views>, asked: HeaderMap) -> Response {
    let answer = tokio::task::spawn_blocking(move || answer(&(views.metrics)(), &asked));
    answer
        .await
        .unwrap_or_else(|_panic| StatusCode::INTERNAL_SERVER_ERROR.into_response())
}

fn answer(openmetrics: &str, asked: &HeaderMap) -> Response {
    let (media_type, text) = if wants_openmetrics(asked) {
        (OPENMETRICS, openmetrics.to_owned())
    } else {
        (PROMETHEUS, prometheus(openmetrics))
    };
    let compressed = wish(asked, &ACCEPT_ENCODING, "gzip")
        .filter(|wish| *wish > 0.0)
        .and_then(|_| compressed(&text).ok());
    let headers = [
        (CONTENT_TYPE, media_type),
        (VARY, "accept, accept-encoding"),
    ];
    match compressed {
        Some(bytes) => (headers, [(CONTENT_ENCODING, "gzip")], bytes).into_response(),
        None => (headers, text).into_response(),
    }
}

/// Whether OpenMetrics is named, and plain text is not preferred to it.
fn wants_openmetrics(asked: &HeaderMap) -> bool {
    let wish = |name| wish(asked, &ACCEPT, name).unwrap_or(0.0);
    let openmetrics = wish("application/openmetrics-text");
    openmetrics > 0.0 && openmetrics >= wish("text/plain")
}

/// How much `name` is wished for in a list of alternatives, from 0 to 1; `None` when it is not named.
fn wish(asked: &HeaderMap, header: &HeaderName, name: &str) -> Option<f32> {
    let lists = asked.get_all(header).into_iter();
    let alternatives = lists.filter_map(|list| list.to_str().ok()?.split(',').into());
    let wishes = alternatives.flatten().filter_map(|alternative| {
        let mut parts = alternative.split(';').map(str::trim);
        let named = parts.next()?.eq_ignore_ascii_case(name);
        let mut weights = parts.filter_map(|part| part.strip_prefix("q=")?.parse().ok());
        named.then(|| weights.next().unwrap_or(1.0))
    });
    wishes.reduce(f32::max)
}

fn compressed(text: &str) -> io::Result<Vec<u8>> {
    let mut gzip = GzEncoder::new(Vec::new(), Compression::fast());
    gzip.write_all(text.as_bytes())?;
    gzip.finish()
}

#[cfg(test)]
mod tests;
