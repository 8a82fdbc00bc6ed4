//! Secrets in a configuration: never shown, never quoted.

use serde_json::{Value, json};

use super::{jwt::ED25519, load_text, set, yaml};

/// Every place that can hold a secret, with `SECRET` in it.
fn full_of_secrets() -> Value {
    json!({
        "services": {
            "a": {
                "url": "https://example.com/x",
                "headers": {"x-api-key": "SECRET", "Authorization": "SECRET"},
                "credentials": {"bearer": {"token": "SECRET"}},
            },
            "b": {"url": "https://example.com/x", "credentials": {
                "client_tls": {"cert": "c", "private_key": "k"},
            }},
            "c": {"url": "https://example.com/x", "credentials": {"oauth2": {
                "token_url": "https://example.com/token",
                "client_secret": "SECRET", "client_id": "i",
                "additional_headers": {"a": "SECRET"}, "additional_parameters": {"a": "SECRET"},
            }}},
        },
        "status": {"console": true},
        "keys": {"k": {"key": "SECRET", "private_key": "SECRET", "algorithm": "HS256"}},
        "distributed_tracing": {
            "type": "grpc",
            "headers": {"authorization": "SECRET"},
        },
        "server": {"encoding": {"password": "SECRET", "to": "grpc://SECRET@collector:4317"}},
        "portcullis": {"jwt": {"providers": [
            {
                "name": "a", "issuer": "a", "algorithms": ["HS256"],
                "secret": "SECRET of at least thirty-two bytes",
            },
            {"name": "b", "issuer": "https://SECRET@b/?SECRET", "jwks_uri": "https://b/keys?SECRET"},
            {"name": "c", "issuer": "c", "jwks": private_keys()},
            {"name": "d", "issuer": "d", "jwks": private_keys().to_string()},
        ]}},
    })
}

/// Keys with the members that only their owner may know, beside a key that can be used.
fn private_keys() -> Value {
    let ed25519: Value = serde_json::from_str(ED25519).unwrap();
    json!({"keys": [
        ed25519,
        {"kty": "oct", "k": "SECRET", "kid": "symmetric"},
        {"kty": "RSA", "n": "AQAB", "e": "AQAB", "d": "SECRET", "p": "SECRET", "q": "SECRET", "dp": "SECRET", "dq": "SECRET", "qi": "SECRET", "oth": ["SECRET"]},
    ]})
}

#[test]
fn a_secret_is_never_shown() {
    let config = load_text("c.json", &full_of_secrets().to_string()).unwrap();
    let shown = config.redacted().to_string();
    assert!(!shown.contains("SECRET"), "{shown}");
    assert!(shown.contains("grpc://****@collector:4317"), "{shown}");
    assert!(shown.contains("https://b/keys?****"), "{shown}");
    let providers = &config.redacted()["portcullis"]["jwt"]["providers"];
    assert_eq!(providers[2]["jwks"]["keys"][0]["kid"], "a");
    assert_eq!(providers[2]["jwks"]["keys"][1]["k"], "****");
    let text = providers[3]["jwks"].as_str().unwrap();
    let keys: Value = serde_json::from_str(text).unwrap();
    assert_eq!(keys, providers[2]["jwks"]);
    for warning in &config.warnings {
        assert!(!warning.contains("SECRET"), "{warning}");
    }
    assert!(!config.warnings.is_empty());
}

#[test]
fn a_secret_is_not_in_the_debug_form() {
    let mut secrets = full_of_secrets();
    // Issuers and URLs are used as they are, so they stand there as they are.
    secrets["portcullis"]["jwt"]["providers"][1] =
        json!({"name": "b", "issuer": "b", "jwks_file": "f"});
    let config = load_text("c.json", &secrets.to_string()).unwrap();
    assert!(!format!("{config:?}").contains("SECRET"));
}

