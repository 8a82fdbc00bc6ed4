//! Explanations agree with decisions: for every construct, for policies made of them at random, and
//! for the policies that are shipped.

#![expect(
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test fails by panicking"
)]

#[path = "differential/generate.rs"]
#[expect(clippy::let_underscore_must_use, reason = "as in the test it is from")]
mod generate;
#[path = "differential/tables.rs"]
#[expect(dead_code, reason = "another test uses the rest")]
mod tables;

use std::{collections::BTreeSet, fs, path::Path, time::Duration};

use portcullis::{
    identity::{Identity, Xfcc, jwt::JwtError},
    input::{Options, Plan, Value},
    policy::{
        Entrypoint, EvalError, Limits, LoadOptions, PolicyFile, PolicySet,
        explain::{Explainer, Explanation, Outcome, Reach, RuleTold},
    },
    request::RequestView,
    sources,
};
use proptest::prelude::*;

const REACH: Reach = Reach {
    each: Limits {
        time: Duration::from_secs(30),
        instructions: 10_000_000,
        memory: 64 << 20,
    },
    all: Duration::from_secs(300),
};

fn file(name: &str, bytes: &[u8]) -> PolicyFile {
    PolicyFile {
        name: name.to_owned(),
        data_path: Vec::new(),
        bytes: bytes.to_vec(),
    }
}

fn explainer(files: &[PolicyFile], path: &str, v0: bool) -> Option<Explainer> {
    let set = PolicySet {
        files,
        ..PolicySet::default()
    };
    let options = LoadOptions {
        entrypoint: Entrypoint::Path(path.split('/').map(str::to_owned).collect()),
        v0_compatible: v0,
        strict_builtin_errors: false,
    };
    Explainer::new(&set, &options).ok()
}

/// Explains, and holds what is told against what the policy says; whether the rule gave a value.
fn judge(explainer: &Explainer, input: &Value, about: &str) -> bool {
    let explanation = explainer.explain(input, &[], REACH);
    let evaluated = explainer.policy().evaluate(input.clone(), REACH.each);
    assert_eq!(explanation.cut_short, None, "{about}");
    let told = format!("of {input} with\n{about}\n{explanation}");
    match evaluated {
        Ok(_) => {
            agrees(&explanation, &told);
            true
        }
        Err(EvalError::Undefined) => {
            assert!(explanation.decided_by.is_empty(), "{told}");
            agrees(&explanation, &told);
            false
        }
        // Of what failed no more is known than that it failed.
        Err(_) => false,
    }
}

/// Whether the bodies that hold are those that decided, and every rule is what its bodies say.
fn agrees(explanation: &Explanation, told: &str) {
    let decided = explanation.decided_by.iter();
    let asked: BTreeSet<&str> = explanation
        .rules
        .iter()
        .map(|it| it.rule.as_str())
        .collect();
    // Where a definition only names another rule, that one's are there too.
    let decided: BTreeSet<_> = decided
        .filter(|place| !place.default && asked.contains(place.rule.as_str()))
        .map(|place| (place.file.as_str(), place.row))
        .collect();
    let held: BTreeSet<_> = explanation.rules.iter().flat_map(held).collect();
    assert_eq!(held, decided, "{told}");
    explanation
        .rules
        .iter()
        .for_each(|rule| consistent(rule, told));
}

fn held(rule: &RuleTold) -> Vec<(&str, u32)> {
    let held = rule.definitions.iter().filter(|body| match &body.outcome {
        Outcome::Held { value, .. } => value != "undefined",
        Outcome::Untold(why) => panic!("{}: {why}", rule.rule),
        Outcome::Stopped(_) | Outcome::NotTried | Outcome::OtherArguments(_) => false,
    });
    held.map(|body| (body.file.as_str(), body.row)).collect()
}

