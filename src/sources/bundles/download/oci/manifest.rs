//! Manifests: which layer is the bundle. Nothing is asked here, and nothing that a manifest says is
//! believed before its digest is.

use std::collections::BTreeMap;

use oci_spec::image::{Arch, Descriptor, ImageIndex, ImageManifest, MediaType, Os};
use serde::{Deserialize, de::IgnoredAny};
use serde_json::json;
use sha2::{Digest as _, Sha256};

use super::error::RegistryError;
use crate::digest::hex;

/// Media type of a manifest of ours.
pub(super) const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
/// Media type of its configuration, which is empty.
const CONFIG_TYPE: &str = "application/vnd.oci.image.config.v1+json";
/// Media type of the layer that is a bundle; OPA takes no other.
const LAYER: &str = "application/vnd.oci.image.layer.v1.tar+gzip";
/// What manifests may be, in the order we like them.
pub(super) const ACCEPT: &str = "application/vnd.oci.image.manifest.v1+json, \
    application/vnd.oci.image.index.v1+json, \
    application/vnd.docker.distribution.manifest.v2+json, \
    application/vnd.docker.distribution.manifest.list.v2+json";
/// The configuration: a gate reads nothing of it.
pub(super) const CONFIG: &[u8] = b"{}";

/// What a manifest leads to.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Found {
    /// The layer that is the bundle.
    Layer(Blob),
    /// The manifest to read instead, by its digest.
    Manifest(String),
}

/// A blob as a manifest names it.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Blob {
    /// `sha256:` and digits.
    pub(super) digest: String,
    /// Its length in bytes.
    pub(super) size: u64,
}

/// `sha256:` and the digits of the digest of `bytes`.
pub(super) fn digest(bytes: &[u8]) -> String {
    format!("sha256:{}", hex(&Sha256::digest(bytes)))
}

/// The manifest of the bundle `archive`.
pub(super) fn write(archive: &[u8], annotations: &BTreeMap<String, String>) -> String {
    let manifest = json!({
        "schemaVersion": 2,
        "mediaType": MANIFEST,
        "config": {
            "mediaType": CONFIG_TYPE,
            "digest": digest(CONFIG),
            "size": CONFIG.len(),
        },
        "layers": [{
            "mediaType": LAYER,
            "digest": digest(archive),
            "size": archive.len(),
            "annotations": {"org.opencontainers.image.title": "bundle.tar.gz"},
        }],
        "annotations": annotations,
    });
    manifest.to_string()
}

/// Reads a manifest or an index; `place` names it in errors.
pub(super) fn read(place: &str, bytes: &[u8]) -> Result<Found, RegistryError> {
    let unreadable = |source| RegistryError::Manifest {
        place: place.to_owned(),
        source,
    };
    let shape: Shape = serde_json::from_slice(bytes).map_err(unreadable)?;
    let found = match (shape.layers, shape.manifests) {
        (Some(_), None) => serde_json::from_slice(bytes)
            .map_err(unreadable)
            .map(|manifest| layer(&manifest))?,
        (None, Some(_)) => serde_json::from_slice(bytes)
            .map_err(unreadable)
            .map(|index| only(&index))?,
        // What is both is read differently by different readers.
        (Some(_), Some(_)) => Err("has both `layers` and `manifests`".to_owned()),
        (None, None) => Err("has neither `layers` nor `manifests`".to_owned()),
    };
    found.map_err(|rule| RegistryError::Unfit {
        place: place.to_owned(),
        rule,
    })
}

/// What tells a manifest from an index: its media type may be missing.
#[derive(Deserialize)]
struct Shape {
    layers: Option<IgnoredAny>,
    manifests: Option<IgnoredAny>,
}

fn layer(manifest: &ImageManifest) -> Result<Found, String> {
    let bundles: Vec<&Descriptor> = manifest
        .layers()
        .iter()
        .filter(|layer| *layer.media_type() == MediaType::ImageLayerGzip)
        .collect();
    let [bundle] = bundles.as_slice() else {
        let count = bundles.len();
        return Err(format!("has {count} layers of type `{LAYER}`, not one"));
    };
    Ok(Found::Layer(Blob {
        digest: sha256(bundle)?,
        size: bundle.size(),
    }))
}

/// The one manifest of an index: a bundle runs on every platform, so there is nothing to choose.
fn only(index: &ImageIndex) -> Result<Found, String> {
    let manifests: Vec<&Descriptor> = index
        .manifests()
        .iter()
        .filter(|entry| !is_attestation(entry))
        .collect();
    let [manifest] = manifests.as_slice() else {
        let count = manifests.len();
        return Err(format!("is an index of {count} manifests, not of one"));
    };
    sha256(manifest).map(Found::Manifest)
}

/// What image builders add about an image, for a platform that is nobody's.
fn is_attestation(entry: &Descriptor) -> bool {
    let unknown = "unknown";
    entry.platform().as_ref().is_some_and(|platform| {
        *platform.os() == Os::Other(unknown.to_owned())
            && *platform.architecture() == Arch::Other(unknown.to_owned())
    })
}

fn sha256(descriptor: &Descriptor) -> Result<String, String> {
    match descriptor.as_digest_sha256() {
        Some(digits) => Ok(format!("sha256:{digits}")),
        None => Err(format!(
            "names the digest `{}`, which is not sha256",
            descriptor.digest()
        )),
    }
}

#[cfg(test)]
mod tests;
