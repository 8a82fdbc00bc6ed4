//! Tokens of client credentials.

use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use portcullis::{
    clock::{Clock, Now, Reading},
    redact::Secret,
    services::{Client, ClientCredentials, Credentials, Service, ServiceError},
};
use serde_json::{Value, json};

use crate::{
    THING, ask,
    bundles::{Answer, BundleServer},
    client, failure, service,
};

const TOKEN: &str = "/token";

fn credentials(server: &BundleServer) -> ClientCredentials {
    ClientCredentials {
        token_url: format!("{}{TOKEN}", server.origin()).parse().unwrap(),
        client_id: "gate".to_owned(),
        client_secret: Secret::new("hidden".to_owned()),
        scopes: Vec::new(),
        additional_headers: BTreeMap::new(),
        additional_parameters: BTreeMap::new(),
    }
}

fn with(server: &BundleServer, credentials: ClientCredentials) -> Client {
    client(Service {
        credentials: Credentials::OAuth2(credentials),
        ..service(server)
    })
}

fn grant(token: &str, seconds: u64) -> Answer {
    let grant = json!({"access_token": token, "token_type": "bearer", "expires_in": seconds});
    Answer::ok(grant.to_string())
}

/// A server of both, and a client of it.
async fn both(grant: Answer) -> (BundleServer, Client) {
    let server = BundleServer::start().await;
    server.set(THING, Answer::ok("it"));
    server.set(TOKEN, grant);
    let client = with(&server, credentials(&server));
    (server, client)
}

#[tokio::test]
async fn a_token_is_asked_for_as_opa_does() {
    let (server, _) = both(grant("abc", 3600)).await;
    let pair =
        |key: &str, value: &str| BTreeMap::from([(key.to_owned(), Secret::new(value.to_owned()))]);
    let client = with(
        &server,
        ClientCredentials {
            scopes: vec!["read".to_owned(), "bundles".to_owned()],
            additional_headers: pair("x-tenant", "blue"),
            additional_parameters: pair("audience", "https://a/?b&c"),
            ..credentials(&server)
        },
    );
    assert_eq!(ask(&client).await.unwrap().body, "it");
    let asked = &server.seen(TOKEN)[0];
    assert_eq!(asked.method, "POST");
    let header = |name| asked.header(name);
    assert_eq!(
        header("content-type"),
        Some("application/x-www-form-urlencoded")
    );
    // `gate:hidden`.
    assert_eq!(header("authorization"), Some("Basic Z2F0ZTpoaWRkZW4="));
    assert_eq!(header("x-tenant"), Some("blue"));
    let body = String::from_utf8(asked.body.clone()).unwrap();
    assert_eq!(
        body,
        "scope=read+bundles&audience=https%3A%2F%2Fa%2F%3Fb%26c&grant_type=client_credentials"
    );
    let seen = &server.seen(THING)[0];
    assert_eq!(seen.header("authorization"), Some("Bearer abc"));
    assert_eq!(seen.header("x-tenant"), None);
}

#[tokio::test]
async fn a_token_is_kept_until_shortly_before_it_expires() {
    for (seconds, asked) in [(3600, 1), (u64::MAX, 1), (10, 3), (0, 3)] {
        let (server, client) = both(grant("abc", seconds)).await;
        for _ in 0..3 {
            ask(&client).await.unwrap();
        }
        assert_eq!(server.seen(TOKEN).len(), asked, "{seconds}");
    }
}

#[tokio::test]
async fn a_token_that_is_about_to_expire_is_replaced() {
    let (server, _) = both(grant("first", 3600)).await;
    let ahead: &AtomicU64 = Box::leak(Box::default());
    let reading = move || Now {
        instant: Clock::System.now().instant + Duration::from_secs(ahead.load(Ordering::SeqCst)),
        ..Clock::System.now()
    };
    let service = Service {
        credentials: Credentials::OAuth2(credentials(&server)),
        ..service(&server)
    };
    let clock = Clock::By(Reading(Box::leak(Box::new(reading))));
    let client = Client::with_clock(Arc::new(service), clock);
    ask(&client).await.unwrap();
    server.set(TOKEN, grant("second", 3600));
    for (seconds, token) in [(3000, "Bearer first"), (3591, "Bearer second")] {
        ahead.store(seconds, Ordering::SeqCst);
        ask(&client).await.unwrap();
        let seen = server.seen(THING).pop().unwrap();
        assert_eq!(seen.header("authorization"), Some(token));
    }
}

