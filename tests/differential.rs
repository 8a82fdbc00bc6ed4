//! The proof behind `portcullis::policy::Construct`: policies made of proven constructs have one
//! meaning, whichever evaluator runs them.
//!
//! Generated policies are compared on both evaluators here and, where the environment names an OPA
//! binary, with OPA itself (`PORTCULLIS_OPA=/path/to/opa cargo test --test differential --
//! --ignored`). The two tables hold the list: every construct with an example that runs on the
//! virtual machine, or with one that must not. What a comparison finds leaves the first table.

#![expect(
    clippy::arithmetic_side_effects,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::let_underscore_must_use,
    clippy::use_debug,
    clippy::wildcard_enum_match_arm,
    reason = "a test may fail by panicking"
)]

#[path = "differential/builtins.rs"]
mod builtins;
#[path = "differential/bundles.rs"]
mod bundles;
#[path = "differential/difference.rs"]
mod difference;
#[path = "differential/generate.rs"]
mod generate;
#[path = "differential/masks.rs"]
mod masks;
#[path = "differential/opa.rs"]
mod opa;
#[path = "differential/order.rs"]
mod order;
#[path = "differential/tables.rs"]
mod tables;
#[path = "differential/tokens.rs"]
mod tokens;

use std::collections::BTreeSet;
use std::time::Duration;

use generate::Case;
use portcullis::input::{Reads, Value};
use portcullis::policy::{
    Construct, Engine, Entrypoint, EvalError, Limits, LoadOptions, Policy, PolicyFile,
};
use proptest::prelude::*;
use tables::{INTERPRETED, PROVEN, Row};

const LIMITS: Limits = Limits {
    time: Duration::from_secs(30),
    instructions: 10_000_000,
    memory: 64 * 1024 * 1024,
};

fn file(name: &str, text: &str) -> PolicyFile {
    PolicyFile {
        name: name.to_owned(),
        data_path: Vec::new(),
        bytes: text.as_bytes().to_vec(),
    }
}

fn options() -> LoadOptions {
    LoadOptions {
        entrypoint: Entrypoint::Path(vec!["t".to_owned(), "decision".to_owned()]),
        v0_compatible: false,
        strict_builtin_errors: false,
    }
}

fn load(policy: &str, data: &str, options: &LoadOptions) -> Result<Policy, String> {
    Policy::load(&[file("t.rego", policy), file("data.json", data)], options).map_err(|error| {
        let problems: Vec<String> = error.0.iter().map(ToString::to_string).collect();
        problems.join("\n")
    })
}

/// What an evaluation comes to, in words that both evaluators share.
fn outcome(policy: &Policy, input: &str) -> String {
    let input = Value::from_json_str(input).expect("JSON");
    match policy.evaluate(input, LIMITS) {
        Ok(value) => value.to_string(),
        Err(EvalError::Undefined) => "undefined".to_owned(),
        Err(EvalError::Conflict(_)) => "conflict".to_owned(),
        Err(EvalError::Failed(error)) => format!("failed: {error}"),
        Err(EvalError::TimeLimit | EvalError::InstructionLimit(_) | EvalError::MemoryLimit(_)) => {
            "limit".to_owned()
        }
        Err(EvalError::Awaits) => "awaits".to_owned(),
    }
}

/// Whether the machine ran `case`, after both evaluators have said the same.
fn agree(case: &Case) -> Result<bool, TestCaseError> {
    // The generator does not know every rule of Rego: what does not load is no case.
    let Ok(policy) = load(&case.policy, &case.data, &options()) else {
        return Ok(false);
    };
    if policy.engine() != Engine::Rvm {
        return Ok(false);
    }
    let interpreted = policy.on_interpreter();
    for input in &case.inputs {
        prop_assert_eq!(
            outcome(&policy, input),
            outcome(&interpreted, input),
            "machine (left) and interpreter (right) on input {} with data {} and\n{}",
            input,
            &case.data,
            &case.policy
        );
    }
    Ok(true)
}

fn config() -> ProptestConfig {
    let mut config = ProptestConfig::default();
    if config.cases == 256 {
        // Nobody asked for a number.
        config.cases = 1_000;
    }
    config.max_shrink_iters = 20_000;
    config
}

#[test]
fn machine_and_interpreter_agree_on_generated_policies() {
    let choices = prop::collection::vec(any::<u8>(), 20..250);
    let (mut cases, mut on_machine) = (0_usize, 0_usize);
    let mut runner = proptest::test_runner::TestRunner::new(config());
    let counts = std::cell::RefCell::new((&mut cases, &mut on_machine));
    let result = runner.run(&choices, |choices| {
        let ran = agree(&generate::case(&choices))?;
        let mut counts = counts.borrow_mut();
        *counts.0 += 1;
        *counts.1 += usize::from(ran);
        Ok(())
    });
    if let Err(failure) = result {
        panic!("{failure}");
    }
    // A generator that misses the list would prove nothing.
    assert!(
        on_machine * 2 > cases,
        "{on_machine} of {cases} cases ran on the machine"
    );
}

