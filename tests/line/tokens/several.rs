//! More than one token in a request: malformed, or the first, as configured.

use envoy_types::pb::envoy::config::core::v3::{HeaderMap, HeaderValue};
use serde_json::json;

use super::{ISSUER, TELLS, claims, good, issuer, provider, serving, set, told, with_headers};
use crate::{
    key_server::{KeyServer, keys::Signer},
    requests::{self, GET},
    server::Server,
};

/// Looks in a header, a cookie and a parameter, in this order.
async fn everywhere(keys: &KeyServer, several: &str) -> Server {
    let places = [
        "from_headers[0].name=authorization",
        "from_cookies={session}",
        "from_params={access_token}",
    ];
    let several = format!("portcullis.jwt.several_tokens={several}");
    let provider = provider(0, "main", ISSUER, keys, &places);
    serving(TELLS, &[provider, set(&[&several])]).await
}

/// A GET whose headers come as a list of raw ones, as with `encode_raw_headers`.
fn raw(headers: &[(&str, &str)]) -> Vec<u8> {
    let raw = headers.iter().map(|(key, value)| HeaderValue {
        key: (*key).to_owned(),
        raw_value: value.as_bytes().to_vec(),
        ..HeaderValue::default()
    });
    let headers = raw.collect();
    requests::http(GET, |http| {
        http.headers.clear();
        http.header_map = Some(HeaderMap { headers });
    })
}

/// A GET with a token at each of the three places.
fn at_three(header: &str, cookie: &str, parameter: &str) -> Vec<u8> {
    requests::http(GET, |http| {
        for (name, value) in [("authorization", header), ("cookie", cookie)] {
            if !value.is_empty() {
                http.headers.insert(name.to_owned(), value.to_owned());
            }
        }
        if !parameter.is_empty() {
            http.path = format!("/api?access_token={parameter}");
        }
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn two_tokens_are_malformed_even_when_they_are_the_same() {
    let signer = Signer::es256("a");
    let keys = issuer(&[&signer]).await;
    let server = everywhere(&keys, "refuse").await;
    let (one, other) = (good(&signer), signer.token(&claims(json!({"jti": "2"}))));
    let bearer = format!("Bearer {one}");
    let session = format!("session={one}");
    let other_session = format!("session={other}");
    let cases = [
        ("one in the header", at_three(&bearer, "", ""), "verified"),
        ("one in the cookie", at_three("", &session, ""), "verified"),
        ("one in the query", at_three("", "", &one), "verified"),
        (
            "header and cookie",
            at_three(&bearer, &session, ""),
            "malformed",
        ),
        (
            "header and another in the cookie",
            at_three(&bearer, &other_session, ""),
            "malformed",
        ),
        ("header and query", at_three(&bearer, "", &one), "malformed"),
        (
            "cookie and query",
            at_three("", &session, &other),
            "malformed",
        ),
        (
            "two cookies",
            at_three("", &format!("{session}; {other_session}"), ""),
            "malformed",
        ),
        (
            "two parameters",
            at_three("", "", &format!("{one}&access%5Ftoken={other}")),
            "malformed",
        ),
        (
            "two values of one header",
            with_headers(&[("authorization", &format!("{bearer},{bearer}"))]),
            "malformed",
        ),
        (
            "a token beside another scheme",
            with_headers(&[("authorization", &format!("Basic YTpi,{bearer}"))]),
            "malformed",
        ),
    ];
    for (name, request, expected) in cases {
        assert_eq!(told(&server.check(&request).await), expected, "{name}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn repeated_headers_are_seen_in_their_raw_form_too() {
    let signer = Signer::es256("a");
    let keys = issuer(&[&signer]).await;
    let server = everywhere(&keys, "refuse").await;
    let (one, other) = (good(&signer), signer.token(&claims(json!({"jti": "2"}))));
    let (bearer, session) = (format!("Bearer {one}"), format!("session={one}"));
    let (other_bearer, other_session) = (format!("bearer  {other}"), format!("session={other}"));
    let cases = [
        (vec![("authorization", &*bearer)], "verified"),
        (vec![("Authorization", &*bearer)], "verified"),
        (vec![("cookie", &*session)], "verified"),
        (
            vec![("authorization", &*bearer), ("authorization", &*bearer)],
            "malformed",
        ),
        (
            vec![
                ("authorization", &*bearer),
                ("Authorization", &*other_bearer),
            ],
            "malformed",
        ),
        (
            vec![("authorization", "Basic YTpi"), ("authorization", &*bearer)],
            "malformed",
        ),
        (
            vec![("cookie", &*session), ("cookie", &*other_session)],
            "malformed",
        ),
        (
            vec![("cookie", "theme=dark"), ("cookie", &*session)],
            "verified",
        ),
        (
            vec![
                ("authorization", &*bearer),
                ("cookie", "theme=dark"),
                ("cookie", &*other_session),
            ],
            "malformed",
        ),
    ];
    for (headers, expected) in cases {
        let answer = server.check(&raw(&headers)).await;
        assert_eq!(told(&answer), expected, "{headers:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_first_of_several_tokens_counts_where_that_is_wanted() {
    let signer = Signer::es256("a");
    let keys = issuer(&[&signer]).await;
    let server = everywhere(&keys, "first").await;
    let one = good(&signer);
    let expired = signer.token(&claims(json!({"exp": 1})));
    for (request, expected) in [
        (
            at_three(&format!("Bearer {one}"), "session=garbage", &expired),
            "verified",
        ),
        (
            at_three(&format!("Bearer {expired}"), &format!("session={one}"), ""),
            "expired",
        ),
        (
            at_three("", &format!("session={one}; session={expired}"), &expired),
            "verified",
        ),
        (
            at_three("Basic YTpi", &format!("session={expired}"), &one),
            "expired",
        ),
    ] {
        assert_eq!(told(&server.check(&request).await), expected);
    }
}
