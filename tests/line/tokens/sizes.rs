//! Tokens and places of hostile sizes: judged within the budget, whatever they are.

use std::time::{Duration, Instant};

use serde_json::json;

use super::{
    ISSUER, TELLS, asking, bearing, claims, good, issuer, provider, serving, token_of, told,
    with_headers,
};
use crate::{
    failures::decision_id,
    key_server::{KeyServer, keys::Signer},
    log,
    server::Server,
};

async fn server(keys: &KeyServer) -> Server {
    let places = [
        "from_headers[0].name=authorization",
        "from_cookies={t}",
        "from_params={t}",
    ];
    serving(TELLS, &[provider(0, "main", ISSUER, keys, &places)]).await
}

/// Tokens whose parts are large or deep, all of them signed.
fn large(signer: &Signer) -> Vec<(&'static str, String, &'static str)> {
    let deep = format!("{}1{}", "[".repeat(5_000), "]".repeat(5_000));
    let deep = format!("{{\"iss\":\"{ISSUER}\",\"exp\":99999999999,\"deep\":{deep}}}");
    vec![
        ("1 MiB of letters", "a".repeat(1 << 20), "malformed"),
        ("1 MiB of dots", ".".repeat(1 << 20), "malformed"),
        ("half a MiB of commas", "a,".repeat(1 << 19), "malformed"),
        (
            "1 MiB of claims",
            signer.token(&claims(json!({"big": "a".repeat(1 << 20)}))),
            "malformed",
        ),
        (
            "a signature of 1 MiB",
            format!("{}{}", good(signer), "A".repeat(1 << 20)),
            "malformed",
        ),
        (
            "5,000 levels of claims",
            token_of(signer, &deep),
            "malformed",
        ),
        (
            "24 KiB of claims",
            signer.token(&claims(json!({"big": "a".repeat(20 << 10)}))),
            "verified",
        ),
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_of_any_size_is_judged_in_time() {
    let signer = Signer::es256("a");
    let keys = issuer(&[&signer]).await;
    let server = server(&keys).await;
    for (name, token, expected) in large(&signer) {
        let began = Instant::now();
        let answer = server.check(&bearing(&token)).await;
        let took = began.elapsed();
        assert_eq!(told(&answer), expected, "{name}");
        assert!(took < Duration::from_secs(1), "{name} took {took:?}");
        let line = log::of_check(&decision_id(&answer)).to_string();
        assert!(line.len() < 4096, "{name}: {line}");
    }
    assert_eq!(server.metric("portcullis_panics_total").await, Some(0.0));
}

#[tokio::test(flavor = "multi_thread")]
async fn any_number_of_places_is_looked_through_in_time() {
    let signer = Signer::es256("a");
    let keys = issuer(&[&signer]).await;
    let server = server(&keys).await;
    let token = good(&signer);
    let others: Vec<_> = (0..10_000).map(|n| format!("c{n}=x")).collect();
    let others = others.join("; ");
    let same = "t=x; ".repeat(10_000);
    let parameters = "t=x&".repeat(5_000);
    let other_parameters: Vec<_> = (0..5_000).map(|n| format!("p{n}=x")).collect();
    let other_parameters = other_parameters.join("&");
    let encoded = "%74=%78&".repeat(5_000);
    for (name, request, expected) in [
        (
            "10,000 cookies, one of them a token",
            with_headers(&[("cookie", &format!("{others}; t={token}"))]),
            "verified",
        ),
        (
            "10,000 cookies of the token's name",
            with_headers(&[("cookie", &same)]),
            "malformed",
        ),
        (
            "5,000 parameters, one of them a token",
            asking(&format!("{other_parameters}&t={token}")),
            "verified",
        ),
        (
            "5,000 parameters of the token's name",
            asking(&parameters),
            "malformed",
        ),
        (
            "5,000 encoded parameters of the token's name",
            asking(&encoded),
            "malformed",
        ),
        (
            "a token in the header and 10,000 cookies of the token's name",
            with_headers(&[
                ("authorization", &format!("Bearer {token}")),
                ("cookie", &same),
            ]),
            "malformed",
        ),
    ] {
        let began = Instant::now();
        let answer = server.check(&request).await;
        let took = began.elapsed();
        assert_eq!(told(&answer), expected, "{name}");
        assert!(took < Duration::from_secs(1), "{name} took {took:?}");
    }
    assert_eq!(server.metric("portcullis_panics_total").await, Some(0.0));
}
