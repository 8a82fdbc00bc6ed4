//! The alert rules, their tests, and the runbook they lead to.

use std::collections::BTreeSet;

use regex::Regex;
use serde_json::Value;

use super::{Known, exposed, query, text};

const RUNBOOK: &str = "docs/operations.md";
/// What each part of the runbook answers, in this order.
const QUESTIONS: [&str; 5] = [
    "**Means**",
    "**Users see**",
    "**Confirm**",
    "**Do**",
    "**Harmless when**",
];

fn rules() -> Vec<Value> {
    let file = text("charts/portcullis/files/alerts.yaml");
    let file: Value = yaml_serde::from_str(&file).unwrap();
    let groups = file["groups"].as_array().unwrap();
    let rules = groups.iter().flat_map(|g| g["rules"].as_array().unwrap());
    rules.cloned().collect()
}

fn alerts() -> Vec<Value> {
    let alerts: Vec<_> = rules()
        .into_iter()
        .filter(|rule| rule.get("alert").is_some())
        .collect();
    assert!(alerts.len() > 20, "the alerts were not found");
    alerts
}

fn string<'a>(value: &'a Value, key: &str) -> &'a str {
    value[key]
        .as_str()
        .unwrap_or_else(|| panic!("no `{key}` in {value}"))
}

#[test]
fn every_rule_names_metrics_that_exist() {
    let shown = Regex::new(r"\$labels\.(\w+)").unwrap();
    let mut known = Known::exposed();
    for rule in rules() {
        let expr = string(&rule, "expr");
        let labels = known.check(expr);
        if let Some(name) = rule.get("record") {
            let grouped = query::read(expr).grouped_by;
            known
                .recorded
                .insert(name.as_str().unwrap().to_owned(), grouped);
            continue;
        }
        for text in rule["annotations"].as_object().unwrap().values() {
            for label in shown.captures_iter(text.as_str().unwrap()) {
                assert!(labels.contains(&label[1].to_owned()), "no label: {text}");
            }
        }
    }
    assert_eq!(known.exposed, exposed::all());
}

#[test]
fn every_recorded_series_is_used() {
    let used: BTreeSet<_> = rules()
        .iter()
        .flat_map(|rule| query::read(string(rule, "expr")).selectors)
        .map(|selector| selector.metric)
        .collect();
    for name in rules().iter().filter_map(|rule| rule["record"].as_str()) {
        assert!(used.contains(name), "nobody reads `{name}`");
    }
}

#[test]
fn every_alert_says_how_bad_it_is_and_where_to_read_on() {
    let template = Regex::new(
        r#"\{\{ (\$value( \| \w+( "[^"]*")?)?|\$labels\.\w+|with \$labels\.\w+|\.|else|end) \}\}"#,
    )
    .unwrap();
    for alert in alerts() {
        let name = string(&alert, "alert");
        let severity = string(&alert["labels"], "severity");
        assert!(["warning", "critical"].contains(&severity), "{name}");
        let annotations = &alert["annotations"];
        assert!(!string(annotations, "summary").contains("{{"), "{name}");
        let description = string(annotations, "description");
        assert!(description.contains("{{ $labels."), "{name} says not where");
        let plain = template.replace_all(description, "");
        assert!(!plain.contains("{{") && !plain.contains("}}"), "{plain}");
        let anchor = format!("{RUNBOOK}#{}", name.to_lowercase());
        assert_eq!(string(annotations, "runbook_url"), anchor);
    }
}

#[test]
fn every_alert_has_its_part_of_the_runbook_and_the_other_way_round() {
    let runbook = text(RUNBOOK);
    let headed = |heading: &&str| heading.starts_with("Portcullis");
    let headings: Vec<_> = runbook
        .split("\n### ")
        .skip(1)
        .filter(headed)
        .map(|part| part.split("\n## ").next().unwrap())
        .collect();
    let names: Vec<_> = headings.iter().map(|h| h.lines().next().unwrap()).collect();
    let alerts = alerts();
    let alerts: Vec<_> = alerts.iter().map(|alert| string(alert, "alert")).collect();
    assert_eq!(names, alerts);
    for part in headings {
        let mut rest = part;
        for question in QUESTIONS {
            let Some((_, after)) = rest.split_once(question) else {
                panic!("no {question}, or not here: {part}");
            };
            rest = after;
        }
    }
}

#[test]
fn every_alert_is_tested_to_fire_and_to_keep_quiet() {
    let file = text("charts/portcullis/files/alerts_test.yaml");
    let file: Value = yaml_serde::from_str(&file).unwrap();
    let mut tested = BTreeSet::new();
    for test in file["tests"].as_array().unwrap() {
        for alert in test["alert_rule_test"].as_array().unwrap() {
            let fires = alert["exp_alerts"]
                .as_array()
                .is_some_and(|e| !e.is_empty());
            tested.insert((string(alert, "alertname").to_owned(), fires));
        }
    }
    let alerts: BTreeSet<_> = alerts()
        .iter()
        .flat_map(|alert| [true, false].map(|fires| (string(alert, "alert").to_owned(), fires)))
        .collect();
    assert_eq!(tested, alerts);
}
