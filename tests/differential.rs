//! The proof behind `portcullis::policy::Construct`: policies made of proven constructs have one
//! meaning, whichever evaluator runs them.

#[path = "differential/generate.rs"]
mod generate;

use std::time::Duration;

use generate::Case;
use portcullis::input::Value;
use portcullis::policy::{Engine, Entrypoint, EvalError, Limits, LoadOptions, Policy, PolicyFile};
use proptest::prelude::*;

const LIMITS: Limits = Limits {
    time: Duration::from_secs(30),
    instructions: 10_000_000,
};

fn file(name: &str, text: &str) -> PolicyFile {
    PolicyFile {
        name: name.to_owned(),
        data_path: Vec::new(),
        bytes: text.as_bytes().to_vec(),
    }
}

fn load(policy: &str, data: &str) -> Result<Policy, String> {
    let options = LoadOptions {
        entrypoint: Entrypoint::Path(vec!["t".to_owned(), "decision".to_owned()]),
        v0_compatible: false,
        strict_builtin_errors: false,
    };
    Policy::load(&[file("t.rego", policy), file("data.json", data)], &options)
        .map_err(|error| error.0.iter().map(|d| format!("{d}\n")).collect())
}

/// What an evaluation comes to, in the words both evaluators share.
fn outcome(policy: &Policy, input: &str) -> String {
    let input = Value::from_json_str(input).expect("generated JSON");
    match policy.evaluate(input, LIMITS) {
        Ok(value) => value.to_string(),
        Err(EvalError::Undefined) => "undefined".to_owned(),
        Err(EvalError::Conflict(_)) => "conflict".to_owned(),
        Err(EvalError::Failed(error)) => format!("failed: {error}"),
        Err(EvalError::TimeLimit | EvalError::InstructionLimit(_)) => "limit".to_owned(),
    }
}

fn agree(case: &Case) -> Result<bool, TestCaseError> {
    let Ok(policy) = load(&case.policy, &case.data) else {
        return Ok(false);
    };
    if policy.engine() != Engine::Rvm {
        return Ok(false);
    }
    let reference = policy.on_interpreter();
    for input in &case.inputs {
        prop_assert_eq!(
            outcome(&policy, input),
            outcome(&reference, input),
            "machine (left) and interpreter (right) on input {} with data {} and\n{}",
            input,
            &case.data,
            &case.policy
        );
    }
    Ok(true)
}

proptest! {
    #![proptest_config(ProptestConfig { max_shrink_iters: 20_000, ..ProptestConfig::default() })]

    #[test]
    fn machine_and_interpreter_agree(choices in prop::collection::vec(any::<u8>(), 0..400)) {
        agree(&generate::case(&choices))?;
    }
}

#[test]
#[ignore]
fn stats() {
    let mut seed: u64 = std::env::var("SEED")
        .map(|s| s.parse().unwrap())
        .unwrap_or(1);
    let n: usize = std::env::var("N")
        .map(|s| s.parse().unwrap())
        .unwrap_or(300);
    let (mut rvm, mut fail, mut total, mut differ) = (0, 0, 0, 0);
    let mut best: std::collections::BTreeMap<String, String> = Default::default();
    for _ in 0..n {
        let len = 20 + (seed >> 40) as usize % 200;
        let choices: Vec<u8> = (0..len)
            .map(|_| {
                seed = seed
                    .wrapping_mul(6364136223846793005)
                    .wrapping_add(1442695040888963407);
                (seed >> 33) as u8
            })
            .collect();
        let case = generate::case(&choices);
        total += 1;
        match load(&case.policy, &case.data) {
            Err(e) => {
                fail += 1;
                if fail < 6 {
                    println!("{e}");
                }
            }
            Ok(p) => {
                if p.engine() == Engine::Rvm {
                    rvm += 1;
                } else {
                    continue;
                }
                let r = p.on_interpreter();
                for i in &case.inputs {
                    let (a, b) = (outcome(&p, i), outcome(&r, i));
                    if a != b {
                        differ += 1;
                        let class = b
                            .lines()
                            .last()
                            .unwrap_or("")
                            .chars()
                            .take(40)
                            .collect::<String>();
                        let class = if b.starts_with("failed") {
                            class
                        } else {
                            "value".to_owned()
                        };
                        let text = format!(
                            "machine {a}\ninterp {b}\ninput {i} data {}\n{}",
                            case.data, case.policy
                        );
                        let e = best.entry(class).or_insert_with(|| text.clone());
                        if text.len() < e.len() {
                            *e = text;
                        }
                        break;
                    }
                }
            }
        }
    }
    for (k, v) in &best {
        println!("### {k}\n{v}");
    }
    println!("{rvm} rvm {fail} fail {total} total {differ} differ");
}

#[test]
#[ignore]
fn adhoc() {
    let text = std::fs::read_to_string("/tmp/bt/adhoc.txt").unwrap();
    for case in text.split("---\n") {
        let (input, policy) = case.split_once('\n').unwrap();
        let policy = format!("package t\n{policy}");
        match load(&policy, r#"{"base":{"users":{},"roles":{},"list":[1,2]}}"#) {
            Err(e) => println!("{e}"),
            Ok(p) => {
                println!(
                    "{:?} machine {} interp {}\n{policy}",
                    p.engine(),
                    outcome(&p, input),
                    outcome(&p.on_interpreter(), input)
                );
            }
        }
    }
}