/// What is left of a document when only `reads` is built of it.
fn pruned(document: &serde_json::Value, reads: &Reads) -> serde_json::Value {
    match (document, reads) {
        (serde_json::Value::Object(fields), Reads::Keys(_)) => {
            let kept = fields.iter().filter(|(key, _)| reads.child(key).any());
            let kept = kept.map(|(key, value)| (key.clone(), pruned(value, reads.child(key))));
            serde_json::Value::Object(kept.collect())
        }
        (serde_json::Value::Object(_), Reads::Nothing) => serde_json::json!({}),
        (other, _) => other.clone(),
    }
}

fn pruning_changes_nothing(policy: &Policy, input: &str) -> Result<(), TestCaseError> {
    let document: serde_json::Value = serde_json::from_str(input).expect("JSON");
    let pruned = pruned(&document, policy.reads()).to_string();
    prop_assert_eq!(
        outcome(policy, input),
        outcome(policy, &pruned),
        "with {} and with {}, which is what is read: {}",
        input,
        &pruned,
        policy.reads()
    );
    Ok(())
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn pruning_the_input_to_what_is_read_changes_nothing(
        choices in prop::collection::vec(any::<u8>(), 20..250),
        with in 0..5_usize,
    ) {
        let mut case = generate::case(&choices);
        // The generator stays on the list; `with` is not on it and changes what is read.
        let replaced = ["input as {\"a\": input.b}", "input.a as input.c", "input.a.b as 1", "data.base as input.c"];
        if let Some(replaced) = replaced.get(with) {
            case.policy = case.policy.replace("decision", "inner");
            let decision = format!("decision := x if {{ x := inner with {replaced} }}\n");
            case.policy.push_str(&decision);
        }
        if let Ok(policy) = load(&case.policy, &case.data, &options()) {
            for input in &case.inputs {
                pruning_changes_nothing(&policy, input)?;
            }
        }
    }
}

#[test]
fn pruning_changes_no_example_of_the_tables() {
    for row in PROVEN.iter().chain(INTERPRETED) {
        if let Ok(policy) = load(&row.module(), tables::DATA, &options()) {
            for input in tables::INPUTS {
                pruning_changes_nothing(&policy, input).expect("the same result");
            }
        }
    }
}

#[test]
fn the_tables_name_each_construct_once_and_where_it_belongs() {
    let of = |rows: &[Row]| {
        rows.iter()
            .map(|row| row.construct)
            .collect::<BTreeSet<_>>()
    };
    let all = |proven: bool| {
        let constructs = Construct::ALL.iter().copied();
        constructs
            .filter(|construct| construct.is_proven() == proven)
            .collect::<BTreeSet<_>>()
    };
    assert_eq!(of(PROVEN), all(true));
    assert_eq!(of(INTERPRETED), all(false));
    assert_eq!(PROVEN.len() + INTERPRETED.len(), Construct::ALL.len());
}

#[test]
fn each_proven_construct_runs_on_the_machine_and_agrees() {
    for row in PROVEN {
        let policy = load(&row.module(), tables::DATA, &options()).expect("the example loads");
        let because = policy.interpreted_because();
        assert_eq!(
            policy.engine(),
            Engine::Rvm,
            "{:?}: {because:?}",
            row.construct
        );
        for input in tables::INPUTS {
            let interpreted = outcome(&policy.on_interpreter(), input);
            assert_eq!(
                outcome(&policy, input),
                interpreted,
                "{:?} {input}",
                row.construct
            );
        }
        comes_to_what_is_expected(row, &policy);
    }
}

/// An example that comes to nothing shows nothing.
fn comes_to_what_is_expected(row: &Row, policy: &Policy) {
    let outcomes: Vec<String> = tables::INPUTS
        .iter()
        .map(|input| outcome(policy, input))
        .collect();
    assert!(
        outcomes.iter().any(|outcome| outcome == row.expected),
        "{:?} comes to {outcomes:?}, never to {}",
        row.construct,
        row.expected
    );
}

