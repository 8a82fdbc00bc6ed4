//! The comparison with OPA itself: the generated policies, each in a package of its own, so that
//! one start of the binary answers hundreds of them.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::process::Command;

use proptest::strategy::{Strategy, ValueTree};
use proptest::test_runner::{Config, TestRunner};
use serde_json::Value;

use crate::generate::{self, Case};
use crate::{builtins, load, options, order, outcome, tokens};

/// The binary that `PORTCULLIS_OPA` names.
pub(crate) fn binary() -> String {
    #[expect(
        clippy::disallowed_methods,
        reason = "only a test can be told where OPA is"
    )]
    std::env::var("PORTCULLIS_OPA").expect("PORTCULLIS_OPA names an opa binary")
}

/// Compares both evaluators with OPA.
pub(crate) fn compare() {
    let opa = binary();
    let cases = cases(
        Config::default()
            .cases
            .max(500)
            .try_into()
            .expect("a count"),
    );
    let mut differences = String::new();
    let mut compared = 0;
    for batch in cases.chunks(100) {
        let answers = ask(&opa, batch);
        for (at, case) in batch.iter().enumerate() {
            let policy = load(&case.policy, &case.data, &options()).expect("was loaded before");
            for (run, input) in case.inputs.iter().enumerate() {
                let Some(theirs) = answers.get(&(at, run)) else {
                    continue;
                };
                compared += 1;
                let ours = outcome(&policy, input);
                if !same(&ours, theirs) {
                    let _ = writeln!(
                        differences,
                        "ours {ours}, OPA's {theirs}, input {input}, data {}, {:?}\n{}",
                        case.data,
                        policy.engine(),
                        case.policy
                    );
                }
            }
        }
    }
    // OPA checks types and unused variables: it takes about every fourth case with its three inputs.
    assert!(compared * 3 > cases.len(), "only {compared} comparisons");
    assert!(differences.is_empty(), "{differences}");
}

/// Compares what `io.jwt.*` says with what OPA says.
pub(crate) fn compare_tokens() {
    let opa = binary();
    let cases = tokens::same();
    let answers = ask(&opa, &cases);
    let mut differences = String::new();
    for (at, case) in cases.iter().enumerate() {
        let policy = load(&case.policy, &case.data, &options()).expect("it loads");
        for (run, input) in case.inputs.iter().enumerate() {
            let theirs = answers.get(&(at, run)).expect("OPA compiles it");
            let ours = outcome(&policy, input);
            if !same(&ours, theirs) {
                let _ = writeln!(
                    differences,
                    "ours {ours}\nOPA's {theirs}\ninput {input}\n{}",
                    case.policy
                );
            }
        }
    }
    assert!(differences.is_empty(), "{differences}");
}

