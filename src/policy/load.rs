//! From files to sources: which file is what, what it brings to `data`, which Rego it is written
//! in. Nothing is compiled here, and the first problem does not hide the others.

use std::sync::Arc;

use super::bundle::{self, Bundle, Contents, Limits, Reading, Verification};
use super::data::{self, DataTree};
use super::diagnostic::Diagnostic;
use super::{LoadError, LoadOptions, PolicyFile, PolicySet};
use crate::digest;

/// A Rego module as its author wrote it.
#[derive(Clone, Debug)]
pub(super) struct ModuleSource {
    pub(super) name: String,
    pub(super) text: String,
    /// Rego v0, unless the module itself imports `rego.v1`.
    pub(super) v0: bool,
    /// Which of [`Collected::bundles`] it comes from.
    pub(super) bundle: Option<usize>,
}

/// Everything the files bring.
#[derive(Debug)]
pub(super) struct Collected {
    pub(super) modules: Vec<ModuleSource>,
    pub(super) data: DataTree,
    pub(super) bundles: Vec<NamedRoots>,
    pub(super) revision: String,
    /// The name and revision of each bundle.
    pub(super) revisions: Vec<(Arc<str>, Option<String>)>,
    pub(super) problems: Vec<Diagnostic>,
}

/// A bundle's name with the part of `data` it owns.
#[derive(Debug)]
pub(super) struct NamedRoots {
    pub(super) name: String,
    pub(super) roots: bundle::Roots,
}

/// Sorts `set` into modules and data.
pub(super) fn collect(set: &PolicySet<'_>, options: &LoadOptions) -> Collected {
    let files = set.files;
    let mut collected = Collected {
        modules: Vec::new(),
        data: DataTree::new(),
        bundles: Vec::new(),
        revision: String::new(),
        revisions: Vec::new(),
        problems: Vec::new(),
    };
    for file in files {
        match Kind::of(&file.name) {
            Some(Kind::Module) => match std::str::from_utf8(&file.bytes) {
                Ok(text) => collected.modules.push(ModuleSource {
                    name: file.name.clone(),
                    text: text.to_owned(),
                    v0: options.v0_compatible,
                    bundle: None,
                }),
                Err(_) => collected
                    .problems
                    .push(Diagnostic::of_file(&file.name, "a module must be UTF-8")),
            },
            Some(Kind::Data) => {
                let added = data::parse(&file.name, &file.bytes)
                    .and_then(|value| collected.data.add(&file.name, &file.data_path, value));
                collected.problems.extend(added.err());
            }
            Some(Kind::Bundle) => match read_bundle(file, set.verification) {
                Ok(bundle) => collected.add_bundle(&bundle, options),
                Err(LoadError(problems)) => collected.problems.extend(problems),
            },
            None => collected.problems.push(
                Diagnostic::of_file(&file.name, "neither a module, nor data, nor a bundle")
                    .hinting(
                        "file names end in `.rego`, `.json`, `.yaml`, `.yml`, `.tar.gz` or `.tgz`",
                    ),
            ),
        }
    }
    for bundle in set.bundles {
        collected.add_bundle(bundle, options);
    }
    let revisions = collected.revisions.iter();
    let revisions: Vec<&str> = revisions.filter_map(|(_, it)| it.as_deref()).collect();
    collected.revision = if revisions.is_empty() {
        digest(set)
    } else {
        revisions.join(",")
    };
    collected
}

fn read_bundle(
    file: &PolicyFile,
    verification: Option<&Verification>,
) -> Result<Bundle, LoadError> {
    let reading = Reading {
        limits: &Limits::default(),
        verification: verification.unwrap_or(&Verification::None),
        last: None,
    };
    let name = file.name.strip_suffix(FOLDER).unwrap_or(&file.name);
    match bundle::read(name, &file.bytes, reading)? {
        Contents::Snapshot(bundle) => Ok(bundle),
        Contents::Delta(_) => Err(LoadError(vec![Diagnostic::of_file(
            &file.name,
            "a delta bundle alone is no policy",
        )])),
    }
}

/// What a file is, told by its name.
enum Kind {
    Module,
    Data,
    Bundle,
}

impl Kind {
    fn of(name: &str) -> Option<Self> {
        if name.ends_with(".tar.gz") || name.ends_with(FOLDER) {
            return Some(Self::Bundle);
        }
        match data::file_extension(name)? {
            "rego" => Some(Self::Module),
            "json" | "yaml" | "yml" => Some(Self::Data),
            "tgz" => Some(Self::Bundle),
            _ => None,
        }
    }
}

impl Collected {
    fn add_bundle(&mut self, bundle: &Bundle, options: &LoadOptions) {
        let name = bundle.name();
        for other in &self.bundles {
            if let Some((mine, theirs)) = bundle::overlap(&bundle.roots, &other.roots) {
                self.problems.push(Diagnostic::of_file(
                    name,
                    format!(
                        "its root `{mine}` overlaps root `{theirs}` of bundle `{}`",
                        other.name
                    ),
                ));
            }
        }
        let index = self.bundles.len();
        self.modules
            .extend(bundle.modules.iter().map(|module| ModuleSource {
                name: module.name.clone(),
                text: module.text.clone(),
                v0: module.v0.unwrap_or(options.v0_compatible),
                bundle: Some(index),
            }));
        for data in [bundle.data.clone(), bundle.entry()] {
            self.problems.extend(self.data.add(name, &[], data).err());
        }
        let revision = bundle.revision().map(str::to_owned);
        self.revisions.push((Arc::clone(&bundle.name), revision));
        self.bundles.push(NamedRoots {
            name: name.to_owned(),
            roots: bundle.roots.clone(),
        });
    }
}

/// A short name for exactly these files and bundles.
fn digest(set: &PolicySet<'_>) -> String {
    let files = set.files.iter();
    let files = files.flat_map(|file| [file.name.as_bytes(), &file.bytes]);
    let bundles = set.bundles.iter();
    let bundles = bundles.flat_map(|bundle| [bundle.name().as_bytes(), bundle.digest()]);
    let digest = digest::of_parts(files.chain(bundles));
    let short = digest.get(..REVISION_BYTES).unwrap_or(&digest);
    format!("sha256:{}", digest::hex(short))
}

/// How the name of a bundle ends that was a folder: what is in the file is its archive.
const FOLDER: &str = "/";

const REVISION_BYTES: usize = 6;
