//! Requests that are signed for AWS, verified by the rules of Signature Version 4.

use aws_lc_rs::{digest, hmac};
use portcullis::{
    redact::Secret,
    services::{
        AwsCredentials, Client, ContainerMetadata, Credentials, Get, Post, S3Signing, Service,
    },
};
use reqwest::header::{HeaderMap, HeaderValue};
use serde_json::json;

use crate::{
    LONG, THING, ask,
    bundles::{Answer, BundleServer, Seen},
    client, failure, server, service,
};

const SECRET: &str = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY";

fn hex(bytes: &[u8]) -> String {
    let digits: Vec<_> = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    digits.concat()
}

fn sha256(text: &[u8]) -> String {
    hex(digest::digest(&digest::SHA256, text).as_ref())
}

fn mac(key: &[u8], text: &str) -> Vec<u8> {
    let key = hmac::Key::new(hmac::HMAC_SHA256, key);
    hmac::sign(&key, text.as_bytes()).as_ref().to_vec()
}

/// The signature of a canonical request at `time` in `scope` (day, region, service, `aws4_request`).
fn signature(canonical: &str, time: &str, scope: &str) -> String {
    let to_sign = format!(
        "AWS4-HMAC-SHA256\n{time}\n{scope}\n{}",
        sha256(canonical.as_bytes())
    );
    let begin = format!("AWS4{SECRET}").into_bytes();
    let key = scope.split('/').fold(begin, |key, part| mac(&key, part));
    hex(&mac(&key, &to_sign))
}

#[test]
fn the_rules_here_are_those_of_aws() {
    // The example of the AWS General Reference.
    let empty = sha256(b"");
    let canonical = format!(
        "GET\n/\nAction=ListUsers&Version=2010-05-08\n\
         content-type:application/x-www-form-urlencoded; charset=utf-8\n\
         host:iam.amazonaws.com\nx-amz-date:20150830T123600Z\n\n\
         content-type;host;x-amz-date\n{empty}"
    );
    let scope = "20150830/us-east-1/iam/aws4_request";
    assert_eq!(
        signature(&canonical, "20150830T123600Z", scope),
        "5d672d79c15b13162d9279b0855cfba6789a8edb4c82c400e06b5924a6f2b5d7"
    );
}

/// Whether a request was signed with [`SECRET`], its body and all its headers that AWS knows included.
fn is_signed(seen: &Seen, scope: &str) -> bool {
    let authorization = seen.header("authorization").unwrap();
    let rest = authorization
        .strip_prefix("AWS4-HMAC-SHA256 Credential=AKID/")
        .unwrap();
    let (credential, rest) = rest.split_once(", SignedHeaders=").unwrap();
    let (names, found) = rest.split_once(", Signature=").unwrap();
    let time = seen.header("x-amz-date").unwrap();
    let (day, _) = time.split_once('T').unwrap();
    let scope = format!("{day}/{scope}/aws4_request");
    assert_eq!(credential, scope);
    let all: Vec<_> = names.split(';').collect();
    assert!(all.contains(&"host") && all.contains(&"x-amz-date"));
    for name in seen.headers.keys() {
        let name = name.as_str();
        assert!(!name.starts_with("x-amz-") || all.contains(&name), "{name}");
    }
    let line = |name: &&str| format!("{name}:{}\n", seen.header(name).unwrap());
    let headers = all.iter().map(line).collect::<Vec<_>>().concat();
    let (method, path, query) = (&seen.method, &seen.path, seen.query.as_deref());
    let query = query.unwrap_or_default();
    let body = sha256(&seen.body);
    assert_eq!(seen.header("x-amz-content-sha256"), Some(body.as_str()));
    let canonical = format!("{method}\n{path}\n{query}\n{headers}\n{names}\n{body}");
    signature(&canonical, time, &scope) == found
}

fn environment(token: Option<&str>) -> AwsCredentials {
    AwsCredentials::Environment {
        access_key_id: "AKID".to_owned(),
        secret_access_key: Secret::new(SECRET.to_owned()),
        session_token: token.map(|token| Secret::new(token.to_owned())),
        region: "eu-west-1".to_owned(),
    }
}

