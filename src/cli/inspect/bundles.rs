//! What `inspect` tells about single bundles: revision, roots, sizes, signature.

use std::fmt;

use anyhow::Result;
use serde_json::{Value, json};

use crate::{
    cli::{archive, load::usage},
    policy::{
        PolicyFile,
        bundle::{self, Contents, Limits, Reading, SIGNATURES, Verification},
    },
};

/// One bundle.
pub(super) struct Inspected {
    name: String,
    revision: Option<String>,
    roots: Vec<String>,
    pub(super) entrypoints: Vec<String>,
    signature: Signature,
    packed: usize,
    /// Paths and lengths.
    files: Vec<(String, usize)>,
}

enum Signature {
    None,
    /// With the key that it names, if any.
    NotVerified(Option<String>),
    Verified(String),
}

/// The bundles among `files`.
pub(super) fn of(files: &[PolicyFile], verification: &Verification) -> Result<Vec<Inspected>> {
    let is_bundle = |file: &&PolicyFile| {
        [".tar.gz", ".tgz", "/"]
            .iter()
            .any(|end| file.name.ends_with(end))
    };
    files
        .iter()
        .filter(is_bundle)
        .map(|file| inspect(file, verification))
        .collect()
}

fn inspect(file: &PolicyFile, verification: &Verification) -> Result<Inspected> {
    let reading = Reading {
        limits: &Limits::default(),
        verification,
        last: None,
    };
    let contents = bundle::read(&file.name, &file.bytes, reading).map_err(usage)?;
    let files = archive::files(&file.name, &file.bytes)?;
    let mut inspected = Inspected {
        name: file.name.clone(),
        revision: None,
        roots: vec![String::new()],
        entrypoints: Vec::new(),
        signature: Signature::None,
        packed: file.bytes.len(),
        files: files
            .iter()
            .map(|(path, bytes)| (path.clone(), bytes.len()))
            .collect(),
    };
    if let Some((_, signatures)) = files.iter().find(|(path, _)| path == SIGNATURES) {
        inspected.signature = Signature::NotVerified(bundle::claimed_key(signatures));
    }
    if let Contents::Snapshot(bundle) = contents {
        let manifest = bundle.manifest();
        inspected.revision = bundle.revision().map(str::to_owned);
        if let Some(roots) = manifest.roots() {
            inspected.roots = roots.to_vec();
        }
        let metadata = manifest
            .metadata()
            .and_then(|metadata| serde_json::to_value(metadata).ok());
        let noted = metadata
            .as_ref()
            .and_then(|metadata| metadata.get("entrypoints")?.as_array());
        let noted = noted.into_iter().flatten().filter_map(Value::as_str);
        inspected.entrypoints = noted.map(str::to_owned).collect();
        if let Some(key) = bundle.signed_by() {
            inspected.signature = Signature::Verified(key.to_owned());
        }
    }
    Ok(inspected)
}

impl Inspected {
    pub(super) fn json(&self) -> Value {
        let files = self
            .files
            .iter()
            .map(|(path, bytes)| json!({"path": path, "bytes": bytes}));
        let (signed, verified, key) = match &self.signature {
            Signature::None => (false, false, None),
            Signature::NotVerified(key) => (true, false, key.as_ref()),
            Signature::Verified(key) => (true, true, Some(key)),
        };
        json!({
            "name": self.name,
            "revision": self.revision,
            "roots": self.roots,
            "entrypoints": self.entrypoints,
            "archive_bytes": self.packed,
            "unpacked_bytes": self.unpacked(),
            "files": files.collect::<Value>(),
            "signature": {"signed": signed, "verified": verified, "key_id": key},
        })
    }

    fn unpacked(&self) -> usize {
        self.files
            .iter()
            .fold(0, |sum, (_, bytes)| sum.saturating_add(*bytes))
    }
}

/// For people.
impl fmt::Display for Inspected {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let roots: Vec<_> = self
            .roots
            .iter()
            .map(|root| {
                if root.is_empty() {
                    "all of `data`"
                } else {
                    root.as_str()
                }
            })
            .collect();
        let named = |key: &Option<String>| match key {
            Some(key) => format!("of key `{key}`"),
            None => "that names no key".to_owned(),
        };
        let signature = match &self.signature {
            Signature::None => "none".to_owned(),
            Signature::NotVerified(key) => format!("one {}, not verified", named(key)),
            Signature::Verified(key) => format!("of key `{key}`, verified"),
        };
        writeln!(f, "{:<12} {}", "bundle", self.name)?;
        writeln!(
            f,
            "{:<12} {}",
            "  revision",
            self.revision.as_deref().unwrap_or("none")
        )?;
        writeln!(f, "{:<12} {}", "  roots", roots.join(", "))?;
        writeln!(f, "{:<12} {signature}", "  signature")?;
        write!(
            f,
            "{:<12} {} bytes, {} unpacked",
            "  size",
            self.packed,
            self.unpacked()
        )?;
        for (path, bytes) in &self.files {
            write!(f, "\n{bytes:>14} {path}")?;
        }
        Ok(())
    }
}
