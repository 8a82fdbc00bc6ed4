//! The files of a bundle that is built, by their paths in it.

use std::{collections::BTreeMap, path::Path};

use anyhow::Result;

use super::data::merged;

use crate::{
    cli::{
        Usage,
        archive::{self, BundleFile},
        load::usage,
    },
    policy::{
        PolicyFile,
        bundle::{self, Limits, Reading, Verification},
    },
    sources::file::Files,
};

/// What was found.
pub(super) struct Gathered {
    pub(super) files: Vec<BundleFile>,
    pub(super) manifest: Option<Vec<u8>>,
}

/// The files of one bundle that a policy uses, after the bundle was read and verified as a whole.
pub(super) fn bundle(
    paths: &[String],
    ignore: &[String],
    verification: &Verification,
) -> Result<Gathered> {
    let [path] = paths else {
        return Err(Usage("with `--bundle`, one path is built: a bundle".to_owned()).into());
    };
    let archive = archive::read(path, ignore, false)?;
    let reading = Reading {
        limits: &Limits::default(),
        verification,
        last: None,
    };
    bundle::read(path, &archive, reading).map_err(usage)?;
    let files = archive::files(path, &archive)?;
    let (manifests, files): (Vec<_>, Vec<_>) = files
        .into_iter()
        .filter(|(path, _)| path == ".manifest" || is_used(path))
        .partition(|(path, _)| path == ".manifest");
    Ok(Gathered {
        files,
        manifest: manifests.into_iter().next().map(|(_, text)| text),
    })
}

fn is_used(path: &str) -> bool {
    let name = path.rsplit('/').next().unwrap_or(path);
    let module = Path::new(name)
        .extension()
        .is_some_and(|extension| extension == "rego");
    module || matches!(name, "data.json" | "data.yaml" | "data.yml")
}

/// Modules at their paths below the folders given, and the data of each folder as its `data.json`.
pub(super) fn plain(paths: &[String], ignore: &[String]) -> Result<Gathered> {
    let mut files: BTreeMap<String, Vec<u8>> = BTreeMap::new();
    let mut data: BTreeMap<Vec<String>, Vec<PolicyFile>> = BTreeMap::new();
    for argument in paths {
        let mut given = Files::new(ignore).map_err(usage)?;
        given.add_path(argument).map_err(usage)?;
        let root = argument
            .strip_prefix("file://")
            .or_else(|| argument.split_once(':').map(|(_, path)| path));
        let root = Path::new(root.unwrap_or(argument));
        for file in given.read().map_err(usage)?.files {
            if [".tar.gz", ".tgz"]
                .iter()
                .any(|end| file.name.ends_with(end))
            {
                let name = file.name;
                let problem = format!(
                    "`{name}` is a bundle: leave it out, or build of it alone with `--bundle`"
                );
                return Err(Usage(problem).into());
            }
            if !is_module(&file.name) {
                data.entry(file.data_path.clone()).or_default().push(file);
                continue;
            }
            let path = below(root, &file.name);
            if files.insert(path.clone(), file.bytes).is_some() {
                return Err(Usage(format!("`{path}` comes from two of the paths")).into());
            }
        }
    }
    for (folders, documents) in data {
        let mut folder = folders.join("/");
        if !folder.is_empty() {
            folder.push('/');
        }
        // A document that is alone stays as it is, with the texts of its numbers.
        for (name, bytes) in merged(documents)? {
            files.insert(format!("{folder}{name}"), bytes);
        }
    }
    Ok(Gathered {
        files: files.into_iter().collect(),
        manifest: None,
    })
}

fn is_module(name: &str) -> bool {
    Path::new(name)
        .extension()
        .is_some_and(|extension| extension == "rego")
}

/// The path of a file below `root`; of a root that is the file, its name.
fn below(root: &Path, name: &str) -> String {
    let path = Path::new(name);
    match path.strip_prefix(root) {
        Ok(inside) if !inside.as_os_str().is_empty() => inside.display().to_string(),
        Ok(_) | Err(_) => path
            .file_name()
            .map(|name| name.to_string_lossy().into_owned())
            .unwrap_or_default(),
    }
}