fn signing(server: &BundleServer, from: Vec<AwsCredentials>) -> Client {
    client(Service {
        credentials: Credentials::S3Signing(S3Signing {
            service: "s3".to_owned(),
            from,
        }),
        ..service(server)
    })
}

#[tokio::test]
async fn a_get_is_signed_with_what_it_asks_for() {
    let server = server().await;
    let client = signing(&server, vec![environment(None)]);
    let mut headers = HeaderMap::new();
    headers.insert("if-none-match", HeaderValue::from_static("\"1\""));
    let get = Get {
        resource: "thing?versionId=3",
        headers,
        wait: LONG,
        most: 9,
    };
    assert_eq!(client.get(get).await.unwrap().body, "it");
    let mut seen = server.seen(THING).pop().unwrap();
    assert_eq!(seen.header("x-amz-security-token"), None);
    assert!(is_signed(&seen, "eu-west-1/s3"));
    seen.query = Some("versionId=4".to_owned());
    assert!(!is_signed(&seen, "eu-west-1/s3"));
}

#[tokio::test]
async fn a_post_is_signed_with_its_body_and_its_token() {
    let server = server().await;
    let client = signing(&server, vec![environment(Some("session"))]);
    let post = Post {
        resource: "thing",
        headers: HeaderMap::new(),
        body: "{}".into(),
    };
    client.post(post).await.unwrap();
    let seen = server.seen(THING).pop().unwrap();
    assert_eq!(
        (seen.body.as_slice(), seen.header("x-amz-security-token")),
        (&b"{}"[..], Some("session"))
    );
    assert!(is_signed(&seen, "eu-west-1/s3"));
}

#[tokio::test]
async fn keys_come_from_the_first_place_that_has_some() {
    let (server, folder) = (server().await, tempfile::tempdir().unwrap());
    let keys = json!({
        "AccessKeyId": "AKID",
        "SecretAccessKey": SECRET,
        "Token": "session",
        "Expiration": "2100-01-01T00:00:00Z",
    });
    server.set("/keys", Answer::ok(keys.to_string()));
    let token_file = folder.path().join("token");
    std::fs::write(&token_file, "who").unwrap();
    let pod = |path: &str| AwsCredentials::Container {
        region: "us-east-2".to_owned(),
        at: ContainerMetadata::Pod {
            url: format!("{}{path}", server.origin()),
            token_file: token_file.clone(),
        },
    };
    let absent = AwsCredentials::WebIdentity {
        region: "us-east-2".to_owned(),
        role_arn: "arn".to_owned(),
        token_file: folder.path().join("absent"),
        session_name: "gate".to_owned(),
    };
    let client = signing(
        &server,
        vec![absent.clone(), pod("/keys"), environment(None)],
    );
    for _ in 0..2 {
        assert_eq!(ask(&client).await.unwrap().body, "it");
        assert!(is_signed(
            &server.seen(THING).pop().unwrap(),
            "us-east-2/s3"
        ));
    }
    let asked = server.seen("/keys");
    assert_eq!(asked.len(), 1, "keys are kept until they expire");
    assert_eq!(asked[0].header("authorization"), Some("who"));

    let next = signing(&server, vec![pod("/none"), environment(None)]);
    ask(&next).await.unwrap();
    assert!(is_signed(
        &server.seen(THING).pop().unwrap(),
        "eu-west-1/s3"
    ));

    for (from, place) in [(vec![absent], "the web identity"), (vec![], "`s3_signing`")] {
        let answer = ask(&signing(&server, from)).await;
        assert!(answer.as_ref().unwrap_err().is_preparation());
        let error = failure(answer);
        assert!(
            error.contains(&format!("no AWS credentials from {place}")),
            "{error}"
        );
    }
    assert_eq!(server.seen(THING).len(), 3);
}

#[tokio::test]
async fn what_cannot_be_signed_is_not_sent_and_not_shown() {
    let server = server().await;
    let client = signing(&server, vec![environment(Some("hid\nden"))]);
    let error = failure(ask(&client).await);
    assert!(error.contains("cannot be signed"), "{error}");
    for text in [error, format!("{client:?}")] {
        assert!(
            !text.contains("hid\nden") && !text.contains(SECRET),
            "{text}"
        );
    }
    assert!(server.seen(THING).is_empty());
}
