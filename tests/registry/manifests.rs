//! What a tag may point to.

use portcullis::services::Credentials;
use serde_json::{Value, json};

use crate::{archive, ask, chain, from_registry, is_unchanged, server::Registry, service};

const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";

fn manifest(layers: &[Value]) -> Value {
    let config = json!({
        "mediaType": "application/vnd.oci.image.config.v1+json",
        "digest": crate::server::digest(b"{}"),
        "size": 2,
    });
    json!({"schemaVersion": 2, "config": config, "layers": layers})
}

async fn refusal(registry: &Registry) -> String {
    let plain = service(&registry.origin(), Credentials::None);
    let mut downloader = from_registry(plain, registry.reference("v1"));
    chain(&ask(&mut downloader, None).await.unwrap_err())
}

#[tokio::test]
async fn an_index_of_one_bundle_is_that_bundle() {
    let registry = Registry::start().await;
    let inner = registry.put("inner", b"archive");
    let entry = json!({"mediaType": MANIFEST, "digest": inner, "size": 1});
    let index = json!({"schemaVersion": 2, "manifests": [entry]});
    let outer = registry.put_manifest("v1", &index);
    let plain = service(&registry.origin(), Credentials::None);
    let mut downloader = from_registry(plain, registry.reference("v1"));
    let pulled = archive(&mut downloader, None).await;
    assert_eq!(pulled.bytes, "archive");
    assert_eq!(pulled.validator.as_ref(), Some(&outer));
    assert!(is_unchanged(&mut downloader, &outer).await);
}

#[tokio::test]
async fn what_is_not_one_bundle_is_refused_by_name() {
    let registry = Registry::start().await;
    let layer = registry.layer(b"archive");
    registry.put_manifest("v1", &manifest(&[layer.clone(), layer.clone()]));
    assert!(refusal(&registry).await.contains("has 2 layers of type"));
    registry.put_manifest("v1", &manifest(&[]));
    assert!(refusal(&registry).await.contains("has 0 layers of type"));
    registry.put_manifest("v1", &json!("nothing"));
    assert!(refusal(&registry).await.contains("not a readable manifest"));
    let entry = |digest: &str| json!({"mediaType": MANIFEST, "digest": digest, "size": 1});
    let one = registry.put("one", b"archive");
    let index = json!({"schemaVersion": 2, "manifests": [entry(&one), entry(&one)]});
    registry.put_manifest("v1", &index);
    assert!(refusal(&registry).await.contains("an index of 2 manifests"));
    let index = json!({"schemaVersion": 2, "manifests": [entry(&one)]});
    let inner = registry.put_manifest("inner", &index);
    let index = json!({"schemaVersion": 2, "manifests": [entry(&inner)]});
    registry.put_manifest("v1", &index);
    assert!(
        refusal(&registry)
            .await
            .contains("an index within an index")
    );
}

#[tokio::test]
async fn a_layer_that_is_too_long_by_its_manifest_is_not_asked_for() {
    let registry = Registry::start().await;
    let mut layer = registry.layer(b"archive");
    layer["size"] = json!(crate::MOST + 1);
    registry.put_manifest("v1", &manifest(&[layer]));
    let reason = refusal(&registry).await;
    assert!(reason.contains("is longer than 1048576 bytes"), "{reason}");
    let seen = registry.seen();
    assert!(seen.iter().all(|seen| !seen.uri.path().contains("/blobs/")));
}