#[test]
fn what_is_no_secret_stays_readable() {
    let config = yaml(
        "services: {a: {url: 'https://example.com/x', response_header_timeout_seconds: 5}}\n\
         distributed_tracing: {tls_private_key_file: /tls/key, tls_cert_file: /tls/crt}\n\
         decision_logs: {request_context: {http: {headers: [x-request-id]}}}\n\
         plugins: {envoy_ext_authz_grpc: {addr: 'unix://@authz'}}\n\
         portcullis: {jwt: {several_tokens: first}}\n",
    )
    .unwrap();
    let shown = config.redacted();
    assert_eq!(shown["services"]["a"]["url"], "https://example.com/x");
    assert_eq!(
        shown["distributed_tracing"]["tls_private_key_file"],
        "/tls/key"
    );
    assert_eq!(
        shown["decision_logs"]["request_context"]["http"]["headers"][0],
        "x-request-id"
    );
    assert_eq!(
        shown["plugins"]["envoy_ext_authz_grpc"]["addr"],
        "unix://@authz"
    );
    assert_eq!(shown["portcullis"]["jwt"]["several_tokens"], "first");
}

/// The tree with every secret text put into a list, so that nearly every type is wrong.
fn wrap(value: &Value) -> Value {
    match value {
        Value::String(_) => json!([value]),
        Value::Array(items) => items.iter().map(wrap).collect(),
        Value::Object(fields) => fields
            .iter()
            .map(|(key, value)| (key.clone(), wrap(value)))
            .collect(),
        Value::Null | Value::Bool(_) | Value::Number(_) => value.clone(),
    }
}

#[test]
fn a_secret_is_in_no_problem() {
    let problems = load_text("c.json", &wrap(&full_of_secrets()).to_string()).unwrap_err();
    assert!(
        problems.contains("services.a.credentials.bearer.token: must be text"),
        "{problems}"
    );
    assert!(!problems.contains("SECRET"), "{problems}");

    for text in [
        "plugins: {envoy_ext_authz_grpc: {addr: 'grpc://u:SECRET@x/y'}}",
        "plugins: {envoy_ext_authz_grpc: {addr: 'https://SECRET@x'}}",
        "services: {a: {url: 'https://SECRET:SECRET@example.com/x'}}",
        "services: {a: {url: 'https://example.com/x?token=SECRET'}}",
        "services: {a: {url: 'https://x', headers: {a: \"SECRET\\n\"}}}",
        "services: {a: {url: 'https://x', credentials: {oauth2: {token_url: 'https://SECRET@x?SECRET', client_secret: SECRET}}}}",
        "services: {a: {url: 'https://x', credentials: {bearer: {token: SECRET, scheme: 'S E SECRET'}}}}",
        "services: {a: {url: 'https://x', credentials: {gcp_metadata: SECRET, plugin: SECRET, s3_signing: {sso_credentials: SECRET}}}}",
        "keys: {k: {key: SECRET}, l: {key: SECRET, algorithm: ES256}, m: {key: SECRET, algorithm: XS256}}",
        "services: {a: {credentials: {bearer: {token: SECRET, token: SECRET}}}}",
        "portcullis: {jwt: {providers: [{name: a, issuer: a, algorithms: [HS256], secret: SECRET}]}}",
        "portcullis: {jwt: {providers: [{name: a, issuer: a, secret: SECRET, secret_file: f}]}}",
        "portcullis: {jwt: {providers: [{name: a, issuer: a, jwks_uri: 'https://a:SECRET@b'}]}}",
        "portcullis: {jwt: {providers: [{name: a, issuer: 'https://a:SECRET@b', discovery: true}]}}",
        "portcullis: {jwt: {providers: [{name: a, issuer: a, jwks: {keys: [{kty: oct, k: SECRET}]}}]}}",
        "portcullis: {jwt: {providers: [{name: a, issuer: a, jwks: '[SECRET]'}]}}",
        "portcullis: {jwt: {providers: [{name: a, issuer: a, jwks: SECRET}]}}",
        "services: {a: {credentials: {bearer: {token: !t SECRET}}}}",
        "distributed_tracing: {type: grpc, address: 'u:SECRET@collector:4317'}",
        "distributed_tracing: {type: grpc, headers: {x-key: \"SECRET\\n\"}}",
        "services: {a: {credentials: {bearer: {token: \"SECRET\n}}",
    ] {
        let problems = yaml(text).expect_err(text);
        assert!(!problems.contains("SECRET"), "{problems}");
    }
    for arguments in [
        &["services.a.credentials.bearer.token=SECRET,SECRET"][..],
        &[
            "services.a.credentials.bearer.token=SECRET",
            "services.a.credentials.bearer.token.x=SECRET",
        ],
        &["services.a.credentials.bearer=SECRET"],
        &["SECRET"],
    ] {
        let problems = set(arguments).expect_err("a problem");
        assert!(!problems.contains("SECRET"), "{problems}");
    }
}
