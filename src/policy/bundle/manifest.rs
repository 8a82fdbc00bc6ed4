//! The `.manifest` of a bundle: its revision, the parts of `data` it owns, its Rego versions.

mod versions;

use std::collections::BTreeMap;

use regorus::Value;
use serde::de::{DeserializeOwned, IgnoredAny};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::policy::LoadError;
use crate::policy::diagnostic::Diagnostic;
pub(super) use versions::Versions;

/// What a manifest says; as JSON it is what `opa build` writes.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Manifest {
    #[serde(serialize_with = "text_or_empty")]
    revision: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    roots: Option<Vec<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    rego_version: Option<u8>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    file_rego_versions: BTreeMap<String, u8>,
    #[serde(skip_serializing_if = "Option::is_none")]
    metadata: Option<Value>,
}

impl Manifest {
    /// Reads a manifest; `file` is its name in problems. Keys that nobody knows are passed over, as
    /// OPA does.
    pub fn from_json(file: &str, bytes: &[u8]) -> Result<Self, LoadError> {
        Self::parse(file, bytes).map_err(|problem| LoadError(vec![problem]))
    }

    /// The version of the content, such as a commit; `None` when it is missing or empty.
    pub fn revision(&self) -> Option<&str> {
        self.revision.as_deref()
    }

    /// The paths below `data` that the bundle owns, with slashes between their parts; `None`: all.
    pub fn roots(&self) -> Option<&[String]> {
        self.roots.as_deref()
    }

    /// The Rego version (0 or 1) of the modules that [`file_rego_versions`](Self::file_rego_versions)
    /// does not name.
    pub fn rego_version(&self) -> Option<u8> {
        self.rego_version
    }

    /// The Rego version of single files, by path or pattern (`*`, `**`, `?`).
    pub fn file_rego_versions(&self) -> &BTreeMap<String, u8> {
        &self.file_rego_versions
    }

    /// What its author noted: an object, without a meaning here.
    pub fn metadata(&self) -> Option<&Value> {
        self.metadata.as_ref()
    }

    /// The manifest with this revision.
    #[must_use]
    pub fn with_revision(mut self, revision: &str) -> Self {
        self.revision = Some(revision.to_owned()).filter(|revision| !revision.is_empty());
        self
    }

    /// The manifest with these roots.
    #[must_use]
    pub fn with_roots(mut self, roots: Vec<String>) -> Self {
        self.roots = Some(roots);
        self
    }

    /// The manifest with this Rego version, 0 or 1.
    #[must_use]
    pub fn with_rego_version(mut self, version: u8) -> Self {
        self.rego_version = Some(version);
        self
    }

    /// The manifest with these metadata, an object.
    #[must_use]
    pub fn with_metadata(mut self, metadata: Value) -> Self {
        self.metadata = Some(metadata);
        self
    }

    /// Reads a manifest.
    pub(super) fn parse(file: &str, bytes: &[u8]) -> Result<Self, Diagnostic> {
        let fields: Fields = serde_json::from_slice(bytes).map_err(|error| {
            Diagnostic::of_file(file, format!("not a readable manifest: {error}"))
        })?;
        let mut manifest = Self::default();
        for (key, value) in fields.0 {
            manifest
                .set(&key, &value)
                .map_err(|problem| Diagnostic::of_file(file, problem))?;
        }
        manifest
            .check()
            .map_err(|problem| Diagnostic::of_file(file, problem))?;
        Ok(manifest)
    }

    /// What `data.system.bundles` says about it.
    pub(super) fn entry(&self, roots: Value) -> Value {
        let versions = &self.file_rego_versions;
        let versions = versions
            .iter()
            .map(|(path, version)| (path.as_str().into(), u32::from(*version).into()));
        let versions: BTreeMap<Value, Value> = versions.collect();
        let revision = self.revision().unwrap_or_default();
        let entries = [
            ("revision", Some(revision.into())),
            ("roots", Some(roots)),
            (
                "rego_version",
                self.rego_version.map(|it| u32::from(it).into()),
            ),
            (
                "file_rego_versions",
                (!versions.is_empty()).then(|| versions.into()),
            ),
            ("metadata", self.metadata.clone()),
        ];
        let entries = entries
            .into_iter()
            .filter_map(|(key, value)| Some((key.into(), value?)));
        Value::from(entries.collect::<BTreeMap<_, _>>())
    }