/// A rule has a value if and only if a body of it holds, or it has a default.
fn consistent(rule: &RuleTold, told: &str) {
    // Deeper than is told, or told elsewhere.
    if rule.definitions.is_empty() {
        return;
    }
    let is_undefined = rule.value == "undefined" || rule.value == "set()" || rule.value == "{}";
    let held = held(rule);
    match &rule.default {
        Some(default) => assert_eq!(default.used, held.is_empty(), "{}\n{told}", rule.rule),
        None if held.is_empty() => assert!(is_undefined, "{}\n{told}", rule.rule),
        None => assert_ne!(rule.value, "undefined", "{}\n{told}", rule.rule),
    }
    for body in &rule.definitions {
        match &body.outcome {
            Outcome::Held { rules, .. } => rules.iter().for_each(|rule| consistent(rule, told)),
            Outcome::Stopped(stop) => {
                assert!(body.held < body.conditions, "{told}");
                stop.rules.iter().for_each(|rule| consistent(rule, told));
            }
            Outcome::NotTried | Outcome::OtherArguments(_) | Outcome::Untold(_) => {}
        }
    }
}

#[test]
fn every_construct_is_explained_as_it_is_decided() {
    let (mut gave, mut gave_not) = (0, 0);
    for row in tables::PROVEN.iter().chain(tables::INTERPRETED) {
        let module = row.module();
        let files = [
            file("t.rego", module.as_bytes()),
            file("data.json", tables::DATA.as_bytes()),
        ];
        let loaded = explainer(&files, "t/decision", false)
            .or_else(|| explainer(&files, "t/decision", true));
        let Some(explainer) = loaded else {
            // Some only load as a query.
            continue;
        };
        for input in tables::INPUTS {
            let input = Value::from_json_str(input).unwrap();
            if judge(&explainer, &input, &module) {
                gave += 1;
            } else {
                gave_not += 1;
            }
        }
    }
    assert!(
        gave > 60 && gave_not > 30,
        "{gave} with a value, {gave_not} without"
    );
}

#[test]
fn every_shipped_policy_is_explained_as_it_decides() {
    let documents = captured();
    let library = Path::new(env!("CARGO_MANIFEST_DIR")).join("policies");
    let entrypoint = "envoy/authz/allow".to_owned();
    let mut sets = vec![(sources::embedded::quickstart(), entrypoint)];
    for folder in fs::read_dir(&library).unwrap() {
        let folder = folder.unwrap().path();
        let name = folder.file_name().unwrap().to_str().unwrap();
        let files = [format!("{name}.rego"), "data.json".to_owned()];
        let files = files.iter().filter_map(|file_name| {
            let bytes = fs::read(folder.join(file_name)).ok()?;
            Some(file(&format!("{name}/{file_name}"), &bytes))
        });
        let files: Vec<PolicyFile> = files.collect();
        for rule in ["allow", "deny", "applies", "read"] {
            sets.push((files.clone(), format!("portcullis/patterns/{name}/{rule}")));
        }
        if name == "published_skeleton" {
            sets.push((files, "envoy/authz/allow".to_owned()));
        }
    }
    let (mut asked, mut held) = (0, 0);
    for (files, entrypoint) in &sets {
        let Some(explainer) = explainer(files, entrypoint, false) else {
            continue;
        };
        asked += 1;
        for (name, document) in documents.iter().step_by(2) {
            let about = format!("{entrypoint} of {name}");
            held += usize::from(judge(&explainer, document, &about));
        }
    }
    assert!(
        asked >= 10 && held >= 100,
        "{asked} entrypoints, {held} values"
    );
}

fn captured() -> Vec<(String, Value)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/captures");
    let files = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path());
    let wire = files.filter(|path| path.extension().is_some_and(|it| it == "pb"));
    let mut documents: Vec<_> = wire
        .map(|path| {
            let bytes = fs::read(&path).unwrap();
            let view = RequestView::parse(&bytes).unwrap();
            let identity = Identity::of(&view, Xfcc::Ignored);
            let plan = Plan::everything(&Options::default());
            let document = plan
                .build(&view, &identity, Err(JwtError::Missing))
                .unwrap();
            (path.display().to_string(), document)
        })
        .collect();
    documents.sort();
    documents
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 150, ..ProptestConfig::default() })]

    #[test]
    fn policies_made_at_random_are_explained_as_they_decide(
        choices in prop::collection::vec(any::<u8>(), 0..120)
    ) {
        let case = generate::case(&choices);
        let files = [
            file("t.rego", case.policy.as_bytes()),
            file("data.json", case.data.as_bytes()),
        ];
        if let Some(explainer) = explainer(&files, "t/decision", false) {
            for input in &case.inputs {
                let input = Value::from_json_str(input).unwrap();
                judge(&explainer, &input, &case.policy);
            }
        }
    }
}
