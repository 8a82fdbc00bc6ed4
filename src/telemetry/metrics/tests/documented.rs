//! `docs/metrics.md` names every metric with its type, its labels and their values, and no others.

use std::collections::{BTreeMap, BTreeSet};

use super::everything::everything;

/// The labels whose values are not listed: names out of the configuration, revisions, versions, and
/// the message of OPA's metric.
const OPEN: [&str; 10] = [
    "active_revision",
    "bundle",
    "commit",
    "host",
    "message",
    "name",
    "provider",
    "regorus",
    "revision",
    "version",
];

/// A type, and what each label may be.
type Described = (String, BTreeMap<String, BTreeSet<String>>);

#[test]
fn the_documentation_is_of_the_metrics_there_are() {
    let (documented, shown) = (documented(), shown());
    let names = |of: &BTreeMap<String, Described>| of.keys().cloned().collect::<Vec<_>>();
    assert_eq!(names(&documented), names(&shown));
    for (name, described) in shown {
        assert_eq!(documented[&name], described, "{name}");
    }
}

#[test]
fn every_metric_is_explained() {
    let rows = rows();
    assert!(rows.len() > 60, "{}", rows.len());
    for row in rows {
        assert_eq!(row.len(), 5, "{row:?}");
        assert!(row[3].len() >= 10 && row[4].len() >= 10, "{row:?}");
    }
}

fn shown() -> BTreeMap<String, Described> {
    let describe = |(name, family): (String, super::parsed::Family)| {
        let mut labels = BTreeMap::<String, BTreeSet<String>>::new();
        for (label, value) in family.samples.into_iter().flat_map(|sample| sample.labels) {
            if label == "le" {
                continue;
            }
            let values = labels.entry(label.clone()).or_default();
            if !OPEN.contains(&label.as_str()) {
                values.insert(value);
            }
        }
        (name, (family.kind, labels))
    };
    everything().into_iter().map(describe).collect()
}

fn documented() -> BTreeMap<String, Described> {
    let mut all = BTreeMap::new();
    for row in rows() {
        let name = quoted(&row[0]).remove(0);
        let described = (row[1].clone(), labels(&row[2]));
        assert!(all.insert(name.clone(), described).is_none(), "{name}");
    }
    all
}

/// The cells of the rows that are about a metric.
fn rows() -> Vec<Vec<String>> {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/metrics.md");
    let text = std::fs::read_to_string(path).unwrap();
    let rows = text.lines().filter(|line| line.starts_with("| `"));
    let cells = |row: &str| {
        let row = row.trim_matches(['|', ' ']).to_owned();
        row.split(" | ")
            .map(|cell| cell.trim().to_owned())
            .collect()
    };
    rows.map(cells).collect()
}

/// The labels of a cell: each with its values, or with words that say where they come from.
fn labels(cell: &str) -> BTreeMap<String, BTreeSet<String>> {
    let parts = cell.split("; ").filter(|part| *part != "none");
    parts
        .map(|part| {
            let (label, values) = part.split_once(": ").expect("a label and its values");
            let label = quoted(label).remove(0);
            let open = OPEN.contains(&label.as_str());
            let values = quoted(values);
            assert_eq!(values.is_empty(), open, "{part}");
            (label, values.into_iter().collect())
        })
        .collect()
}

/// What stands in backticks.
fn quoted(text: &str) -> Vec<String> {
    text.split('`')
        .skip(1)
        .step_by(2)
        .map(str::to_owned)
        .collect()
}
