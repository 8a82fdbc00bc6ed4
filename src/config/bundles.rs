//! `bundles`, `bundle` and `discovery`: where OPA is told to get its policy from.
//!
//! This version loads bundles from files. Whatever else is asked for is an error, never passed over:
//! the server would otherwise answer from another policy than the operator configured.

use std::path::PathBuf;

use serde_json::Value;

use super::{
    problem::{Complaint, join},
    section::Section,
};

/// The files and folders of `bundles`; reports everything that cannot be served.
pub(super) fn read(root: &mut Section<'_>) -> Vec<PathBuf> {
    for key in ["bundle", "discovery"] {
        if root.raw(key).is_some() {
            root.problem(key, not_served());
        }
    }
    let keys = root.raw("keys").and_then(Value::as_object);
    let keys_given = keys.is_some_and(|keys| !keys.is_empty());
    let bundles = root.raw("bundles").and_then(Value::as_object);
    let mut paths = Vec::new();
    for (name, bundle) in bundles.into_iter().flatten() {
        let key = join("bundles", name);
        if !(bundle.is_object() || bundle.is_null()) {
            continue; // its type is reported with the other types
        }
        match file_resource(bundle) {
            Err(complaint) => root.report().add(key, complaint),
            Ok(_) if keys_given || has_signing(bundle) => {
                let complaint = Complaint::new("signatures of bundles cannot be verified yet");
                let hint = "verify it before it is mounted, and remove `signing` and `keys`";
                root.report().add(key, complaint.hint(hint));
            }
            Ok(path) => paths.push(path),
        }
    }
    paths
}

fn file_resource(bundle: &Value) -> Result<PathBuf, Complaint> {
    let resource = bundle.get("resource").and_then(Value::as_str);
    match resource.and_then(|resource| resource.strip_prefix("file://")) {
        Some("") => Err(Complaint::new("`file://` names no file")),
        Some(path) => Ok(PathBuf::from(path)),
        None => Err(not_served()),
    }
}

fn has_signing(bundle: &Value) -> bool {
    let signing = bundle.get("signing").filter(|signing| !signing.is_null());
    signing.is_some()
}

fn not_served() -> Complaint {
    Complaint::new("policies cannot be fetched over the network yet")
        .hint("give their paths on the command line, or use a `file://` resource")
}
