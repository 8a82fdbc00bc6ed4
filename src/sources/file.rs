//! Policies from files: what the command line's PATHS and `--bundle` name, as [`PolicyFile`]s.
//!
//! A plain path is read as `opa run` reads it: files with a known extension, folders recursively, the
//! folders between root and file as the data path, `foo.bar:path` to put data below `data.foo.bar`.
//! Symbolic links are followed; hidden names are not entered, so that a Kubernetes ConfigMap mount
//! (`..data`, `..2024_…`) is read once, through its visible names, and always from one generation.
//! Promises the same order for the same content, bounded reading, and that every error names a path.

mod bundle;
mod walk;

use std::{
    fmt, io,
    path::{Path, PathBuf},
    sync::Arc,
};

use globset::{Glob, GlobSet, GlobSetBuilder};
use sha2::{Digest as _, Sha256};

use self::walk::Walk;
use crate::policy::{
    PolicyFile,
    bundle::{Verification, WriteError},
};

/// What to read.
#[derive(Clone, Debug, Default)]
pub struct Files {
    roots: Vec<Root>,
    ignore: GlobSet,
    verification: Arc<Verification>,
    /// Whether folders of bundles are read with the files that nobody uses.
    whole: bool,
}

/// One path to read.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Root {
    /// A file or a folder; its data goes below `prefix`.
    Plain { prefix: Vec<String>, path: PathBuf },
    /// A bundle: an archive, or a folder laid out like one.
    Bundle(PathBuf),
}

/// Files that were read, and where a change to them would show.
#[derive(Debug)]
pub struct Reading {
    /// The files in order.
    pub files: Vec<PolicyFile>,
    /// Every folder whose entries were looked at.
    pub(super) folders: Vec<PathBuf>,
}

/// A digest of names, data paths and content.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Digest([u8; 32]);

/// Why policy files cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum SourceError {
    /// The path is not there, or the system refuses it.
    #[error("cannot read `{}`", path.display())]
    Unreadable {
        /// The path.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// A path on the command line has none of the known extensions, or is no regular file.
    #[error("`{}` is not a policy file: `.rego`, `.json`, `.yaml`, `.yml`, `.tar.gz` and `.tgz` are read", .0.display())]
    UnknownKind(PathBuf),
    /// A path on the command line is a URL.
    #[error("`{0}` is a URL: name its server in `services` and its path in `bundles`")]
    Url(String),
    /// A folder contains itself by a symbolic link, or is nested too deeply.
    #[error("`{}` is more than {} folders deep, or a link that leads back", .0.display(), walk::MAX_DEPTH)]
    TooDeep(PathBuf),
    /// More files or more bytes than one policy may have.
    #[error("`{}` goes beyond the limit of {limit} {unit}", path.display())]
    TooMuch {
        /// Where the limit was reached.
        path: PathBuf,
        /// The limit.
        limit: u64,
        /// Of what.
        unit: &'static str,
    },
    /// A folder cannot be a bundle.
    #[error("`{}` is no bundle", path.display())]
    Bundle {
        /// The folder.
        path: PathBuf,
        /// What is in the way.
        #[source]
        source: WriteError,
    },
    /// The content was exchanged again and again while it was read.
    #[error("`{}` does not stop changing", .0.display())]
    Unsteady(PathBuf),
    /// A pattern of `--ignore` is not a glob.
    #[error("`{pattern}` is not a pattern for `--ignore`")]
    Ignore {
        /// The pattern.
        pattern: String,
        /// What is wrong with it.
        #[source]
        source: globset::Error,
    },
}

impl Files {
    /// Nothing yet; `ignore` holds globs on the names of files and folders below a path.
    pub fn new(ignore: &[String]) -> Result<Self, SourceError> {
        let mut globs = GlobSetBuilder::new();
        for pattern in ignore {
            let refused = |source| SourceError::Ignore {
                pattern: pattern.clone(),
                source,
            };
            globs.add(Glob::new(pattern).map_err(refused)?);
        }
        let refused = |source| SourceError::Ignore {
            pattern: ignore.join(" "),
            source,
        };
        Ok(Self {
            roots: Vec::new(),
            ignore: globs.build().map_err(refused)?,
            verification: Arc::default(),
            whole: false,
        })
    }

