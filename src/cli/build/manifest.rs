//! The manifest of a bundle that is built: what was there, and what the arguments say.

use anyhow::Result;
use serde_json::{Map, Value, json};

use crate::cli::Usage;

/// What the arguments say.
pub(super) struct Wanted<'a, F> {
    pub(super) revision: Option<String>,
    /// Finds a revision where neither the arguments nor the manifest have one.
    pub(super) found: F,
    pub(super) roots: &'a [String],
    pub(super) entrypoints: &'a [String],
    pub(super) v0: bool,
}

/// The text of the manifest.
pub(super) fn of<F>(existing: Option<Vec<u8>>, wanted: Wanted<'_, F>) -> Result<Vec<u8>>
where
    F: FnOnce() -> Option<String>,
{
    let mut manifest: Map<String, Value> = match existing {
        Some(text) => serde_json::from_slice(&text)
            .map_err(|error| Usage(format!("`.manifest` is not readable: {error}")))?,
        None => Map::new(),
    };
    let has_revision = manifest
        .get("revision")
        .and_then(Value::as_str)
        .is_some_and(|text| !text.is_empty());
    let revision = match wanted.revision {
        Some(revision) => Some(revision),
        None if has_revision => None,
        None => (wanted.found)(),
    };
    if let Some(revision) = revision {
        manifest.insert("revision".to_owned(), revision.into());
    }
    if !wanted.roots.is_empty() {
        manifest.insert("roots".to_owned(), wanted.roots.into());
    }
    // OPA takes a bundle without roots for the owner of all of `data`; said aloud, as `opa build` does.
    manifest.entry("roots").or_insert_with(|| json!([""]));
    manifest
        .entry("rego_version")
        .or_insert_with(|| u8::from(!wanted.v0).into());
    if !wanted.entrypoints.is_empty() {
        let metadata = manifest.entry("metadata").or_insert_with(|| json!({}));
        let Some(metadata) = metadata.as_object_mut() else {
            return Err(Usage("`metadata` of `.manifest` is not an object".to_owned()).into());
        };
        metadata.insert("entrypoints".to_owned(), wanted.entrypoints.into());
    }
    Ok(serde_json::to_vec(&manifest)?)
}
