//! The revision that a repository has for what is built.

use std::{
    path::Path,
    process::{Command, Stdio},
};

/// What git calls the state of the folder of `path`; nothing outside of a repository or without git.
pub(super) fn of(path: &str) -> Option<String> {
    let path = Path::new(path);
    let folder = if path.is_dir() {
        Some(path)
    } else {
        path.parent()
    };
    let folder = folder.filter(|folder| !folder.as_os_str().is_empty());
    let described = Command::new("git")
        .arg("-C")
        .arg(folder.unwrap_or_else(|| Path::new(".")))
        .args(["describe", "--always", "--dirty"])
        .stdin(Stdio::null())
        .stderr(Stdio::null())
        .output()
        .ok()?;
    let revision = String::from_utf8(described.stdout).ok()?;
    let revision = revision.trim();
    (described.status.success() && !revision.is_empty()).then(|| revision.to_owned())
}
