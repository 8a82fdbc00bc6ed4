//! The example of `docs/http_send.md`: its configuration, its policy, and the line that answers it.

use std::time::{Duration, Instant};

use portcullis::{
    config::{Config, Given},
    http_send::Origin,
    input::Value,
    policy::{Engine, Entrypoint, EvalError, Externals, Limits, LoadOptions, Policy, PolicyFile},
};
use serde_json::json;

use crate::{
    Sender,
    backend::{Answer, Backend, text},
};

const DOCUMENT: &str = include_str!("../../docs/http_send.md");

fn block(language: &str) -> &'static str {
    let (_, rest) = DOCUMENT.split_once(&format!("```{language}\n")).unwrap();
    rest.split_once("```").unwrap().0
}

fn policy(backend: &Backend) -> Policy {
    let text = block("rego").replace("https://sessions.internal", &backend.origin());
    let file = PolicyFile {
        name: "example.rego".to_owned(),
        data_path: Vec::new(),
        bytes: text.into_bytes(),
    };
    let entrypoint = ["envoy", "authz", "allow"].map(str::to_owned).to_vec();
    let options = LoadOptions {
        entrypoint: Entrypoint::Path(entrypoint),
        v0_compatible: false,
        strict_builtin_errors: false,
    };
    Policy::load(&[file], &options).unwrap()
}

/// As a check does it: evaluates, fetches what is awaited, and evaluates anew.
async fn decide(policy: &Policy, sender: &Sender, token: &str) -> Result<Value, EvalError> {
    let input = json!({"attributes": {"request": {"http": {"headers": {"authorization": token}}}}});
    let limits = Limits {
        time: Duration::from_secs(10),
        instructions: 1_000_000,
        memory: 64 << 20,
    };
    let deadline = Instant::now() + Duration::from_secs(20);
    let mut externals = Externals::default();
    loop {
        let result = policy.evaluate_with(Value::from(input.clone()), limits, &mut externals);
        let Some(request) = externals.awaited() else {
            return result;
        };
        assert!(matches!(result, Err(EvalError::Awaits)));
        let answer = sender.client.send(&request, deadline).await;
        externals.answer(request, answer);
    }
}

fn active(active: bool) -> Answer {
    text(&json!({"active": active}).to_string())
        .with("content-type", "application/json")
        .with("cache-control", "max-age=60")
}

#[tokio::test]
async fn the_policy_decides_by_what_the_service_says() {
    let backend = Backend::start(active(true)).await;
    let policy = policy(&backend);
    assert_eq!(
        policy.engine(),
        Engine::Rvm,
        "{:?}",
        policy.interpreted_because()
    );
    let sender = Sender::to(&[&backend.origin()]);
    for _ in 0..3 {
        assert_eq!(
            decide(&policy, &sender, "Bearer a").await.unwrap(),
            Value::from(true)
        );
    }
    assert_eq!(backend.count(), 1);
    assert_eq!(backend.seen()[0].header("authorization"), Some("Bearer a"));
    backend.set(active(false));
    assert_eq!(
        decide(&policy, &sender, "Bearer b").await.unwrap(),
        Value::from(false)
    );
}

#[tokio::test]
async fn the_policy_denies_when_the_service_fails_or_is_not_allowed() {
    for wrong in [
        Answer::HangUp,
        Answer::Stall,
        active(true).status(500),
        text("{}"),
    ] {
        let backend = Backend::start(wrong.clone()).await;
        let policy = policy(&backend);
        let sender = Sender::to(&[&backend.origin()]);
        let decided = decide(&policy, &sender, "Bearer a").await.unwrap();
        assert_eq!(decided, Value::from(false), "{wrong:?}");
        let nowhere = decide(&policy, &Sender::to(&[]), "Bearer a").await;
        assert!(matches!(nowhere, Err(EvalError::Failed(_))), "{nowhere:?}");
    }
}

#[test]
fn the_configuration_is_accepted_and_allows_the_service() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("config.yaml");
    std::fs::write(&path, block("yaml")).unwrap();
    let given = Given {
        file: Some(&path),
        ..Given::default()
    };
    let config = Config::load(given, &|_| None).unwrap();
    let allowed = Origin::of_entry("https://sessions.internal").unwrap();
    assert_eq!(config.portcullis.http_send.allow, allowed);
}
