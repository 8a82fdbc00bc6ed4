//! From the files of an archive to a [`Bundle`] or a [`Delta`].
//!
//! One file at a time is in memory, and a large data file not even that: it is read into its value
//! while it is unpacked, unless a signature speaks for its bytes. Every file is compared with its
//! signature before anything of it is used.

use std::io::Read as _;

use regorus::Value;

use super::archive::{self, Body};
use super::delta::{self, Delta};
use super::manifest::Manifest;
use super::roots::Roots;
use super::signature::{Attested, SIGNATURES, Verification};
use super::{Archive, Bundle, BundleModule, Contents, Reading};
use crate::digest;
use crate::policy::data::{self, DataTree};
use crate::policy::diagnostic::Diagnostic;
use crate::policy::document::{self, Budget};

/// Reads the archive of the bundle `name`.
pub(super) fn read(
    name: &str,
    bytes: &[u8],
    reading: Reading<'_>,
) -> Result<Contents, Vec<Diagnostic>> {
    let one = |problem| vec![problem];
    let attested = attested(name, bytes, reading).map_err(one)?;
    let mut gathered = Gathered {
        bundle: name,
        last: reading.last.map(|last| &last.data),
        module_bytes: reading.limits.module_bytes,
        budget: Budget::new(reading.limits.data_bytes),
        attested,
        signatures: None,
        manifest: None,
        modules: Vec::new(),
        tree: DataTree::new(),
        patch: None,
        others: Vec::new(),
        problems: Vec::new(),
    };
    archive::each_file(name, bytes, reading.limits, &mut |path, body| {
        gathered.file(path, body)
    })
    .map_err(one)?;
    let mut signed_by = None;
    match (gathered.attested.take(), reading.verification) {
        (Some(attested), _) => {
            signed_by = Some(attested.key_id().to_owned());
            attested.finish().map_err(one)?;
        }
        (None, Verification::None) => {
            let signatures = gathered.signatures.take();
            let opened = reading.verification.open(name, signatures.as_deref());
            opened.map_err(one)?;
        }
        (None, Verification::Skip | Verification::Signed(_)) => {}
    }
    let archive = Archive {
        size: u64::try_from(bytes.len()).unwrap_or(u64::MAX),
        digest: digest::of_parts([bytes]),
    };
    let mut contents = gathered.into_contents(archive)?;
    if let Contents::Snapshot(bundle) = &mut contents {
        bundle.signed_by = signed_by;
    }
    Ok(contents)
}

/// What the signature says about the files; it may stand anywhere in the archive, so that finding
/// it is a pass of its own.
fn attested(
    name: &str,
    bytes: &[u8],
    reading: Reading<'_>,
) -> Result<Option<Attested>, Diagnostic> {
    let mut signatures = None;
    match reading.verification {
        // Told at the end whether it is signed after all.
        Verification::None => return Ok(None),
        Verification::Skip => {}
        Verification::Signed(_) => {
            archive::each_file(name, bytes, reading.limits, &mut |path, body| {
                if path == SIGNATURES {
                    signatures = Some(small(name, path, body)?);
                }
                Ok(())
            })?;
        }
    }
    reading.verification.open(name, signatures.as_deref())
}

/// What was found so far.
struct Gathered<'g> {
    bundle: &'g str,
    /// The data of the bundle that it follows.
    last: Option<&'g Value>,
    /// How many bytes of modules may still come.
    module_bytes: u64,
    budget: Budget,
    attested: Option<Attested>,
    /// The text of the signature.
    signatures: Option<Vec<u8>>,
    manifest: Option<Manifest>,
    modules: Vec<(String, String)>,
    tree: DataTree,
    patch: Option<Vec<delta::Operation>>,
    /// The files that a delta bundle may not have.
    others: Vec<String>,
    /// What is wrong with single files, without keeping the others from being read.
    problems: Vec<Diagnostic>,
}

/// What a file is, told by its name.
enum Kind {
    Manifest,
    Signatures,
    Patch,
    Data,
    Module,
    Unused,
}

impl Kind {
    fn of(path: &str) -> Result<Self, (&'static str, &'static str)> {
        let (folder, base) = split(path);
        Ok(match base {
            MANIFEST if folder.is_empty() => Self::Manifest,
            SIGNATURES if folder.is_empty() => Self::Signatures,
            PATCH if folder.is_empty() => Self::Patch,
            // OPA reads these wherever they are.
            PATCH | SIGNATURES => return Err(("it belongs at the bundle's root", "move it there")),
            _ if base.ends_with(MANIFEST) => {
                let rule = "a bundle has one manifest, `.manifest` at its root";
                return Err((rule, "give each manifest a bundle of its own"));
            }
            "policy.wasm" | "plan.json" => {
                return Err((
                    "not supported: portcullis evaluates Rego source",
                    "build the bundle with `opa build` without `--target`",
                ));
            }
            "data.json" | "data.yaml" | "data.yml" => Self::Data,
            _ if data::file_extension(base) == Some("rego") => Self::Module,
            _ => Self::Unused,
        })
    }
}

