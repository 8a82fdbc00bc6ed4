//! Reads what a query of Prometheus names: series with their matchers, and the labels it groups by. It
//! is no parser: `make alerts` has the real one look at the rules.

use regex::Regex;

/// The series of one metric.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Selector {
    pub(crate) metric: String,
    pub(crate) matchers: Vec<Matcher>,
}

/// One of the conditions between braces.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Matcher {
    pub(crate) label: String,
    pub(crate) operator: String,
    pub(crate) value: String,
}

/// What an expression names.
#[derive(Debug, Default)]
pub(crate) struct Query {
    pub(crate) selectors: Vec<Selector>,
    pub(crate) grouped_by: Vec<String>,
}

/// Words that are followed by labels.
const GROUPING: [&str; 6] = [
    "by",
    "without",
    "on",
    "ignoring",
    "group_left",
    "group_right",
];
/// Words between expressions.
const BETWEEN: [&str; 5] = ["and", "or", "unless", "bool", "offset"];

/// Reads `expr`.
pub(crate) fn read(expr: &str) -> Query {
    let token =
        Regex::new(r#""(?:[^"\\]|\\.)*"|[A-Za-z_:][A-Za-z0-9_:]*|[0-9][0-9a-z.]*|=~|!~|!=|\S"#)
            .unwrap();
    let tokens: Vec<&str> = token.find_iter(expr).map(|found| found.as_str()).collect();
    let mut query = Query::default();
    let mut rest = tokens.as_slice();
    while let [first, after @ ..] = rest {
        rest = match (*first, after) {
            (word, ["(", labels @ ..]) if GROUPING.contains(&word) => {
                let end = position(labels, ")");
                let labels = labels[..end].iter().filter(|label| **label != ",");
                query.grouped_by.extend(labels.map(ToString::to_string));
                &after[end + 2..]
            }
            ("[", _) => &after[position(after, "]") + 1..],
            (word, ["(" | "by" | "without", ..]) if is_name(word) => after,
            (word, _) if GROUPING.contains(&word) || BETWEEN.contains(&word) => after,
            (word, _) if is_name(word) => {
                let (matchers, after) = matchers(after);
                query.selectors.push(Selector {
                    metric: word.to_owned(),
                    matchers,
                });
                after
            }
            (_, _) => after,
        };
    }
    query
}

fn matchers<'t>(tokens: &'t [&'t str]) -> (Vec<Matcher>, &'t [&'t str]) {
    let ["{", inside @ ..] = tokens else {
        return (Vec::new(), tokens);
    };
    let end = position(inside, "}");
    let matchers = inside[..end].split(|token| *token == ",");
    let matchers = matchers.map(|matcher| match matcher {
        [label, operator, value] => Matcher {
            label: (*label).to_owned(),
            operator: (*operator).to_owned(),
            value: value.trim_matches('"').to_owned(),
        },
        other => panic!("no matcher: {other:?}"),
    });
    (matchers.collect(), &inside[end + 1..])
}

fn is_name(token: &str) -> bool {
    token.starts_with(|first: char| first.is_ascii_alphabetic() || first == '_')
}

fn position(tokens: &[&str], wanted: &str) -> usize {
    tokens
        .iter()
        .position(|token| *token == wanted)
        .unwrap_or_else(|| panic!("no `{wanted}` in {tokens:?}"))
}

#[test]
fn metrics_matchers_and_grouping_are_found() {
    let query = read(
        r#"sum by (a, job) (rate(x_total{b="1", c=~"2|3"}[5m])) / on (job) group_left y:z offset 1d > 0.5e3
            and time() - min without (d) (w) < bool 3"#,
    );
    let metrics: Vec<_> = query.selectors.iter().map(|s| s.metric.as_str()).collect();
    assert_eq!(metrics, ["x_total", "y:z", "w"]);
    assert_eq!(query.grouped_by, ["a", "job", "job", "d"]);
    let matchers: Vec<_> = query.selectors[0]
        .matchers
        .iter()
        .map(|m| format!("{}{}{}", m.label, m.operator, m.value))
        .collect();
    assert_eq!(matchers, ["b=1", "c=~2|3"]);
}
