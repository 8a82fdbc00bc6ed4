//! TLS: who is believed, and with which certificate one comes.

use std::sync::Arc;

use serde_json::{Value, json};

use crate::{
    Sender,
    backend::{Backend, text},
    certificates::{Authority, Leaf},
    get, get_with,
};

async fn backend(authority: &Authority, clients: Option<&Authority>) -> Backend {
    let leaf: Leaf = authority.server();
    Backend::start_tls(text("secret"), &leaf, clients).await
}

#[tokio::test]
async fn only_a_server_that_the_given_authority_vouches_for_is_believed() {
    let (ours, other) = (Authority::new("ours"), Authority::new("other"));
    let backend = backend(&ours, None).await;
    let sender = Sender::to(&[&backend.origin()]);
    let with = |pem: String| get_with(&backend.url("/"), json!({"tls_ca_cert": pem}));
    assert_eq!(sender.body(with(ours.pem())).await, "secret");
    assert_eq!(
        sender.body(with(ours.pem().replace('\n', "\\n"))).await,
        "secret"
    );
    let error = sender.send(with(other.pem())).await.unwrap_err();
    assert!(error.contains("certificate"), "{error}");
    for none in ["", "no certificate"] {
        assert!(sender.send(with(none.to_owned())).await.is_err());
    }
    // Nor do the system's authorities know it.
    assert!(sender.send(get(&backend.url("/"))).await.is_err());
    assert_eq!(backend.count(), 2);
}

#[tokio::test]
async fn a_certificate_is_for_the_host_of_the_url() {
    let authority = Authority::new("ours");
    let backend = backend(&authority, None).await;
    let by_address = format!("https://127.0.0.1:{}", backend.address.port());
    let sender = Sender::to(&[&by_address]);
    let request = get_with(&by_address, json!({"tls_ca_cert": authority.pem()}));
    assert!(sender.send(request).await.is_err());
    assert_eq!(backend.count(), 0);
}

#[tokio::test]
async fn a_client_certificate_is_shown_to_who_asks_for_one() {
    let authority = Authority::new("ours");
    let backend = backend(&authority, Some(&authority)).await;
    let sender = Sender::to(&[&backend.origin()]);
    let leaf = authority.workload("spiffe://cluster.local/ns/a/sa/b");
    let with = |more: Value| {
        let mut request = get_with(&backend.url("/"), json!({"tls_ca_cert": authority.pem()}));
        for (key, value) in more.as_object().unwrap() {
            request[key] = value.clone();
        }
        request
    };
    let own =
        with(json!({"tls_client_cert": leaf.certificate_pem, "tls_client_key": leaf.key_pem}));
    assert_eq!(sender.body(own).await, "secret");
    assert!(sender.send(with(json!({}))).await.is_err());
    let unusable = with(json!({"tls_client_cert": "x", "tls_client_key": "y"}));
    assert!(sender.send(unusable).await.is_err());
}

#[tokio::test]
async fn files_are_read_only_if_they_are_named_and_anew_each_time() {
    let (ours, next) = (Authority::new("ours"), Authority::new("next"));
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ca.crt");
    std::fs::write(&path, next.pem()).unwrap();
    let backend = backend(&ours, None).await;
    let request = get_with(
        &backend.url("/"),
        json!({"tls_ca_cert_file": path.to_str().unwrap()}),
    );

    let sender = Sender::to(&[&backend.origin()]);
    let error = sender.send(request.clone()).await.unwrap_err();
    assert!(
        error.contains("name it in `portcullis.http_send.tls_files`"),
        "{error}"
    );

    let sender = Sender::with(&[&backend.origin()], |options| {
        options.tls_files = vec![path.clone()];
    });
    assert!(sender.send(request.clone()).await.is_err());
    std::fs::write(&path, ours.pem()).unwrap();
    assert_eq!(sender.body(request.clone()).await, "secret");
    std::fs::write(&path, next.pem()).unwrap();
    assert!(sender.send(request.clone()).await.is_err());
    std::fs::remove_file(&path).unwrap();
    let error = sender.send(request).await.unwrap_err();
    assert!(error.contains("cannot be read"), "{error}");
}

#[tokio::test]
async fn certificates_of_one_request_are_not_those_of_another() {
    let authority = Authority::new("ours");
    let backend = Arc::new(backend(&authority, Some(&authority)).await);
    let sender = Sender::to(&[&backend.origin()]);
    let leaf = authority.workload("spiffe://cluster.local/ns/a/sa/b");
    let ca = json!({"tls_ca_cert": authority.pem()});
    let mut with = get_with(&backend.url("/"), ca.clone());
    with["tls_client_cert"] = leaf.certificate_pem.clone().into();
    with["tls_client_key"] = leaf.key_pem.clone().into();
    // The connection of the first is still open.
    assert!(sender.send(with).await.is_ok());
    assert!(sender.send(get_with(&backend.url("/"), ca)).await.is_err());
}