/// Asks OPA what it is said to answer where we differ.
pub(crate) fn compare_differences() {
    let opa = binary();
    let rows = [tokens::differences(), order::differences()].concat();
    let cases: Vec<Case> = rows.iter().map(|row| row.case.clone()).collect();
    let answers = ask(&opa, &cases);
    let mut wrong = String::new();
    for (at, row) in rows.iter().enumerate() {
        let theirs = answers.get(&(at, 0)).expect("OPA compiles it");
        if !same(row.theirs, theirs) {
            let input = &row.case.inputs[0];
            let _ = writeln!(wrong, "OPA says {theirs}, not {}: {input}", row.theirs);
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
}

/// Compares built-ins below their caps with OPA.
pub(crate) fn compare_builtins() {
    let opa = binary();
    let cases = builtins::below();
    let answers = ask(&opa, &cases);
    let mut differences = String::new();
    for (at, case) in cases.iter().enumerate() {
        let policy = load(&case.policy, &case.data, &options()).expect("it loads");
        for (run, input) in case.inputs.iter().enumerate() {
            let theirs = answers.get(&(at, run)).expect("OPA compiles it");
            let ours = outcome(&policy, input);
            if !same(&ours, theirs) {
                let _ = writeln!(
                    differences,
                    "ours {ours}\nOPA's {theirs}\ninput {input}\n{}",
                    case.policy
                );
            }
        }
    }
    assert!(differences.is_empty(), "{differences}");
}

/// Whether our outcome is OPA's value, with sets as OPA prints them.
pub(crate) fn same(ours: &str, theirs: &str) -> bool {
    equal(ours, theirs) || equal(&unordered_text(ours), &unordered_text(theirs))
}

fn equal(ours: &str, theirs: &str) -> bool {
    let value = |text: &str| portcullis::input::Value::from_json_str(text).ok();
    match (value(ours), value(theirs)) {
        (Some(ours), Some(theirs)) => ours == theirs,
        _ => ours == theirs,
    }
}

fn unordered_text(text: &str) -> String {
    let value = serde_json::from_str(text).map(unordered);
    value.map_or_else(|_| text.to_owned(), |value| value.to_string())
}

/// A set is printed as an array, in its order. Where it has an object and a set, that is not OPA's, as
/// [`order`] has it: such arrays are put into one order.
fn unordered(value: Value) -> Value {
    match value {
        Value::Array(items) => {
            let mut items: Vec<Value> = items.into_iter().map(unordered).collect();
            if items.iter().any(Value::is_object) && items.iter().any(Value::is_array) {
                items.sort_by_cached_key(Value::to_string);
            }
            Value::Array(items)
        }
        Value::Object(fields) => {
            let fields = fields.into_iter();
            fields.map(|(key, value)| (key, unordered(value))).collect()
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => value,
    }
}

/// Cases that load.
fn cases(count: usize) -> Vec<Case> {
    let mut runner = TestRunner::new(Config::default());
    let choices = proptest::collection::vec(proptest::num::u8::ANY, 20..250);
    let mut cases = Vec::new();
    while cases.len() < count {
        let tree = choices.new_tree(&mut runner).expect("bytes");
        let case = generate::case(&tree.current());
        if load(&case.policy, &case.data, &options()).is_ok() {
            cases.push(case);
        }
    }
    cases
}

/// OPA's outcome of each run, by case and input; runs that OPA does not compile are left out.
pub(crate) fn ask(opa: &str, cases: &[Case]) -> BTreeMap<(usize, usize), String> {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let mut data = serde_json::Map::new();
    let mut included = Vec::new();
    for (at, case) in cases.iter().enumerate() {
        let text = case
            .policy
            .replacen("package t", &format!("package c{at}.t"), 1)
            .replace("data.", &format!("data.c{at}."));
        let path = folder.path().join(format!("c{at}.rego"));
        std::fs::write(&path, text).expect("written");
        let check = Command::new(opa)
            .arg("check")
            .arg(&path)
            .output()
            .expect("opa runs");
        if !check.status.success() {
            std::fs::remove_file(&path).expect("removed");
            continue;
        }
        included.push(at);
        let base: Value = serde_json::from_str(&case.data).expect("JSON");
        data.insert(format!("c{at}"), base);
    }
    let data = serde_json::to_vec(&data).expect("JSON");
    std::fs::write(folder.path().join("data.json"), data).expect("written");
    let mut answers = BTreeMap::new();
    let runs = cases.iter().map(|case| case.inputs.len()).max();
    for run in 0..runs.unwrap_or_default() {
        let included: Vec<usize> = included
            .iter()
            .copied()
            .filter(|at| run < cases[*at].inputs.len())
            .collect();
        answers.extend(ask_run(opa, folder.path(), cases, &included, run));
    }
    answers
}

fn ask_run(
    opa: &str,
    folder: &std::path::Path,
    all: &[Case],
    included: &[usize],
    run: usize,
) -> BTreeMap<(usize, usize), String> {
    // One conflict would fail the whole query, so that a failing half is asked again in halves.
    let mut answers = BTreeMap::new();
    let mut open = vec![included.to_vec()];
    while let Some(cases) = open.pop() {
        let fields: Vec<String> = cases
            .iter()
            .map(|at| {
                // Written out: with a reference as the input, a comprehension saw none of it.
                let input = &all[*at].inputs[run];
                format!("\"{at}\": [x | x := data.c{at}.t.decision with input as {input}]")
            })
            .collect();
        let output = Command::new(opa)
            .args(["eval", "--format", "raw", "-d"])
            .arg(folder)
            .arg(format!("{{{}}}", fields.join(", ")))
            .output()
            .expect("opa runs");
        if output.status.success() {
            let result: BTreeMap<String, Vec<Value>> =
                serde_json::from_slice(&output.stdout).expect("OPA's JSON");
            for (at, values) in result {
                let text = values
                    .first()
                    .map_or_else(|| "undefined".to_owned(), ToString::to_string);
                answers.insert((at.parse().expect("a number"), run), text);
            }
        } else if let [at] = cases.as_slice() {
            let error = String::from_utf8_lossy(&output.stderr).into_owned();
            let error = error + &String::from_utf8_lossy(&output.stdout);
            let conflict = error.contains("eval_conflict_error");
            let text = if conflict {
                "conflict".to_owned()
            } else {
                format!("failed: {error}")
            };
            answers.insert((*at, run), text);
        } else {
            let (left, right) = cases.split_at(cases.len() / 2);
            open.extend([left.to_vec(), right.to_vec()]);
        }
    }
    answers
}
