//! The dashboard.

use std::collections::BTreeSet;

use regex::Regex;
use serde_json::Value;

use super::{Known, query, text};

const FILE: &str = "charts/portcullis/files/dashboard.json";
/// What a viewer chooses, each a variable and a matcher of every query.
const CHOICES: [&str; 3] = ["job", "namespace", "pod"];

fn dashboard() -> Value {
    serde_json::from_str(&text(FILE)).unwrap()
}

fn panels(dashboard: &Value) -> &[Value] {
    let panels = dashboard["panels"].as_array().unwrap();
    assert!(panels.len() > 50, "the panels were not found");
    panels
}

/// Every query with its legend.
fn queries(dashboard: &Value) -> Vec<(&str, &str)> {
    let targets = panels(dashboard)
        .iter()
        .filter_map(|panel| panel["targets"].as_array())
        .flatten()
        .map(|target| (&target["expr"], &target["legendFormat"]));
    let annotations = dashboard["annotations"]["list"].as_array().unwrap();
    let annotations = annotations.iter().map(|a| (&a["expr"], &a["textFormat"]));
    targets
        .chain(annotations)
        .map(|(expr, legend)| (expr.as_str().unwrap(), legend.as_str().unwrap()))
        .collect()
}

#[test]
fn every_query_names_metrics_that_exist_and_follows_the_choices() {
    let known = Known::exposed();
    let dashboard = dashboard();
    let shown = Regex::new(r"\{\{(\w+)\}\}").unwrap();
    for (expr, legend) in queries(&dashboard) {
        let labels = known.check(&expr.replace("[$__rate_interval]", "[5m]"));
        for label in shown.captures_iter(legend) {
            assert!(labels.contains(&label[1].to_owned()), "{legend}: {expr}");
        }
        assert!(!shown.replace_all(legend, "").contains("{{"), "{legend}");
        for selector in query::read(expr).selectors {
            let chosen: Vec<_> = selector
                .matchers
                .iter()
                .filter(|matcher| matcher.operator == "=~")
                .map(|matcher| (matcher.label.as_str(), matcher.value.as_str()))
                .collect();
            let wanted = [
                ("job", "$job"),
                ("namespace", "$namespace"),
                ("pod", "$pod"),
            ];
            assert_eq!(chosen, wanted, "{expr}");
        }
    }
}

#[test]
fn a_viewer_chooses_the_source_of_data_and_the_gates() {
    let dashboard = dashboard();
    let variables = dashboard["templating"]["list"].as_array().unwrap();
    let names: Vec<_> = variables
        .iter()
        .map(|v| v["name"].as_str().unwrap())
        .collect();
    assert_eq!(names[0], "datasource");
    assert_eq!(names[1..], CHOICES);
    for variable in &variables[1..] {
        let query = variable["query"]["query"].as_str().unwrap();
        let asks = format!(", {})", variable["name"].as_str().unwrap());
        assert!(
            query.starts_with("label_values(portcullis_build_info"),
            "{query}"
        );
        assert!(query.ends_with(&asks), "{query}");
    }
    assert!(dashboard["schemaVersion"].as_u64().unwrap() >= 39);
}

#[test]
fn every_panel_says_what_it_shows() {
    let dashboard = dashboard();
    let mut ids = BTreeSet::new();
    let mut titles = BTreeSet::new();
    for panel in panels(&dashboard) {
        let title = panel["title"].as_str().unwrap();
        assert!(ids.insert(panel["id"].as_u64().unwrap()), "{title}: id");
        assert!(titles.insert(title), "{title}: title");
        if panel["type"] == "row" {
            continue;
        }
        assert!(
            panel["description"].as_str().unwrap().ends_with('.'),
            "{title}"
        );
        assert_eq!(panel["datasource"]["uid"], "${datasource}", "{title}");
        assert!(
            panel["fieldConfig"]["defaults"]["unit"].is_string(),
            "{title}"
        );
        let targets = panel["targets"].as_array().unwrap();
        let references: BTreeSet<_> = targets.iter().map(|t| t["refId"].as_str()).collect();
        assert!(!targets.is_empty(), "{title}");
        assert_eq!(references.len(), targets.len(), "{title}");
    }
}

#[test]
fn no_panel_lies_on_another() {
    let dashboard = dashboard();
    let mut taken = BTreeSet::new();
    for panel in panels(&dashboard) {
        let at = |key: &str| panel["gridPos"][key].as_u64().unwrap();
        assert!(at("x") + at("w") <= 24, "{}", panel["title"]);
        for x in at("x")..at("x") + at("w") {
            for y in at("y")..at("y") + at("h") {
                assert!(taken.insert((x, y)), "{}", panel["title"]);
            }
        }
    }
}
