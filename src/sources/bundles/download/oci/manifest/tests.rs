//! Which layer is the bundle.

use serde_json::Value;

use super::*;

fn entry(media_type: &str, content: &[u8]) -> Value {
    json!({"mediaType": media_type, "digest": digest(content), "size": content.len()})
}

fn manifest(layers: &[Value]) -> Value {
    json!({
        "schemaVersion": 2,
        "config": entry(CONFIG_TYPE, CONFIG),
        "layers": layers,
    })
}

fn reason(document: &Value) -> String {
    read("it", document.to_string().as_bytes())
        .unwrap_err()
        .to_string()
}

#[test]
fn a_manifest_that_is_written_is_read_again() {
    let annotations = BTreeMap::from([("a".to_owned(), "b".to_owned())]);
    let written = write(b"archive", &annotations);
    let found = read("it", written.as_bytes()).unwrap();
    let blob = Blob {
        digest: digest(b"archive"),
        size: 7,
    };
    assert_eq!(found, Found::Layer(blob));
    assert!(written.contains(r#""annotations":{"a":"b"}"#), "{written}");
    // The digest of a manifest names it: the same bundle must give the same bytes.
    assert_eq!(written, write(b"archive", &annotations));
}

#[test]
fn exactly_one_layer_is_a_bundle() {
    let other = entry("application/vnd.example+json", b"other");
    let bundle = entry(LAYER, b"one");
    let found = read(
        "it",
        manifest(&[other.clone(), bundle.clone()])
            .to_string()
            .as_bytes(),
    );
    assert!(matches!(found, Ok(Found::Layer(_))), "{found:?}");
    assert!(reason(&manifest(&[])).contains("has 0 layers of type"));
    assert!(reason(&manifest(&[other])).contains("has 0 layers of type"));
    assert!(reason(&manifest(&[bundle.clone(), bundle])).contains("has 2 layers of type"));
}

#[test]
fn an_index_leads_to_its_only_manifest() {
    let image = entry(MANIFEST, b"image");
    let mut about = entry(MANIFEST, b"about");
    about["platform"] = json!({"os": "unknown", "architecture": "unknown"});
    let index = |manifests: &[&Value]| json!({"schemaVersion": 2, "manifests": manifests});
    let found = read("it", index(&[&about, &image]).to_string().as_bytes()).unwrap();
    assert_eq!(found, Found::Manifest(digest(b"image")));
    let mut arm = image.clone();
    arm["platform"] = json!({"os": "linux", "architecture": "arm64"});
    for (manifests, count) in [(vec![], 0), (vec![&about], 0), (vec![&image, &arm], 2)] {
        let reason = reason(&index(&manifests));
        let expected = format!("is an index of {count} manifests");
        assert!(reason.contains(&expected), "{reason}");
    }
}

#[test]
fn what_can_be_read_in_two_ways_is_not_read() {
    let mut both = manifest(&[entry(LAYER, b"one")]);
    both["manifests"] = json!([]);
    assert!(reason(&both).contains("both `layers` and `manifests`"));
    assert!(reason(&json!({"schemaVersion": 2})).contains("neither"));
}

#[test]
fn other_digests_and_other_documents_are_refused() {
    let mut layer = entry(LAYER, b"one");
    layer["digest"] = json!(format!("sha512:{}", "0".repeat(128)));
    assert!(reason(&manifest(&[layer.clone()])).contains("which is not sha256"));
    for wrong in ["sha256:../../etc", "sha256:", "", "sha256:ABC"] {
        layer["digest"] = json!(wrong);
        assert!(reason(&manifest(&[layer.clone()])).contains("not a readable manifest"));
    }
    layer["digest"] = json!(digest(b"one"));
    layer["size"] = json!(-1);
    assert!(reason(&manifest(&[layer])).contains("not a readable manifest"));
    for text in ["", "{", "[]", "null", "{\"layers\":7}"] {
        assert!(read("it", text.as_bytes()).is_err(), "{text}");
    }
    let deep = "[".repeat(100_000);
    assert!(read("it", deep.as_bytes()).is_err());
}