impl Gathered<'_> {
    fn file(&mut self, path: &str, body: &mut Body<'_, '_>) -> Result<(), Diagnostic> {
        let full = format!("{}/{path}", self.bundle);
        let kind = Kind::of(path).map_err(|(rule, hint)| {
            Diagnostic::of_file(self.bundle, format!("entry `{path}`: {rule}")).hinting(hint)
        })?;
        if matches!(kind, Kind::Signatures) {
            self.signatures = Some(small(self.bundle, path, body)?);
            return Ok(());
        }
        if matches!(kind, Kind::Module) {
            let left = self.module_bytes.checked_sub(body.size());
            self.module_bytes = left.ok_or_else(|| {
                Diagnostic::of_file(self.bundle, format!("entry `{path}`: too much Rego in all"))
                    .hinting("the limit `module_bytes` is for all modules together")
            })?;
        }
        let is_large = body.size() > LARGE_BYTES;
        if self.attested.is_none() {
            match kind {
                Kind::Data if is_large && document::is_json(path) => {
                    self.data(path, &full, |last, budget| {
                        document::stream(&full, body, last, budget)
                    });
                    return Ok(());
                }
                Kind::Unused => {
                    self.others.push(path.to_owned());
                    return Ok(());
                }
                Kind::Manifest | Kind::Signatures | Kind::Patch | Kind::Data | Kind::Module => {}
            }
        }
        let bytes = match kind {
            Kind::Manifest => small(self.bundle, path, body)?,
            Kind::Signatures | Kind::Patch | Kind::Data | Kind::Module | Kind::Unused => body
                .bytes()
                .map_err(|error| archive::unreadable(self.bundle, &error))?,
        };
        if let Some(attested) = &mut self.attested {
            attested.check(path, &bytes)?;
        }
        self.used(&kind, path, &full, bytes)
    }

    fn used(
        &mut self,
        kind: &Kind,
        path: &str,
        full: &str,
        bytes: Vec<u8>,
    ) -> Result<(), Diagnostic> {
        match kind {
            Kind::Manifest => self.manifest = Some(Manifest::parse(full, &bytes)?),
            Kind::Patch => self.patch = Some(delta::parse(full, &bytes, &mut self.budget)?),
            Kind::Data => self.data(path, full, |last, budget| {
                document::parse(full, &bytes, last, budget)
            }),
            Kind::Module => {
                self.others.push(path.to_owned());
                match String::from_utf8(bytes) {
                    Ok(text) => self.modules.push((path.to_owned(), text)),
                    Err(_) => self
                        .problems
                        .push(Diagnostic::of_file(full, "a module must be UTF-8")),
                }
            }
            Kind::Signatures | Kind::Unused => self.others.push(path.to_owned()),
        }
        Ok(())
    }

    /// Reads a data file, given what the last bundle has in its folder, into the tree.
    fn data(
        &mut self,
        path: &str,
        full: &str,
        read: impl FnOnce(Option<&Value>, &mut Budget) -> Result<Value, Diagnostic>,
    ) {
        self.others.push(path.to_owned());
        let (folder, _) = split(path);
        let folders = folder.split('/').filter(|segment| !segment.is_empty());
        let folders: Vec<String> = folders.map(str::to_owned).collect();
        let keys: Vec<Value> = folders.iter().map(|key| key.as_str().into()).collect();
        let last = self.last.and_then(|last| data::lookup(last, &keys));
        let added =
            read(last, &mut self.budget).and_then(|value| self.tree.add(full, &folders, value));
        self.problems.extend(added.err());
    }

    fn into_contents(mut self, archive: Archive) -> Result<Contents, Vec<Diagnostic>> {
        let name = self.bundle;
        let manifest = self.manifest.unwrap_or_default();
        let roots = Roots::new(name, manifest.roots()).map_err(|problem| vec![problem])?;
        if let Some(operations) = self.patch {
            if let Some(other) = self.others.first() {
                let rule = format!("entry `{other}`: a bundle with `{PATCH}` holds no other files");
                return Err(vec![Diagnostic::of_file(name, rule)]);
            }
            let delta = Delta::new(name, manifest, roots, operations, archive)?;
            return Ok(Contents::Delta(delta));
        }
        self.problems
            .extend(roots.problems_of_data(name, self.tree.root()));
        if !self.problems.is_empty() {
            return Err(self.problems);
        }
        let versions = manifest.versions();
        let paths = self.modules.iter().map(|(path, _)| path.len());
        if versions.are_too_much_for(paths.sum()) {
            let rule = "the patterns of `file_rego_versions` are too many for so many modules";
            return Err(vec![Diagnostic::of_file(name, rule)]);
        }
        let module = |(path, text): (String, String)| BundleModule {
            v0: versions.is_v0(&path),
            name: format!("{name}/{path}"),
            text,
        };
        let modules = self.modules.into_iter().map(module).collect();
        Ok(Contents::Snapshot(Bundle {
            name: name.into(),
            modules,
            manifest,
            etag: String::new(),
            signed_by: None,
            roots,
            data: self.tree.into_root(),
            archive,
        }))
    }
}

/// A file about the bundle itself.
fn small(bundle: &str, path: &str, body: &mut Body<'_, '_>) -> Result<Vec<u8>, Diagnostic> {
    if body.size() > SMALL_BYTES {
        let rule = format!("entry `{path}`: it is at most {SMALL_BYTES} bytes");
        return Err(Diagnostic::of_file(bundle, rule));
    }
    let mut bytes = Vec::new();
    body.read_to_end(&mut bytes)
        .map_err(|error| archive::unreadable(bundle, &error))?;
    Ok(bytes)
}

/// The folders before a path's last part, and that part.
fn split(path: &str) -> (&str, &str) {
    path.rsplit_once('/').unwrap_or(("", path))
}

const MANIFEST: &str = ".manifest";
const PATCH: &str = "patch.json";

/// From where on a data file is read without its text; below, a problem shows the line it is in.
const LARGE_BYTES: u64 = 1 << 20;

/// Largest manifest and largest signature; both name every file at most.
const SMALL_BYTES: u64 = 16 << 20;