    /// The same, and folders of bundles with every visible file, also those that no policy uses: what
    /// a signature speaks for.
    #[must_use]
    pub fn whole(mut self) -> Self {
        self.whole = true;
        self
    }

    /// The same with what makes the bundles among them genuine.
    #[must_use]
    pub fn verified(mut self, verification: Arc<Verification>) -> Self {
        self.verification = verification;
        self
    }

    /// What makes the bundles among them genuine.
    pub fn verification(&self) -> &Arc<Verification> {
        &self.verification
    }

    /// Adds a path as the command line gives it: `path`, `foo.bar:path` or `file://path`.
    pub fn add_path(&mut self, argument: &str) -> Result<(), SourceError> {
        let (prefix, path) = match (argument.split_once(':'), argument.strip_prefix("file://")) {
            (_, Some(path)) => (Vec::new(), path),
            (Some((_, rest)), None) if rest.starts_with("//") => {
                return Err(SourceError::Url(argument.to_owned()));
            }
            (Some((prefix, path)), None) if !prefix.is_empty() => {
                (prefix.split('.').map(str::to_owned).collect(), path)
            }
            (Some(_) | None, None) => (Vec::new(), argument),
        };
        let path = PathBuf::from(path);
        self.roots.push(Root::Plain { prefix, path });
        Ok(())
    }

    /// Adds a bundle: an archive, or a folder laid out like one.
    pub fn add_bundle(&mut self, path: &Path) {
        self.roots.push(Root::Bundle(path.to_owned()));
    }

    /// Whether there is nothing to read.
    pub fn is_empty(&self) -> bool {
        self.roots.is_empty()
    }

    /// Reads everything, once. Blocks.
    pub fn read(&self) -> Result<Reading, SourceError> {
        let mut changed = PathBuf::new();
        for _ in 0..MAX_ATTEMPTS {
            let mut walk = Walk::new(&self.ignore);
            let mut files = Vec::new();
            for root in &self.roots {
                match root {
                    Root::Plain { prefix, path } => walk.plain(path, prefix, &mut files)?,
                    Root::Bundle(path) => files.push(bundle::read(&mut walk, path, self.whole)?),
                }
            }
            // A ConfigMap swap in the middle would mix two generations: read again.
            match walk.moved_generation() {
                None => {
                    return Ok(Reading {
                        files,
                        folders: walk.into_folders(),
                    });
                }
                Some(path) => changed = path,
            }
        }
        Err(SourceError::Unsteady(changed))
    }

    /// The paths as given, without prefixes.
    pub(super) fn paths(&self) -> impl Iterator<Item = &Path> {
        self.roots.iter().map(|root| match root {
            Root::Plain { path, .. } | Root::Bundle(path) => path.as_path(),
        })
    }
}

/// The paths, as a user reads them.
impl fmt::Display for Files {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, path) in self.paths().enumerate() {
            let separator = if at == 0 { "" } else { ", " };
            write!(f, "{separator}{}", path.display())?;
        }
        Ok(())
    }
}

impl Digest {
    /// The digest of `files`.
    pub fn of(files: &[PolicyFile]) -> Self {
        let mut hash = Sha256::new();
        let mut add = |bytes: &[u8]| {
            // Lengths keep neighbouring parts apart.
            hash.update(bytes.len().to_be_bytes());
            hash.update(bytes);
        };
        for PolicyFile {
            name,
            data_path,
            bytes,
        } in files
        {
            add(name.as_bytes());
            add(&data_path.len().to_be_bytes());
            for key in data_path {
                add(key.as_bytes());
            }
            add(bytes);
        }
        Self(hash.finalize().into())
    }
}

/// How often a reading is repeated that a swap made inconsistent.
const MAX_ATTEMPTS: usize = 5;

#[cfg(test)]
mod tests;