#[test]
fn each_construct_without_proof_goes_to_the_interpreter() {
    for row in INTERPRETED {
        let mut options = options();
        match row.construct {
            Construct::RegoV0 => options.v0_compatible = true,
            Construct::StrictBuiltinErrors => options.strict_builtin_errors = true,
            Construct::DocumentEntrypoint => {
                options.entrypoint = Entrypoint::Path(vec!["t".into()]);
            }
            Construct::QueryEntrypoint => {
                options.entrypoint = Entrypoint::Query("data.t.decision".to_owned());
            }
            _ => {}
        }
        let policy = match load(&row.module(), tables::DATA, &options) {
            Ok(policy) => policy,
            Err(problems) => panic!("{:?}: {problems}", row.construct),
        };
        assert_eq!(policy.engine(), Engine::Interpreter, "{:?}", row.construct);
        let reasons: Vec<&str> = policy
            .interpreted_because()
            .iter()
            .map(|reason| reason.message.as_str())
            .collect();
        assert!(
            reasons
                .iter()
                .any(|reason| reason.starts_with(row.construct.name())),
            "{:?} is not among {reasons:?}",
            row.construct
        );
        comes_to_what_is_expected(row, &policy);
    }
}

#[test]
#[ignore = "needs PORTCULLIS_OPA"]
fn generated_policies_mean_what_they_mean_to_opa() {
    opa::compare();
}

#[test]
fn every_policy_with_tokens_loads_and_comes_to_more_than_one_decision() {
    for case in tokens::same() {
        let policy = load(&case.policy, &case.data, &options()).expect("the policy loads");
        assert_eq!(policy.engine(), Engine::Interpreter);
        let outcomes: BTreeSet<String> = case
            .inputs
            .iter()
            .map(|input| outcome(&policy, input))
            .collect();
        assert!(outcomes.len() > 1, "always {outcomes:?}:\n{}", case.policy);
        assert!(
            !outcomes.iter().any(|one| one.starts_with("failed")),
            "{outcomes:?}:\n{}",
            case.policy
        );
    }
}

#[test]
fn what_differs_from_opa_is_as_written_down() {
    for row in [tokens::differences(), order::differences()].concat() {
        let policy = load(&row.case.policy, &row.case.data, &options()).expect("it loads");
        assert_eq!(
            outcome(&policy, &row.case.inputs[0]),
            row.ours,
            "{} {}",
            row.case.policy,
            row.case.inputs[0]
        );
    }
}

#[test]
#[ignore = "needs PORTCULLIS_OPA"]
fn what_opa_is_said_to_answer_differently_is_what_it_answers() {
    opa::compare_differences();
}

#[test]
#[ignore = "needs PORTCULLIS_OPA"]
fn tokens_mean_what_they_mean_to_opa() {
    opa::compare_tokens();
}

#[test]
fn replaced_built_ins_agree_below_their_caps() {
    let mut on_machine = 0;
    for case in builtins::below() {
        let policy = load(&case.policy, &case.data, &options()).expect("it loads");
        on_machine += usize::from(policy.engine() == Engine::Rvm);
        let outcomes: Vec<String> = case
            .inputs
            .iter()
            .map(|input| {
                let ours = outcome(&policy, input);
                let interpreted = outcome(&policy.on_interpreter(), input);
                assert_eq!(ours, interpreted, "{} {input}", case.policy);
                ours
            })
            .collect();
        assert!(
            !outcomes[0].starts_with("failed"),
            "{outcomes:?}\n{}",
            case.policy
        );
    }
    // Those that are proven stay where they were.
    assert!(on_machine >= 25, "{on_machine} on the machine");
}

#[test]
fn replaced_built_ins_fail_above_their_caps_whichever_evaluator_runs_them() {
    let input = builtins::large();
    let mut on_machine = 0;
    for expression in builtins::ABOVE {
        for decision in [
            format!("decision := {expression}"),
            format!("decision if not {expression} == \"never\""),
        ] {
            let text = format!("package t\n\nimport rego.v1\n\n{decision}\n");
            for strict in [false, true] {
                let options = LoadOptions {
                    strict_builtin_errors: strict,
                    ..options()
                };
                let policy = load(&text, "{}", &options).expect("it loads");
                on_machine += usize::from(policy.engine() == Engine::Rvm);
                for policy in [&policy, &policy.on_interpreter()] {
                    let outcome = outcome(policy, &input);
                    assert!(
                        outcome.starts_with("failed: `"),
                        "{decision} on {:?}, strict {strict}: {outcome}",
                        policy.engine()
                    );
                }
            }
        }
    }
    assert!(on_machine >= 10, "{on_machine} on the machine");
}

#[test]
#[ignore = "needs PORTCULLIS_OPA"]
fn replaced_built_ins_mean_what_they_mean_to_opa() {
    opa::compare_builtins();
}

#[test]
#[ignore = "needs PORTCULLIS_OPA"]
fn masks_leave_of_an_event_what_opa_leaves() {
    masks::compare();
}

#[test]
#[ignore = "needs PORTCULLIS_OPA"]
fn bundles_of_opa_mean_here_what_they_mean_there() {
    bundles::opas_load_here();
}

#[test]
#[ignore = "needs PORTCULLIS_OPA"]
fn bundles_of_ours_mean_there_what_they_mean_here() {
    bundles::ours_load_in_opa();
}
