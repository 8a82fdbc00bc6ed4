//! Bearer tokens.

use portcullis::{
    redact::Secret,
    services::{Client, Credentials, Service, Token},
};

use crate::{
    THING, ask,
    bundles::{Answer, BundleServer},
    client, failure, server, service,
};

fn bearing(server: &BundleServer, token: Token, scheme: &str) -> Client {
    client(Service {
        credentials: Credentials::Bearer {
            token,
            scheme: scheme.to_owned(),
        },
        ..service(server)
    })
}

#[tokio::test]
async fn a_token_is_sent_with_its_scheme() {
    let server = server().await;
    for (scheme, header) in [("Bearer", "Bearer abc"), ("Token", "Token abc")] {
        let token = Token::Given(Secret::new("abc".to_owned()));
        ask(&bearing(&server, token, scheme)).await.unwrap();
        let seen = server.seen(THING).pop().unwrap();
        assert_eq!(seen.header("authorization"), Some(header));
    }
}

#[tokio::test]
async fn a_token_wins_over_a_configured_header() {
    let server = server().await;
    let mut service = Service {
        credentials: Credentials::Bearer {
            token: Token::Given(Secret::new("abc".to_owned())),
            scheme: "Bearer".to_owned(),
        },
        ..service(&server)
    };
    let old = Secret::new("Basic old".to_owned());
    service.headers.insert("authorization".to_owned(), old);
    ask(&client(service)).await.unwrap();
    let seen = &server.seen(THING)[0];
    assert_eq!(seen.headers.get_all("authorization").iter().count(), 1);
    assert_eq!(seen.header("authorization"), Some("Bearer abc"));
}

#[tokio::test]
async fn a_token_file_is_read_for_each_request() {
    let server = server().await;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("token");
    let client = bearing(&server, Token::File(path.clone()), "Bearer");
    for (text, header) in [("first\n", "Bearer first"), (" second ", "Bearer second")] {
        std::fs::write(&path, text).unwrap();
        ask(&client).await.unwrap();
        let seen = server.seen(THING).pop().unwrap();
        assert_eq!(seen.header("authorization"), Some(header));
    }
    for (bytes, rule) in [
        (&b" \n"[..], "holds no usable token"),
        (b"hid\nden", "holds no usable token"),
        (b"hid\xffden", "holds no usable token"),
        (&vec![b'h'; 70_000], "is longer than 65536 bytes"),
    ] {
        std::fs::write(&path, bytes).unwrap();
        let answer = ask(&client).await;
        assert!(answer.as_ref().unwrap_err().is_preparation());
        let error = failure(answer);
        assert!(error.contains(rule) && !error.contains("hid"), "{error}");
    }
    std::fs::remove_file(&path).unwrap();
    let error = failure(ask(&client).await);
    assert!(error.contains("cannot read"), "{error}");
    assert_eq!(server.seen(THING).len(), 2);
}

#[tokio::test]
async fn a_token_that_is_refused_is_not_tried_again() {
    let server = server().await;
    server.set(THING, Answer::status(401));
    let token = Token::Given(Secret::new("abc".to_owned()));
    let answer = ask(&bearing(&server, token, "Bearer")).await.unwrap();
    assert_eq!(answer.status.as_u16(), 401);
    assert_eq!(server.seen(THING).len(), 1);
}
