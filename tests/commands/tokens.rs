//! `decide` with providers: a saved request with a token, as of any time.

use std::fs;

use serde_json::{Value, json};

use crate::{
    Done, Given, capture, file,
    keys::{Signer, key_set},
    portcullis,
};

const CONFIGURATION: &str = "portcullis:
  jwt:
    providers:
    - name: main
      issuer: https://issuer.example
      audiences: [orders]
      # Nobody is asked there: the keys are given.
      jwks_uri: https://issuer.example/jwks
";

const POLICY: &str = r#"package envoy.authz

default allow := false

allow if input.jwt.claims.tier == "premium"

allow := {"allowed": false, "reason": input.jwt_error, "http_status": 401} if input.jwt_error
"#;

/// A time within a token's life.
const NOW: u64 = 1_800_000_000;

/// All that `decide` is given.
struct Saved {
    configuration: Given,
    policy: Given,
    keys: Given,
    request: Given,
}

impl Saved {
    /// A captured request with a token of five minutes that `signer` made; the key set is `published`.
    fn with(signer: &Signer, published: &Signer) -> Self {
        let claims = json!({
            "iss": "https://issuer.example",
            "aud": "orders",
            "nbf": NOW,
            "exp": NOW + 300,
            "tier": "premium",
        });
        let capture = fs::read(capture("http1-mtls-get.json")).unwrap();
        let mut request: Value = serde_json::from_slice(&capture).unwrap();
        let headers = &mut request["check_request"]["attributes"]["request"]["http"]["headers"];
        headers["authorization"] = format!("Bearer {}", signer.token(&claims)).into();
        Self {
            configuration: file("config.yaml", CONFIGURATION),
            policy: file("policy.rego", POLICY),
            keys: file("jwks.json", &key_set(&[published]).to_string()),
            request: file("request.json", &request.to_string()),
        }
    }

    fn decide(&self, more: &[&str]) -> Done {
        let decide = ["decide", "--json", "-c", &self.configuration.path];
        let decide = [&decide[..], &["-p", &self.policy.path]].concat();
        portcullis(&[&decide[..], more, &[&self.request.path]].concat())
    }

    /// Outcome and reason as of `at` with the keys of the file.
    fn as_of(&self, at: u64) -> (String, String) {
        let (keys, at) = (format!("main={}", self.keys.path), at.to_string());
        verdict(&self.decide(&["--keys", &keys, "--at", &at]))
    }
}

fn verdict(done: &Done) -> (String, String) {
    assert_eq!(done.code, 0, "{}", done.err);
    let shown: Value = serde_json::from_str(&done.out).unwrap();
    let text = |key: &str| shown[key].as_str().unwrap().to_owned();
    (text("outcome"), text("why"))
}

fn is(outcome: &str, why: &str) -> (String, String) {
    (outcome.to_owned(), why.to_owned())
}

#[test]
fn decide_judges_a_saved_token_as_of_the_time_that_is_asked_for() {
    let signer = Signer::es256("k1");
    let saved = Saved::with(&signer, &signer);
    // The clock skew is 30 s on both sides.
    for (at, expected) in [
        (NOW - 31, is("denied", "not_yet_valid")),
        (NOW - 30, is("allowed", "")),
        (NOW, is("allowed", "")),
        (NOW + 329, is("allowed", "")),
        (NOW + 331, is("denied", "expired")),
        (NOW + 86_400, is("denied", "expired")),
    ] {
        assert_eq!(saved.as_of(at), expected, "at {at}");
    }
    let forged = Saved::with(&Signer::es256("k1"), &signer);
    assert_eq!(forged.as_of(NOW), is("denied", "bad_signature"));
    let unknown = Saved::with(&Signer::es256("k2"), &signer);
    assert_eq!(unknown.as_of(NOW), is("denied", "unknown_key"));
}

#[test]
fn decide_without_keys_refuses_the_token_and_never_goes_to_fetch_them() {
    let signer = Signer::es256("k1");
    let saved = Saved::with(&signer, &signer);
    let done = saved.decide(&["--at", &NOW.to_string()]);
    assert_eq!(verdict(&done), is("denied", "keys_unavailable"));
}

#[test]
fn decide_shows_the_claims_that_the_policy_saw() {
    let signer = Signer::es256("k1");
    let saved = Saved::with(&signer, &signer);
    let (keys, at) = (format!("main={}", saved.keys.path), NOW.to_string());
    let done = saved.decide(&["--keys", &keys, "--at", &at, "--input"]);
    let shown: Value = serde_json::from_str(&done.out).unwrap();
    let jwt = &shown["input"]["jwt"];
    assert_eq!(jwt["provider"], "main");
    assert_eq!(jwt["claims"]["tier"], "premium");
    assert_eq!(shown["input"]["jwt_error"], Value::Null);
    let later = (NOW + 3600).to_string();
    let done = saved.decide(&["--keys", &keys, "--at", &later, "--input"]);
    let shown: Value = serde_json::from_str(&done.out).unwrap();
    assert_eq!(shown["input"]["jwt"], Value::Null);
    assert_eq!(shown["input"]["jwt_error"], "expired");
}

#[test]
fn decide_names_keys_that_are_nobodys_or_no_keys() {
    let signer = Signer::es256("k1");
    let saved = Saved::with(&signer, &signer);
    let garbage = file("garbage.json", "{\"keys\": 1}");
    for (keys, said) in [
        ("other=/nowhere".to_owned(), "`other`"),
        ("main".to_owned(), "PROVIDER=FILE"),
        ("main=/nowhere.json".to_owned(), "/nowhere.json"),
        (format!("main={}", garbage.path), "garbage.json"),
    ] {
        let done = saved.decide(&["--keys", &keys]);
        assert_ne!(done.code, 0, "{keys}");
        assert!(done.err.contains(said), "{keys}: {}", done.err);
        assert_eq!(done.out, "", "{keys}");
    }
}

#[test]
fn the_example_of_the_readme_says_what_the_readme_shows() {
    let readme = fs::read_to_string("README.md").unwrap();
    for file in ["portcullis.yaml", "policy.rego"] {
        let text = fs::read_to_string(format!("docs/examples/tokens/{file}")).unwrap();
        assert!(readme.contains(&text), "{file}");
    }
    for (request, expected) in [
        ("http1-mtls-jwt.pb", is("allowed", "")),
        ("http1-plaintext-badjwt.pb", is("denied", "bad_signature")),
        ("http1-mtls-get.pb", is("denied", "missing")),
    ] {
        let done = portcullis(&[
            "decide",
            "--json",
            "-c",
            "docs/examples/tokens/portcullis.yaml",
            "-p",
            "docs/examples/tokens/policy.rego",
            capture(request).to_str().unwrap(),
        ]);
        assert_eq!(verdict(&done), expected, "{request}");
    }
}
