//! The comparison with OPA itself: the same call against the same backend gives the same response.
//!
//! `PORTCULLIS_OPA=/path/to/opa cargo test --test http_send -- --ignored`

use serde_json::{Value, json};
use tokio::process::Command;

use crate::{
    Sender,
    backend::{Answer, Backend, PHRASE, text},
    get_with,
};

const DATE: &str = "Sun, 06 Nov 1994 08:49:37 GMT";

/// What OPA says of the call, `null` for undefined.
async fn theirs(request: &Value) -> Value {
    #[expect(
        clippy::disallowed_methods,
        reason = "only a test can be told where OPA is"
    )]
    let opa = std::env::var("PORTCULLIS_OPA").expect("PORTCULLIS_OPA names an opa binary");
    let output = Command::new(opa)
        .args(["eval", "--format", "raw"])
        .arg(format!("[x | x := http.send({request})]"))
        .output()
        .await
        .expect("opa runs");
    let text = String::from_utf8(output.stdout).unwrap();
    let found: Value = serde_json::from_str(&text).unwrap_or_else(|_| panic!("{request}: {text}"));
    found.get(0).cloned().unwrap_or_default()
}

fn answers() -> Vec<Answer> {
    let typed = |kind: &str, body: &str| text(body).with("content-type", kind);
    vec![
        text("plain"),
        typed(
            "application/json",
            r#"{"a":[1,2.5,"x",null,true],"b":{"c":12345678901234567890}}"#,
        ),
        typed("application/json; charset=utf-8", r#"{"a":1,"a":2}"#),
        typed("APPLICATION/vnd.api+JSON", "[1]"),
        typed("application/json", "{broken"),
        typed("application/json", ""),
        typed("text/json", "{}"),
        typed("application/yaml", "a: [1, x]\nb: {c: null}\n1: d\n"),
        typed("application/x-yaml", "- a\n- b: 1.5\n"),
        typed("application/yaml", "a: &x [1]\nb: *x\n"),
        typed("application/yaml", "a: ["),
        text("").with(PHRASE, "Quite Fine"),
        text("").status(299).with(PHRASE, "Odd"),
        text("").status(204),
        text("gone").status(410),
        text("teapot").status(418),
        text("").status(302).with("location", "/elsewhere"),
        text("broken").status(503).with("retry-after", "1"),
        text("a")
            .with("x-two", "1")
            .with("X-Two", "2")
            .with("set-cookie", "a=b"),
        Answer::Reply(
            200,
            vec![("content-type", "text/plain".to_owned())],
            "ä€𝄞".into(),
        ),
    ]
}

#[tokio::test]
#[ignore = "needs PORTCULLIS_OPA"]
async fn responses_are_those_of_opa() {
    let backend = Backend::start(text("")).await;
    let sender = Sender::to(&[&backend.origin()]);
    let url = backend.url("/a?b=c");
    let mut differences = Vec::new();
    for answer in answers() {
        backend.set(answer.clone().with("date", DATE));
        for more in [
            json!({}),
            json!({"force_json_decode": true}),
            json!({"force_yaml_decode": true}),
            json!({"method": "post", "body": {"a": 1}, "headers": {"content-type": "application/json"}}),
            json!({"raise_error": false, "cache": true}),
        ] {
            let request = get_with(&url, more.clone());
            let ours = sender.send(request.clone()).await.unwrap_or_default();
            let theirs = theirs(&request).await;
            if ours != theirs {
                differences.push(format!(
                    "{answer:?} {more}\nours  {ours}\ntheirs {theirs}\n"
                ));
            }
        }
    }
    assert!(differences.is_empty(), "{}", differences.join("\n"));
}

#[tokio::test]
#[ignore = "needs PORTCULLIS_OPA"]
async fn requests_are_those_of_opa() {
    let backend = Backend::start(text("")).await;
    let sender = Sender::to(&[&backend.origin()]);
    let url = backend.url("/a%20b/?c=%2F&d=e+f");
    for more in [
        json!({}),
        json!({"method": "pOsT", "body": {"b": [1, null, "ä"], "a": {}}}),
        json!({"method": "PUT", "raw_body": "a=b&c=d"}),
        json!({"method": "PATCH", "body": 1, "raw_body": "2"}),
        json!({"method": "DELETE", "headers": {"Authorization": "Bearer x", "x-a": "1"}}),
        json!({"headers": {"content-length": "99", "accept": "a/b"}}),
    ] {
        let request = get_with(&url, more.clone());
        let before = backend.count();
        sender.send(request.clone()).await.unwrap();
        theirs(&request).await;
        let seen = backend.seen();
        let (ours, theirs) = (&seen[before], &seen[before + 1]);
        assert_eq!(
            (&ours.method, &ours.target),
            (&theirs.method, &theirs.target),
            "{more}"
        );
        assert_eq!(ours.body, theirs.body, "{more}");
        for name in ["authorization", "x-a", "accept", "content-type", "host"] {
            let (ours, theirs) = (ours.header(name), theirs.header(name));
            // Ours says that it takes everything, which is what no word means too.
            assert_eq!(
                ours.filter(|value| *value != "*/*"),
                theirs,
                "{more} {name}"
            );
        }
    }
}

#[tokio::test]
#[ignore = "needs PORTCULLIS_OPA"]
async fn failures_are_those_of_opa() {
    let gone = Backend::start(text("")).await;
    let (url, origin) = (gone.url("/"), gone.origin());
    drop(gone);
    let sender = Sender::to(&[&origin]);
    for more in [
        json!({}),
        json!({"raise_error": false}),
        json!({"raise_error": 1}),
        json!({"unknown": 1}),
        json!({"unknown": 1, "raise_error": false}),
        json!({"headers": {"a": 1}, "raise_error": false}),
        json!({"cache": 1, "raise_error": false}),
        json!({"force_cache": true, "raise_error": false}),
        json!({"timeout": "x", "raise_error": false}),
        json!({"max_retry_attempts": -1, "raise_error": false}),
    ] {
        let request = get_with(&url, more.clone());
        let words = |mut response: Value| {
            // Each has its own.
            if let Some(error) = response.get_mut("error") {
                error["message"] = "".into();
            }
            response
        };
        let ours = sender.send(request.clone()).await.unwrap_or_default();
        assert_eq!(words(ours), words(theirs(&request).await), "{more}");
    }
}