    fn set(&mut self, key: &str, value: &RawValue) -> Result<(), String> {
        match key {
            "revision" => self.revision = typed(key, value)?,
            "roots" => self.roots = typed(key, value)?,
            "rego_version" => self.rego_version = typed(key, value)?,
            "file_rego_versions" => {
                self.file_rego_versions =
                    typed::<Option<BTreeMap<_, _>>>(key, value)?.unwrap_or_default();
            }
            "metadata" => {
                let metadata: Option<BTreeMap<String, Value>> = typed(key, value)?;
                let metadata = metadata.filter(|entries| !entries.is_empty());
                self.metadata = metadata.map(|entries| {
                    let entries = entries.into_iter();
                    let entries = entries.map(|(key, value)| (Value::from(key), value));
                    Value::from(entries.collect::<BTreeMap<_, _>>())
                });
            }
            "wasm" => no_wasm(typed(key, value)?)?,
            // The others are not kept.
            _ => {}
        }
        Ok(())
    }

    fn check(&mut self) -> Result<(), String> {
        let versions = self.rego_version.iter();
        let mut versions = versions.chain(self.file_rego_versions.values());
        if let Some(version) = versions.find(|version| **version > 1) {
            return Err(format!(
                "rego version `{version}` is unknown: there are 0 and 1"
            ));
        }
        let mut patterns = self.file_rego_versions.keys();
        if let Some(problem) = patterns.find_map(|pattern| versions::problem(pattern)) {
            return Err(problem);
        }
        self.revision = self.revision.take().filter(|revision| !revision.is_empty());
        Ok(())
    }

    /// Which modules are written in which version.
    pub(super) fn versions(&self) -> Versions<'_> {
        Versions::new(&self.file_rego_versions, self.rego_version)
    }
}

/// The keys with their values, each key once.
struct Fields(Vec<(String, Box<RawValue>)>);

impl<'de> Deserialize<'de> for Fields {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Keys;
        impl<'de> serde::de::Visitor<'de> for Keys {
            type Value = Fields;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: serde::de::MapAccess<'de>>(
                self,
                mut access: A,
            ) -> Result<Fields, A::Error> {
                let mut fields: Vec<(String, Box<RawValue>)> = Vec::new();
                while let Some(key) = access.next_key::<String>()? {
                    let mut known = KEYS.iter();
                    let Some(known) = known.find(|known| known.eq_ignore_ascii_case(&key)) else {
                        access.next_value::<IgnoredAny>()?;
                        continue;
                    };
                    // OPA reads keys in any case: passing this one over would give it another
                    // meaning.
                    if key != *known {
                        let problem = format_args!("`{key}` is written `{known}`");
                        return Err(serde::de::Error::custom(problem));
                    }
                    if fields.iter().any(|(other, _)| *other == key) {
                        let problem = format_args!("the key `{key}` is there twice");
                        return Err(serde::de::Error::custom(problem));
                    }
                    fields.push((key, access.next_value()?));
                }
                Ok(Fields(fields))
            }
        }
        deserializer.deserialize_map(Keys)
    }
}

/// What `opa build` notes about a part that is compiled to WebAssembly.
#[derive(Deserialize)]
struct WasmResolver {
    #[serde(default)]
    entrypoint: String,
    #[serde(default)]
    module: String,
}

fn no_wasm(resolvers: Option<Vec<WasmResolver>>) -> Result<(), String> {
    match resolvers.unwrap_or_default().first() {
        None => Ok(()),
        Some(WasmResolver { entrypoint, module }) => Err(format!(
            "the entrypoint `{entrypoint}` is compiled to WebAssembly (`{module}`): portcullis \
             evaluates Rego source"
        )),
    }
}

fn typed<T: DeserializeOwned>(key: &str, value: &RawValue) -> Result<T, String> {
    serde_json::from_str(value.get()).map_err(|error| {
        let error = error.to_string();
        let error = error.split(" at line ").next().unwrap_or(&error);
        format!("`{key}`: {error}")
    })
}

/// OPA writes a missing revision as an empty one.
#[expect(clippy::ref_option, reason = "the signature that serde asks for")]
fn text_or_empty<S: serde::Serializer>(
    text: &Option<String>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(text.as_deref().unwrap_or_default())
}

const KEYS: [&str; 6] = [
    "revision",
    "roots",
    "rego_version",
    "file_rego_versions",
    "metadata",
    "wasm",
];

#[cfg(test)]
mod tests;
