//! What must not leave does not: everything secret in requests, decisions and configuration is marked, and
//! everything that comes out of a gate is searched for the marks.

use std::fs;

use base64::{Engine as _, prelude::BASE64_STANDARD};
use bytes::Bytes;
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::{
    gate::{Gate, with},
    logs::LogServer,
    requests,
};

/// Adds its own secrets to the answer, allowed or not.
const POLICY: &str = r#"package envoy.authz

allowed if input.parsed_path[0] == "open"

allow := {
	"allowed": object.get({true: true}, allowed, false),
	"headers": {"authorization": "Bearer mark3d-decision-header"},
	"response_headers_to_add": {"set-cookie": "s=mark3d-decision-cookie"},
	"dynamic_metadata": {"password": "mark3d-decision-metadata", "who": input.jwt.subject},
}
"#;

const MARK: &str = "mark3d";
const KEY: &str = "mark3d-0123456789abcdef0123456789abcdef";

/// A token that the gate believes, and how it ends.
fn token() -> (String, String) {
    let claims = json!({"iss": "https://issuer.example", "sub": "alice", "exp": 4_102_444_800_u64});
    let key = EncodingKey::from_secret(KEY.as_bytes());
    let token = jsonwebtoken::encode(&Header::new(Algorithm::HS256), &claims, &key).unwrap();
    let signature = token.rsplit_once('.').unwrap().1.to_owned();
    (token, signature)
}

/// A request with something secret wherever there is a place for it.
fn request(first: &str, token: &str) -> Bytes {
    let request = requests::http(requests::POST, |http| {
        http.path = format!(
            "/{first}/{token}?access_token=mark3d-query&page=2&t={token}&api%5Fkey=mark3d-escaped"
        );
        let body = json!({
            "password": "mark3d-body",
            "nested": {"client_secret": "mark3d-nested"},
            "note": token,
        });
        http.body = body.to_string();
        for (name, value) in [
            ("authorization", format!("Bearer {token}")),
            ("proxy-authorization", "Basic mark3d-proxy".to_owned()),
            ("cookie", "session=mark3d-cookie; a=b".to_owned()),
            ("x-api-key", "mark3d-api-key".to_owned()),
            ("x-company-key", "mark3d-company".to_owned()),
            ("x-forwarded-client-cert", "Cert=\"mark3d-cert\"".to_owned()),
            (":path", http.path.clone()),
            (
                "referer",
                "https://a.example/?token=mark3d-referer".to_owned(),
            ),
            ("x-free-text", format!("see {token}")),
        ] {
            http.headers.insert(name.to_owned(), value);
        }
    });
    request.into()
}

fn config(server: &LogServer, file: &std::path::Path, level: &str) -> Value {
    json!({
        "services": {"logs": {
            "url": server.origin(),
            "headers": {"x-api-key": "mark3d-service-header"},
            "credentials": {"bearer": {"token": "mark3d-service-token"}},
        }},
        "keys": {"k": {"algorithm": "HS256", "key": KEY}},
        "status": {"console": true},
        "decision_logs": {
            "console": true,
            "service": "logs",
            "request_context": {"http": {"headers": ["authorization", "x-company-key"]}},
            "reporting": {"min_delay_seconds": 1, "max_delay_seconds": 1},
        },
        "portcullis": {
            "log": {"level": level},
            "decision_logs": {
                "file": {"path": file},
                "redact": {"headers": ["x-company-key"], "key": "mark3d-key-of-hashes"},
            },
            "jwt": {"providers": [{
                "name": "main",
                "issuer": "https://issuer.example",
                "algorithms": ["HS256"],
                "secret": KEY,
            }]},
        },
    })
}

/// Everything that a gate lets out, by where.
async fn leavings(level: &str, off: bool) -> Vec<(&'static str, String)> {
    let (folder, server) = (TempDir::new().unwrap(), LogServer::start().await);
    let file = folder.path().join("decisions.log");
    let mut config = config(&server, &file, level);
    if off {
        let redact = json!({"portcullis": {"decision_logs": {"redact": {"off": true}}}});
        config = with(config, redact);
    }
    let mut gate = Gate::start(POLICY, &config).await;
    let (token, _) = token();
    let cases = [("open", 0), ("closed", 7)].map(|(path, code)| (request(path, &token), code));
    gate.checks(&cases, 20).await;
    // Cannot be decided: the error and its causes are told.
    let odd = requests::http(requests::GET, |http| {
        http.path = format!("/%zz?access_token=mark3d-odd&t={token}");
    });
    gate.checks(&[(odd.into(), 7)], 2).await;
    server.until_taken(22).await;
    let mut found = Vec::new();
    for path in ["/config", "/status", "/metrics", "/policy"] {
        found.push((path, gate.get(path).await));
    }
    assert!(gate.stop().success());
    gate.stderr().ended();
    found.push(("standard error", gate.stderr().text()));
    found.push(("file", fs::read_to_string(&file).unwrap()));
    let uploads: Vec<_> = server.records().iter().map(Value::to_string).collect();
    found.push(("service", uploads.join("\n")));
    found
}

/// How a token ends, and the mark, as it is and wherever it may stand in what is encoded.
fn needles() -> [String; 5] {
    let (_, signature) = token();
    // Of the mark's six bytes, those that fill whole groups of three at each of three shifts.
    let inner = |part: &str| BASE64_STANDARD.encode(part);
    [
        MARK.to_owned(),
        signature,
        inner("mark3d"),
        inner("ark3d-"),
        inner("rk3d-b"),
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_secret_leaves_by_any_way() {
    for level in ["debug", "info"] {
        for (place, text) in leavings(level, false).await {
            for needle in needles() {
                let at = text.find(&needle);
                let shown = at.map(|at| {
                    let from = text.floor_char_boundary(at.saturating_sub(200));
                    text.get(from..text.floor_char_boundary(at + 60)).unwrap()
                });
                assert_eq!(shown, None, "`{needle}` leaves by {place} at level {level}");
            }
            if matches!(place, "standard error" | "file" | "service") {
                let told = text.matches("\"alice\"").count();
                assert!(told >= 20, "{place} has records of alice: {told}");
            }
        }
    }
}

/// Shows that the search finds what there is to find.
#[tokio::test(flavor = "multi_thread")]
async fn without_redaction_the_marks_are_found_in_every_sink() {
    for (place, text) in leavings("info", true).await {
        let sink = matches!(place, "standard error" | "file" | "service");
        assert_eq!(text.contains("mark3d-cookie"), sink, "{place}");
    }
}
