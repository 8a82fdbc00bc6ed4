//! What a scrape and the log show of `http.send`.

use std::io;

use super::*;
use crate::telemetry::log::{self, Format, tests::Lines};

const HOST: &str = "https://opa.internal:443";

/// The lines of `metrics` about `http.send`, without comments and the histogram.
fn samples(metrics: &Metrics) -> Vec<String> {
    let text = metrics.encode();
    let lines = text
        .lines()
        .filter(|line| line.starts_with("portcullis_http_send_") && !line.contains("_duration_"));
    lines.map(str::to_owned).collect()
}

/// The lines that `emit` leaves.
fn lines(emit: impl FnOnce(&Metrics)) -> Vec<serde_json::Value> {
    let lines = Lines::default();
    let subscriber = log::subscriber(log::Level::Debug, Format::Json, false, lines.writer());
    tracing::subscriber::with_default(subscriber, || emit(&Metrics::new(None)));
    lines.json()
}

#[test]
fn every_result_has_its_counter_before_anything_happens() {
    let metrics = Metrics::new(None);
    let samples = samples(&metrics);
    assert_eq!(samples.len(), SendResult::ALL.len(), "{samples:?}");
    assert!(samples.iter().all(|sample| sample.ends_with(" 0")));
}

#[test]
fn a_call_is_counted_by_its_result() {
    for result in SendResult::ALL {
        let metrics = Metrics::new(None);
        SendEnded {
            result,
            duration: Duration::from_millis(3),
        }
        .emit(&metrics);
        let of = format!(
            "portcullis_http_send_total{{result=\"{}\"}} 1",
            result.as_str()
        );
        assert!(samples(&metrics).contains(&of), "{of}");
        assert!(
            metrics
                .encode()
                .contains("portcullis_http_send_duration_seconds_count 1")
        );
    }
}

#[test]
fn a_breaker_is_seen_open_and_closed() {
    let error = io::Error::other("refused");
    let metrics = Metrics::new(None);
    let open = |value| format!("portcullis_http_send_breaker_open{{host=\"{HOST}\"}} {value}");
    HostAllowed { host: HOST }.emit(&metrics);
    assert!(samples(&metrics).contains(&open(0)));
    BreakerOpened {
        host: HOST,
        error: &error,
    }
    .emit(&metrics);
    assert!(samples(&metrics).contains(&open(1)));
    let openings = format!("portcullis_http_send_breaker_openings_total{{host=\"{HOST}\"}} 1");
    assert!(samples(&metrics).contains(&openings));
    BreakerClosed { host: HOST }.emit(&metrics);
    assert!(samples(&metrics).contains(&open(0)));
    let lines = lines(|metrics| {
        BreakerOpened {
            host: HOST,
            error: &error,
        }
        .emit(metrics);
        BreakerClosed { host: HOST }.emit(metrics);
    });
    let told: Vec<_> = lines
        .iter()
        .map(|line| {
            (
                line["level"].clone(),
                line["message"].clone(),
                line["http_send.host"].clone(),
            )
        })
        .collect();
    assert_eq!(
        told,
        [
            (
                "WARN".into(),
                "http.send breaker opened".into(),
                HOST.into()
            ),
            (
                "INFO".into(),
                "http.send breaker closed".into(),
                HOST.into()
            ),
        ]
    );
    assert_eq!(lines[0]["error"], "refused");
}

#[test]
fn refusals_are_told_each_time_that_they_have_doubled() {
    let error = io::Error::other("`http://a:80` is not allowed");
    let lines = lines(|metrics| {
        for _ in 0..9 {
            RequestRefused { error: &error }.emit(metrics);
        }
    });
    let seen: Vec<_> = lines.iter().map(|line| line["requests"].clone()).collect();
    assert_eq!(seen, [1, 2, 4, 8]);
    assert_eq!(lines[0]["error"], "`http://a:80` is not allowed");
}