#[tokio::test]
async fn many_who_need_a_token_ask_for_one() {
    let (server, client) = both(grant("abc", 3600)).await;
    server.hold();
    let all = futures_util::future::join_all((0..8).map(|_| ask(&client)));
    let first = async {
        server.requests(TOKEN, 1).await;
        server.release();
    };
    let (answers, ()) = tokio::join!(all, first);
    assert!(answers.iter().all(Result::is_ok));
    assert_eq!((server.seen(TOKEN).len(), server.seen(THING).len()), (1, 8));
}

#[tokio::test]
async fn a_token_that_is_refused_is_replaced_once() {
    let (server, client) = both(grant("first", 3600)).await;
    ask(&client).await.unwrap();
    server.set(THING, Answer::status(401));
    server.set(TOKEN, grant("second", 3600));
    let answer = ask(&client).await.unwrap();
    assert_eq!(answer.status.as_u16(), 401);
    // The kept one and a new one; and the new one is not kept, since it was refused too.
    assert_eq!((server.seen(TOKEN).len(), server.seen(THING).len()), (2, 3));
    let last = server.seen(THING).pop().unwrap();
    assert_eq!(last.header("authorization"), Some("Bearer second"));
    assert_eq!(ask(&client).await.unwrap().status.as_u16(), 401);
    assert_eq!((server.seen(TOKEN).len(), server.seen(THING).len()), (3, 4));
    server.set(THING, Answer::ok("it"));
    assert_eq!(ask(&client).await.unwrap().body, "it");
    // 403 is not about who asks.
    server.set(THING, Answer::status(403));
    assert_eq!(ask(&client).await.unwrap().status.as_u16(), 403);
    assert_eq!(server.seen(TOKEN).len(), 4);
}

#[tokio::test]
async fn without_a_token_nothing_is_asked_of_the_service() {
    let (server, client) = both(grant("abc", 3600)).await;
    let json = |value: Value| Answer::ok(value.to_string());
    let refusal = json!({"error": "invalid_client", "error_description": "hidden"});
    let cases = [
        (Answer::status(500), "answered 500 and gave no token"),
        (
            Answer::Reply(401, Vec::new(), refusal.to_string().into_bytes()),
            "answered 401 (`invalid_client`) and gave no token",
        ),
        (
            Answer::Reply(400, Vec::new(), br#"{"error": "Hidden things"}"#.to_vec()),
            "answered 400 and gave no token",
        ),
        (Answer::redirect(307, "/elsewhere"), "answered 307"),
        (Answer::ok("hidden"), "is no JSON object"),
        (json(json!({"access_token": "hidden"})), "is no JSON object"),
        (
            json(json!({"access_token": "hidden", "token_type": "mac"})),
            "no bearer token",
        ),
        (
            json(json!({"access_token": " ", "token_type": "Bearer"})),
            "an empty token",
        ),
        (
            json(json!({"access_token": "hid\nden", "token_type": "Bearer"})),
            "cannot stand in a header",
        ),
        (Answer::HangUp, "no token from"),
        (
            Answer::Flood { announced: false },
            "is longer than 65536 bytes",
        ),
    ];
    for (answer, rule) in cases {
        server.set(TOKEN, answer);
        let answer = ask(&client).await;
        assert!(answer.as_ref().unwrap_err().is_preparation(), "{rule}");
        let error = failure(answer);
        assert!(error.contains(rule) && error.contains(TOKEN), "{error}");
        assert!(!error.to_lowercase().contains("hid"), "{error}");
    }
    assert!(server.seen(THING).is_empty());
    assert!(server.seen("/elsewhere").is_empty());
    server.set(TOKEN, grant("abc", 3600));
    assert_eq!(ask(&client).await.unwrap().body, "it");
}

#[tokio::test]
async fn a_token_server_that_says_nothing_is_given_up() {
    let (server, _) = both(Answer::Stall).await;
    let client = client(Service {
        response_header_timeout: Duration::from_millis(50),
        credentials: Credentials::OAuth2(credentials(&server)),
        ..service(&server)
    });
    let error = ask(&client).await.unwrap_err();
    assert!(
        matches!(error, ServiceError::TokenTransport { .. }),
        "{error}"
    );
}

#[tokio::test]
async fn no_secret_of_a_token_is_shown() {
    let (server, client) = both(grant("concealed", 3600)).await;
    ask(&client).await.unwrap();
    let mut named = credentials(&server);
    named.token_url.set_password(Some("hidden")).unwrap();
    for text in [format!("{client:?}"), format!("{named:?}")] {
        assert!(text.contains("gate"), "{text}");
        assert!(
            !text.contains("hidden") && !text.contains("concealed"),
            "{text}"
        );
    }
}
