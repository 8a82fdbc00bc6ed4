//! OPA's status document, without the dump of all metrics that OPA puts into it.

use serde_json::{Map, Value, json};

use super::About;
use crate::sources::bundles::status::Status;

/// How things stand.
pub(super) fn report(
    about: &About,
    bundles: &[Status],
    discovery: &[Status],
    ready: bool,
) -> Value {
    let mut report = Map::new();
    report.insert("labels".to_owned(), json!(about.labels));
    if !bundles.is_empty() {
        let named = |status: &Status| (status.name.to_string(), status.report());
        let bundles: Map<String, Value> = bundles.iter().map(named).collect();
        report.insert("bundles".to_owned(), bundles.into());
    }
    let mut plugins = Map::from_iter([
        (about.plugin.to_owned(), state(ready)),
        ("status".to_owned(), state(true)),
    ]);
    if !bundles.is_empty() {
        let all = bundles.iter().all(|status| status.active);
        plugins.insert("bundle".to_owned(), state(all));
    }
    if let [status, ..] = discovery {
        report.insert("discovery".to_owned(), status.report());
        plugins.insert("discovery".to_owned(), state(status.active));
    }
    report.insert("plugins".to_owned(), plugins.into());
    report.into()
}

fn state(good: bool) -> Value {
    json!({"state": if good { "OK" } else { "NOT_READY" }})
}
