//! What a scrape and the log show of key sets.

use std::io;

use super::*;
use crate::telemetry::log::{self, Format, tests::Lines};

const PROVIDER: &str = "corp";

/// The lines of `metrics` about key sets, without comments.
fn samples(metrics: &Metrics) -> Vec<String> {
    let text = metrics.encode();
    let lines = text
        .lines()
        .filter(|line| line.starts_with("portcullis_jwks_"));
    lines.map(str::to_owned).collect()
}

fn fetched(outcome: Fetched<'_>) -> KeysFetched<'_> {
    KeysFetched {
        provider: PROVIDER,
        source: "https://issuer.example/keys",
        cause: FetchCause::UnknownKid,
        outcome,
        at: Duration::from_secs(1_000),
    }
}

fn failed(error: &io::Error) -> Fetched<'_> {
    Fetched::Failed {
        error,
        usable_for: Duration::from_mins(1),
    }
}

/// The lines that `emit` leaves.
fn lines(emit: impl FnOnce(&Metrics)) -> Vec<serde_json::Value> {
    let lines = Lines::default();
    let subscriber = log::subscriber(log::Level::Debug, Format::Json, false, lines.writer());
    tracing::subscriber::with_default(subscriber, || emit(&Metrics::new(None)));
    lines.json()
}

#[test]
fn a_provider_has_its_counters_before_anything_happens_and_no_age() {
    let metrics = Metrics::new(None);
    assert!(samples(&metrics).is_empty());
    KeysFollowed {
        provider: PROVIDER,
        source: "s",
    }
    .emit(&metrics);
    let samples = samples(&metrics);
    // Fetches by cause and result, keys that were throttled, keys that could not be kept.
    assert_eq!(samples.len(), 3 * 3 + 2, "{samples:?}");
    assert!(
        samples.iter().all(|sample| sample.ends_with(" 0")),
        "{samples:?}"
    );
}

#[test]
fn each_outcome_is_counted_as_what_it_is() {
    let error = io::Error::other("x");
    let cases = [
        (
            Fetched::Changed {
                keys: 2,
                skipped: 1,
            },
            "success",
            Some(2),
        ),
        (Fetched::Same { keys: 3 }, "success", Some(3)),
        (Fetched::NotModified { keys: 4 }, "not_modified", Some(4)),
        (failed(&error), "failure", None),
    ];
    for (outcome, result, keys) in cases {
        let metrics = Metrics::new(None);
        fetched(outcome).emit(&metrics);
        let samples = samples(&metrics);
        let has = |start: &str| samples.iter().any(|sample| sample.starts_with(start));
        assert!(has(&format!(
            "portcullis_jwks_fetches_total{{provider=\"corp\",cause=\"unknown_kid\",result=\"{result}\"}} 1"
        )));
        let success = "portcullis_jwks_last_success_timestamp_seconds{provider=\"corp\"} 1000.0";
        assert_eq!(has(success), keys.is_some(), "{samples:?}");
        assert_eq!(
            has("portcullis_jwks_age_seconds{provider=\"corp\"} "),
            keys.is_some()
        );
        if let Some(keys) = keys {
            assert!(has(&format!(
                "portcullis_jwks_keys{{provider=\"corp\"}} {keys}"
            )));
        }
    }
}

#[test]
fn the_age_is_the_time_until_the_scrape() {
    let metrics = Metrics::new(None);
    let now = crate::clock::Clock::System.now().unix;
    let restored = KeysRestored {
        provider: PROVIDER,
        keys: 1,
        fetched_at: now.saturating_sub(Duration::from_secs(500)),
    };
    restored.emit(&metrics);
    let samples = samples(&metrics);
    let age = samples
        .iter()
        .find_map(|line| line.strip_prefix("portcullis_jwks_age_seconds{provider=\"corp\"} "));
    let age: f64 = age.unwrap().parse().unwrap();
    assert!((499.0..560.0).contains(&age), "{age}");
}

#[test]
fn failures_to_write_are_counted() {
    let metrics = Metrics::new(None);
    let error = io::Error::other("disk full");
    KeysNotPersisted {
        provider: PROVIDER,
        error: &error,
    }
    .emit(&metrics);
    assert_eq!(
        samples(&metrics),
        ["portcullis_jwks_persistence_failures_total{provider=\"corp\"} 1"]
    );
}

#[test]
fn changes_are_told_confirmations_whispered_and_failures_warned_of() {
    let error = io::Error::other("cannot connect");
    let cases = [
        (
            Fetched::Changed {
                keys: 2,
                skipped: 1,
            },
            "INFO",
            "keys changed",
        ),
        (Fetched::Same { keys: 2 }, "DEBUG", "keys confirmed"),
        (Fetched::NotModified { keys: 2 }, "DEBUG", "keys confirmed"),
        (failed(&error), "WARN", "keys not fetched"),
    ];
    for (outcome, level, message) in cases {
        let lines = lines(|metrics| fetched(outcome).emit(metrics));
        let [line] = lines.as_slice() else {
            panic!("{lines:?}")
        };
        assert_eq!(
            (&line["level"], &line["message"]),
            (&level.into(), &message.into())
        );
        assert_eq!(line["jwt.provider"], PROVIDER);
        assert_eq!(line["jwks.source"], "https://issuer.example/keys");
        assert_eq!(line["jwks.cause"], "unknown_kid");
    }
}

#[test]
fn what_comes_from_a_key_set_is_cut_and_masked() {
    let token = "eyJhbGciOiJub25lIn0.eyJzdWIiOiJ4In0.c2ln";
    let error = io::Error::other(format!("{token}{}", "x".repeat(5_000)));
    let long = format!("{token}{}", "k".repeat(5_000));
    let lines = lines(|metrics| {
        fetched(failed(&error)).emit(metrics);
        KeySkipped {
            provider: PROVIDER,
            at: 3,
            kid: Some(&long),
            why: &long,
        }
        .emit(metrics);
    });
    assert_eq!(lines.len(), 2);
    for line in lines {
        let text = line.to_string();
        assert!(!text.contains("eyJ"), "{text}");
        assert!(text.len() < 2_000, "{text}");
    }
}
