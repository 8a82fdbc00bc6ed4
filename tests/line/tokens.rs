//! Callers with tokens: issuers of our own, servers that trust them, and requests that carry what
//! they signed.

#[path = "tokens/consequence.rs"]
mod consequence;
#[path = "tokens/quiet.rs"]
mod quiet;
#[path = "tokens/remembered.rs"]
mod remembered;
#[path = "tokens/rotation.rs"]
mod rotation;
#[path = "tokens/several.rs"]
mod several;
#[path = "tokens/sizes.rs"]
mod sizes;
#[path = "tokens/strip.rs"]
mod strip;
#[path = "tokens/table.rs"]
mod table;
#[path = "tokens/unknown_kids.rs"]
mod unknown_kids;
#[path = "tokens/waiting.rs"]
mod waiting;
#[path = "tokens/xfcc.rs"]
mod xfcc;

use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD as BASE64};
use envoy_types::pb::envoy::{
    config::core::v3::HeaderValueOption,
    service::auth::v3::{CheckResponse, check_response::HttpResponse},
};
use portcullis::clock::Clock;
use serde_json::{Value, json};

use crate::{
    failures::code,
    key_server::{
        Answer, KeyServer,
        keys::{Signer, key_set},
    },
    requests::{self, GET},
    server::Server,
};

/// The issuer that servers trust.
const ISSUER: &str = "https://id.example";

/// Lets a verified token through, and tells why there is none.
const TELLS: &str = r#"package envoy.authz

default allow := {"allowed": false, "reason": "neither a token nor a code"}

allow := {"allowed": true, "headers": {"x-subject": input.jwt.subject}} if not input.jwt_error

allow := {"allowed": false, "reason": input.jwt_error} if input.jwt_error
"#;

/// Allows everything, and looks at nothing.
const ALLOWS: &str = "package envoy.authz\n\nallow := true\n";

/// A server of one key set with the keys of `signers`.
async fn issuer(signers: &[&Signer]) -> KeyServer {
    KeyServer::start(published(signers)).await
}

/// The key set of `signers`, as an answer.
fn published(signers: &[&Signer]) -> Answer {
    Answer::keys(&key_set(signers))
}

/// What to set for a provider `name` of `issuer`, at this place of the configuration.
fn provider(at: usize, name: &str, issuer: &str, keys: &KeyServer, more: &[&str]) -> Vec<String> {
    let place = format!("portcullis.jwt.providers[{at}]");
    let usual = [
        format!("name={name}"),
        format!("issuer={issuer}"),
        format!("jwks_uri={}", keys.url()),
    ];
    let more = more.iter().map(|key| (*key).to_owned());
    let keys = usual.into_iter().chain(more);
    keys.map(|key| format!("{place}.{key}")).collect()
}

/// A server with `set`, which may not have its keys yet.
async fn starting(policy: &str, set: &[Vec<String>]) -> Server {
    // However busy the machine is, what is told is about tokens.
    let told = ["portcullis.reason_header=x-reason", "portcullis.budget=30s"];
    let set = set.iter().flatten().map(String::as_str);
    let set: Vec<&str> = told.into_iter().chain(set).collect();
    Server::start(policy, &set).await
}

/// A server with `set`, once it has tried to get its keys.
async fn serving(policy: &str, set: &[Vec<String>]) -> Server {
    let server = starting(policy, set).await;
    server.ready().await;
    server
}

/// A server that trusts the provider `main`, whose keys are at `keys`.
async fn trusting(policy: &str, keys: &KeyServer, more: &[&str]) -> Server {
    serving(policy, &[provider(0, "main", ISSUER, keys, more)]).await
}

/// What stands in a list of settings.
fn set(keys: &[&str]) -> Vec<String> {
    keys.iter().map(|key| (*key).to_owned()).collect()
}

fn now() -> u64 {
    Clock::System.now().unix.as_secs()
}

/// Claims that are good for an hour, with others on top.
fn claims(others: Value) -> Value {
    let mut claims = json!({"iss": ISSUER, "sub": "alice", "exp": now().saturating_add(3600)});
    let Value::Object(others) = others else {
        panic!("no object");
    };
    claims.as_object_mut().unwrap().extend(others);
    claims
}

/// A good token.
fn good(signer: &Signer) -> String {
    signer.token(&claims(json!({})))
}

/// A token with this text as its claims.
fn token_of(signer: &Signer, claims: &str) -> String {
    let header = json!({"alg": signer.algorithm(), "kid": signer.kid()});
    let [header, claims] = [&header.to_string(), claims].map(|part| BASE64.encode(part));
    let message = format!("{header}.{claims}");
    let signature = BASE64.encode(signer.sign(message.as_bytes()));
    format!("{message}.{signature}")
}

/// A GET with these headers.
fn with_headers(headers: &[(&str, &str)]) -> Vec<u8> {
    requests::http(GET, |http| {
        let owned = headers
            .iter()
            .map(|(k, v)| ((*k).to_owned(), (*v).to_owned()));
        http.headers.extend(owned);
    })
}

/// A GET with this token at the usual place.
fn bearing(token: &str) -> Vec<u8> {
    with_headers(&[("authorization", &format!("Bearer {token}"))])
}

/// A GET of this query.
fn asking(query: &str) -> Vec<u8> {
    requests::path(&format!("/api?{query}"))
}

/// What [`TELLS`] says: `verified`, or the code.
fn told(answer: &CheckResponse) -> &str {
    match &answer.http_response {
        Some(HttpResponse::OkResponse(ok)) if code(answer) == 0 => {
            assert_eq!(header(&ok.headers, "x-subject"), Some("alice"));
            "verified"
        }
        Some(HttpResponse::DeniedResponse(denied)) => {
            assert_ne!(code(answer), 0);
            header(&denied.headers, "x-reason").unwrap_or("no reason")
        }
        other => panic!("{other:?}"),
    }
}

/// What [`TELLS`] says to this token.
async fn says(server: &Server, token: &str) -> String {
    told(&server.check(&bearing(token)).await).to_owned()
}

fn header<'a>(headers: &'a [HeaderValueOption], name: &str) -> Option<&'a str> {
    let mut headers = headers.iter().filter_map(|option| option.header.as_ref());
    let found = headers.find(|header| header.key == name);
    found.map(|header| header.value.as_str())
}

/// The series of `portcullis_token_verifications_total` for this result.
async fn verifications(server: &Server, result: &str) -> f64 {
    let series = format!("portcullis_token_verifications_total{{result=\"{result}\"}}");
    server.metric(&series).await.expect("from the start")
}
