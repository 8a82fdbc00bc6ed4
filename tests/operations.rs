//! What operators are given: the alerts, their runbook and the dashboard name nothing that the code does not
//! have, and the image is what it has to be. Whether the alerts fire when they should is for `make alerts`.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

#[path = "operations/dashboard.rs"]
mod dashboard;
#[path = "operations/exposed.rs"]
mod exposed;
#[path = "operations/image.rs"]
mod image;
#[path = "operations/query.rs"]
mod query;
#[path = "operations/rules.rs"]
mod rules;

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    time::Duration,
};

use portcullis::telemetry::Metrics;

use exposed::Labels;
use query::{Matcher, Query};

/// Labels that the scrape gives to every series.
const OF_THE_SCRAPE: [&str; 4] = ["job", "instance", "namespace", "pod"];
/// Metrics of others, which may be absent.
const FOREIGN: [&str; 2] = ["istio_requests_total", "envoy_http_downstream_rq_total"];

/// A file of the repository.
fn text(path: &str) -> String {
    let path: PathBuf = Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("`{}`: {error}", path.display()))
}

/// The metrics that queries may name: the code's, and those that rules record.
struct Known {
    exposed: BTreeMap<String, Labels>,
    recorded: BTreeMap<String, Vec<String>>,
}

impl Known {
    /// Without what rules record: a dashboard works without them too.
    fn exposed() -> Self {
        Self {
            exposed: exposed::all(),
            recorded: BTreeMap::new(),
        }
    }

    /// Panics where `expr` names what is not known; gives the labels its results can have.
    fn check(&self, expr: &str) -> Vec<String> {
        let Query {
            selectors,
            grouped_by,
        } = query::read(expr);
        assert!(!selectors.is_empty(), "no metric in `{expr}`");
        let mut labels: Vec<String> = OF_THE_SCRAPE.map(str::to_owned).into();
        for selector in &selectors {
            let metric = selector.metric.as_str();
            if let Some(of_metric) = self.exposed.get(metric) {
                labels.extend(of_metric.keys().cloned());
                for matcher in &selector.matchers {
                    assert_can_match(metric, of_metric, matcher);
                }
            } else if let Some(of_metric) = self.recorded.get(metric) {
                labels.extend(of_metric.iter().cloned());
                assert!(selector.matchers.is_empty(), "matchers in `{expr}`");
            } else {
                assert!(FOREIGN.contains(&metric), "no `{metric}`: `{expr}`");
            }
        }
        for label in &grouped_by {
            assert!(labels.contains(label), "no label `{label}`: `{expr}`");
        }
        labels
    }
}

/// The label is there, and each value that is asked for is one that the code has.
fn assert_can_match(metric: &str, labels: &Labels, matcher: &Matcher) {
    if OF_THE_SCRAPE.contains(&matcher.label.as_str()) {
        return;
    }
    let label = &matcher.label;
    let Some(values) = labels.get(label) else {
        panic!("`{metric}` has no label `{label}`");
    };
    for value in matcher.value.split('|') {
        assert!(
            values.contains(value),
            "no `{metric}{{{label}=\"{value}\"}}`"
        );
    }
}

#[test]
fn the_budget_is_shown_in_seconds() {
    let metrics = Metrics::new(None).with_budget(Duration::from_millis(50));
    let text = metrics.encode();
    assert!(
        text.lines()
            .any(|line| line == "portcullis_budget_seconds 0.05")
    );
    assert!(
        !Metrics::new(None)
            .encode()
            .contains("portcullis_budget_seconds")
    );
}

#[test]
#[should_panic(expected = "no `portcullis_nothing`")]
fn a_metric_that_does_not_exist_is_noticed() {
    Known::exposed().check("rate(portcullis_nothing[5m])");
}

#[test]
#[should_panic(expected = "has no label `path`")]
fn a_label_that_does_not_exist_is_noticed() {
    Known::exposed().check("portcullis_checks_total{path=\"/\"}");
}

#[test]
#[should_panic(expected = "no `portcullis_checks_total{outcome=\"refused\"}`")]
fn a_value_that_does_not_exist_is_noticed() {
    Known::exposed().check("portcullis_checks_total{outcome=\"refused\"}");
}
