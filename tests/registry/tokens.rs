//! Who we are at a registry: sent along, or exchanged for a token.

use portcullis::services::{Credentials, Service, Token};
use tempfile::TempDir;

use crate::{
    archive, ask, bearer,
    certificates::Authority,
    chain, from_registry,
    server::{At, Fault, Guard, Registry, basic},
    service,
};

async fn guarded(guard: Guard) -> Registry {
    let registry = Registry::start().await;
    registry.put("v1", b"archive");
    registry.guard(guard);
    registry
}

/// The status that is given to who has `credentials`, or `None` if they get the archive.
async fn status(registry: &Registry, credentials: Credentials) -> Option<u16> {
    let service = service(&registry.origin(), credentials);
    let mut downloader = from_registry(service, registry.reference("v1"));
    match ask(&mut downloader, None).await {
        Ok(_) => None,
        Err(error) => error.http_status(),
    }
}

#[tokio::test]
async fn credentials_go_along_in_base64_as_opa_sends_them() {
    let registry = guarded(Guard::Header(basic("gate", "secret"))).await;
    assert_eq!(
        status(&registry, bearer("Basic", "gate:secret")).await,
        None
    );
    let wrong = [
        bearer("Basic", "gate:other"),
        bearer("Bearer", "gate:secret"),
        Credentials::None,
    ];
    for credentials in wrong {
        assert_eq!(status(&registry, credentials).await, Some(401));
    }
    // "c2VjcmV0" is `secret`.
    let registry = guarded(Guard::Header("Bearer c2VjcmV0".to_owned())).await;
    assert_eq!(status(&registry, bearer("Bearer", "secret")).await, None);
    assert_eq!(
        status(&registry, bearer("Bearer", "c2VjcmV0")).await,
        Some(401)
    );
}

#[tokio::test]
async fn credentials_are_exchanged_for_a_token_that_allows_to_pull() {
    let guard = Guard::Token {
        header: Some(basic("gate", "secret")),
        realm: None,
    };
    let registry = guarded(guard).await;
    assert_eq!(
        status(&registry, bearer("Basic", "gate:secret")).await,
        None
    );
    let seen = registry.seen();
    let paths: Vec<&str> = seen.iter().map(|seen| seen.uri.path()).collect();
    let digest = crate::server::digest(b"archive");
    let blob = format!("/v2/org/policies/blobs/{digest}");
    let manifest = "/v2/org/policies/manifests/v1";
    assert_eq!(paths, [manifest, "/token", manifest, &blob]);
    let query = seen[1].uri.query().unwrap();
    assert_eq!(
        query,
        "service=registry&scope=repository%3Aorg%2Fpolicies%3Apull"
    );
    let token = "Bearer token-for:repository:org/policies:pull";
    assert_eq!(seen[3].header("authorization"), Some(token));
    assert_eq!(
        status(&registry, bearer("Basic", "gate:other")).await,
        Some(401)
    );
    assert_eq!(status(&registry, Credentials::None).await, Some(401));
}

#[tokio::test]
async fn who_has_no_credentials_gets_a_token_for_what_is_public() {
    let registry = guarded(Guard::Token {
        header: None,
        realm: None,
    })
    .await;
    assert_eq!(status(&registry, Credentials::None).await, None);
}

#[tokio::test]
async fn a_token_file_is_read_again_each_time() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("token");
    std::fs::write(&path, "gate:old\n").unwrap();
    let registry = guarded(Guard::Header(basic("gate", "new"))).await;
    let credentials = Credentials::Bearer {
        token: Token::File(path.clone()),
        scheme: "Basic".to_owned(),
    };
    let service = service(&registry.origin(), credentials);
    let mut downloader = from_registry(service, registry.reference("v1"));
    let error = ask(&mut downloader, None).await.unwrap_err();
    assert_eq!(error.http_status(), Some(401));
    std::fs::write(&path, "gate:new\n").unwrap();
    assert_eq!(archive(&mut downloader, None).await.bytes, "archive");
}

#[tokio::test]
async fn what_a_token_service_gives_is_read_with_suspicion() {
    let cases = [
        (Fault::Text("{}".to_owned()), "gave no token"),
        (
            Fault::Text(r#"{"token":"a\r\nx: y"}"#.to_owned()),
            "may not be sent",
        ),
        (Fault::Flood, "is longer than 65536 bytes"),
        (Fault::Status(500), "answered 500"),
        (Fault::Redirect("/elsewhere".to_owned()), "answered 307"),
    ];
    for (fault, reason) in cases {
        let registry = guarded(Guard::Token {
            header: None,
            realm: None,
        })
        .await;
        registry.fault(At::Token, fault);
        let service = service(&registry.origin(), Credentials::None);
        let mut downloader = from_registry(service, registry.reference("v1"));
        let error = chain(&ask(&mut downloader, None).await.unwrap_err());
        assert!(error.contains(reason), "{error}");
    }
}

#[tokio::test]
async fn an_encrypted_registry_sends_nobody_to_an_open_token_service() {
    let folder = TempDir::new().unwrap();
    let authority = Authority::new("ours");
    let leaf = authority.server();
    let thief = Registry::start().await;
    let registry = Registry::start_tls(leaf.certificate, leaf.key, None).await;
    registry.put("v1", b"archive");
    registry.guard(Guard::Token {
        header: None,
        realm: Some(format!("{}/token", thief.origin())),
    });
    let mut service: Service = service(&registry.origin(), bearer("Basic", "gate:secret"));
    let ca_cert = folder.path().join("ca.crt");
    std::fs::write(&ca_cert, authority.pem()).unwrap();
    service.tls.ca_cert = Some(ca_cert);
    let mut downloader = from_registry(service, registry.reference("v1"));
    let error = chain(&ask(&mut downloader, None).await.unwrap_err());
    assert!(error.contains("which is not an https address"), "{error}");
    assert!(thief.seen().is_empty());
}
