//! The policies of a gate on disk, and how they change.

use std::{
    fs,
    os::unix::fs::symlink,
    path::{Path, PathBuf},
};

use tempfile::TempDir;

/// A folder of policy files; removed when dropped.
pub(crate) struct PolicyFolder {
    folder: TempDir,
    named: bool,
}

impl PolicyFolder {
    fn new(named: bool) -> Self {
        Self {
            folder: TempDir::new().unwrap(),
            named,
        }
    }

    /// None: the policy comes from elsewhere.
    pub(crate) fn none() -> Self {
        Self::new(false)
    }

    /// What names it on the command line.
    pub(crate) fn argument(&self) -> Option<&Path> {
        self.named.then_some(self.path())
    }

    /// One plain file.
    pub(crate) fn with_file(rego: &str) -> Self {
        let folder = Self::new(true);
        fs::write(folder.file("policy.rego"), rego).unwrap();
        folder
    }

    /// As kubelet mounts a ConfigMap: every file a link through `..data` into a folder of this
    /// version.
    pub(crate) fn as_config_map(files: &[(&str, &str)]) -> Self {
        let folder = Self::new(true);
        folder.swap("..2026_01", files);
        for (name, _) in files {
            symlink(Path::new("..data").join(name), folder.file(name)).unwrap();
        }
        folder
    }

    /// The folder.
    pub(crate) fn path(&self) -> &Path {
        self.folder.path()
    }

    /// Puts another policy in place as editors do: by renaming over the old one.
    pub(crate) fn replace(&self, rego: &str) {
        let next = self.file("policy.next");
        fs::write(&next, rego).unwrap();
        fs::rename(next, self.file("policy.rego")).unwrap();
    }

    /// Puts another version in place as kubelet does: a new folder, one rename of `..data`, and the
    /// old folder goes.
    pub(crate) fn swap(&self, version: &str, files: &[(&str, &str)]) {
        let old = fs::read_link(self.file("..data"));
        fs::create_dir(self.file(version)).unwrap();
        for (name, text) in files {
            fs::write(self.file(version).join(name), text).unwrap();
        }
        symlink(version, self.file("..data_tmp")).unwrap();
        fs::rename(self.file("..data_tmp"), self.file("..data")).unwrap();
        if let Ok(old) = old {
            fs::remove_dir_all(self.file(old)).unwrap();
        }
    }

    fn file(&self, name: impl AsRef<Path>) -> PathBuf {
        self.path().join(name)
    }
}
