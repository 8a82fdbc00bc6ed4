//! A strict reader of both text formats: whatever the formats do not allow is a panic.

use std::collections::{BTreeMap, BTreeSet};

/// The two formats of a scrape.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Format {
    OpenMetrics,
    Prometheus,
}

/// One metric with all that is said of it.
#[derive(Clone, Debug, Default)]
pub(super) struct Family {
    pub(super) kind: String,
    pub(super) samples: Vec<Sample>,
}

/// One line that has a value.
#[derive(Clone, Debug)]
pub(super) struct Sample {
    pub(super) name: String,
    pub(super) labels: BTreeMap<String, String>,
    pub(super) value: f64,
}

/// Every family by its name.
pub(super) fn parse(text: &str, format: Format) -> BTreeMap<String, Family> {
    let body = match format {
        Format::OpenMetrics => text.strip_suffix("# EOF\n").expect("an end"),
        Format::Prometheus => text,
    };
    assert!(body.is_empty() || body.ends_with('\n'));
    let mut families = BTreeMap::<String, Family>::new();
    let mut described = None;
    let mut current = String::new();
    for line in body.lines() {
        if let Some(text) = line.strip_prefix("# HELP ") {
            let (name, help) = text.split_once(' ').expect("a description");
            assert!(help.ends_with('.') && !help.contains('\\'), "{line}");
            assert_eq!(described.replace(name), None, "{line}");
        } else if let Some(text) = line.strip_prefix("# TYPE ") {
            let (name, kind) = text.split_once(' ').expect("a type");
            assert_eq!(described.take(), Some(name), "{line}");
            assert_name(name);
            let counts = kind == "counter";
            assert_eq!(
                name.ends_with("_total"),
                counts && format == Format::Prometheus,
                "{line}"
            );
            let untyped = match format {
                Format::OpenMetrics => "unknown",
                Format::Prometheus => "untyped",
            };
            assert!(
                ["counter", "gauge", "histogram", untyped].contains(&kind),
                "{line}"
            );
            name.clone_into(&mut current);
            let family = Family {
                kind: kind.to_owned(),
                samples: Vec::new(),
            };
            assert!(families.insert(current.clone(), family).is_none(), "{line}");
        } else {
            assert!(described.is_none() && !line.starts_with('#'), "{line}");
            let sample = sample(line);
            let family = families.get_mut(&current).expect("a family before samples");
            assert_belongs(&sample, &current, &family.kind, format);
            family.samples.push(sample);
        }
    }
    assert_eq!(described, None);
    families.values().for_each(assert_consistent);
    families
}

fn sample(line: &str) -> Sample {
    let (series, value) = line.rsplit_once(' ').expect("a value");
    let value = value.parse().expect("a number");
    let (name, labels) = match series.split_once('{') {
        Some((name, labels)) => (name, labels.strip_suffix('}').expect("all labels")),
        None => (series, ""),
    };
    assert_name(name);
    Sample {
        name: name.to_owned(),
        labels: read_labels(labels),
        value,
    }
}

fn read_labels(mut text: &str) -> BTreeMap<String, String> {
    let mut labels = BTreeMap::new();
    while !text.is_empty() {
        let (name, rest) = text.split_once("=\"").expect("a label");
        assert_name(name);
        let (value, rest) = read_value(rest);
        assert!(labels.insert(name.to_owned(), value).is_none(), "{name}");
        text = rest.strip_prefix(',').unwrap_or(rest);
        assert_eq!(text.is_empty(), rest.is_empty(), "a comma before nothing");
        assert!(rest.is_empty() || rest.starts_with(','), "{rest}");
    }
    labels
}

/// A value up to its closing quote, and what comes after.
fn read_value(text: &str) -> (String, &str) {
    let mut value = String::new();
    let mut characters = text.chars();
    while let Some(character) = characters.next() {
        match character {
            '"' => return (value, characters.as_str()),
            '\\' => match characters.next().expect("an escape") {
                'n' => value.push('\n'),
                escaped @ ('\\' | '"') => value.push(escaped),
                other => panic!("`\\{other}` is no escape"),
            },
            other => value.push(other),
        }
    }
    panic!("no end of {text}")
}

fn assert_name(name: &str) {
    assert!(name.starts_with(|c: char| c.is_ascii_lowercase()), "{name}");
    let good = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
    assert!(name.chars().all(good), "{name}");
}

fn assert_belongs(sample: &Sample, family: &str, kind: &str, format: Format) {
    let suffix = sample.name.strip_prefix(family).expect("its family's name");
    let wanted = match (kind, format) {
        ("counter", Format::OpenMetrics) => &["_total"][..],
        ("histogram", _) => &["_bucket", "_sum", "_count"][..],
        _ => &[""][..],
    };
    assert!(wanted.contains(&suffix), "{sample:?} in {family} ({kind})");
    assert_eq!(sample.labels.contains_key("le"), suffix == "_bucket");
    if kind != "gauge" {
        assert!(sample.value >= 0.0, "{sample:?}");
    }
}

/// No series twice, and histograms whose buckets grow up to their count.
fn assert_consistent(family: &Family) {
    let mut seen = BTreeSet::new();
    let mut buckets = BTreeMap::<_, Vec<(f64, f64)>>::new();
    let mut counts = BTreeMap::new();
    for sample in &family.samples {
        assert!(seen.insert((&sample.name, &sample.labels)), "{sample:?}");
        let mut labels = sample.labels.clone();
        if let Some(bound) = labels.remove("le") {
            let bound = bound.parse().expect("a bound");
            buckets
                .entry(labels)
                .or_default()
                .push((bound, sample.value));
        } else if sample.name.ends_with("_count") {
            counts.insert(labels, sample.value);
        }
    }
    if family.kind != "histogram" {
        return;
    }
    assert_eq!(buckets.len(), counts.len());
    for (labels, buckets) in buckets {
        let grow = |two: &[(f64, f64)]| two[0].0 < two[1].0 && two[0].1 <= two[1].1;
        assert!(buckets.windows(2).all(grow), "{buckets:?}");
        let (bound, all) = *buckets.last().expect("a bucket");
        assert_eq!((bound, all), (f64::INFINITY, counts[&labels]));
    }
}
