//! `portcullis build`: a bundle of what authors have in their folder.
//!
//! What does not compile here is refused, so that no gate has to. The same files give the same bytes.

mod data;
mod gather;
mod manifest;
mod revision;

use std::{path::PathBuf, process::ExitCode};

use anyhow::Result;
use clap::Args;

use super::{
    Usage, archive,
    load::{self, usage},
    signing::{SigningArguments, VerificationArguments},
};
use crate::policy::{Entrypoint, LoadOptions, Policy, PolicyFile};
use manifest::Wanted;

/// Arguments of `build`. Those that `opa build` has keep its names.
#[derive(Args, Clone, Debug)]
#[command(after_help = super::EXIT_CODES)]
pub(super) struct Build {
    /// Rego and data files, and folders of them; with `--bundle`, one bundle: its archive or folder
    #[arg(value_name = "PATHS", required = true)]
    paths: Vec<String>,
    /// PATHS is a bundle: its manifest is kept where nothing here replaces it
    #[arg(short, long)]
    bundle: bool,
    /// The archive to write
    #[arg(short, long, value_name = "FILE", default_value = "bundle.tar.gz")]
    output: PathBuf,
    /// Revision of the bundle; default: what `git describe --always --dirty` says of the first path
    #[arg(short, long)]
    revision: Option<String>,
    /// Part of `data` that is the bundle's alone, as in `app/rules`; may be repeated
    #[arg(long, value_name = "PATH")]
    root: Vec<String>,
    /// Rule that is asked for decisions, as in `envoy/authz/allow`; it must exist; may be repeated
    #[arg(short, long, value_name = "PATH")]
    entrypoint: Vec<String>,
    /// Leave out files and folders whose name matches, such as `*_test.rego`
    #[arg(long, value_name = "GLOB", value_delimiter = ',')]
    ignore: Vec<String>,
    /// Read modules without `import rego.v1` as Rego v0
    #[arg(long)]
    v0_compatible: bool,
    #[command(flatten)]
    signing: SigningArguments,
    #[command(flatten)]
    verification: VerificationArguments,
}

/// Builds, checks, signs if asked, and only then writes.
pub(super) fn run(arguments: &Build) -> Result<ExitCode> {
    let verification = &arguments.verification;
    let signer = arguments.signing.signer(
        &verification.signing_alg,
        Some(&verification.verification_key_id),
        verification.scope.as_deref(),
    )?;
    let gathered = if arguments.bundle {
        gather::bundle(
            &arguments.paths,
            &arguments.ignore,
            &verification.verification()?,
        )?
    } else {
        gather::plain(&arguments.paths, &arguments.ignore)?
    };
    let mut files = gathered.files;
    let wanted = Wanted {
        revision: arguments.revision.clone(),
        found: || revision::of(arguments.paths.first().map_or(".", String::as_str)),
        roots: &arguments.root,
        entrypoints: &arguments.entrypoint,
        v0: arguments.v0_compatible,
    };
    files.push((
        MANIFEST.to_owned(),
        manifest::of(gathered.manifest, wanted)?,
    ));
    compile(
        arguments,
        archive::pack(&files, None).map_err(|error| Usage(format!("{error:#}")))?,
    )?;
    let signatures = match signer {
        Some(signer) => Some(signer.sign(archive::borrowed(&files))?),
        None => None,
    };
    archive::put(
        &arguments.output,
        &archive::pack(&files, signatures.as_deref())?,
    )?;
    Ok(ExitCode::SUCCESS)
}

/// Loads the bundle as a gate would, once for each entrypoint.
fn compile(arguments: &Build, bytes: Vec<u8>) -> Result<()> {
    let entrypoints: Vec<Entrypoint> = if arguments.entrypoint.is_empty() {
        // Every module is compiled, whatever is asked.
        vec![Entrypoint::Query("true".to_owned())]
    } else {
        arguments
            .entrypoint
            .iter()
            .map(|path| load::entrypoint(path))
            .collect()
    };
    let archive = PolicyFile {
        name: "bundle.tar.gz".to_owned(),
        data_path: Vec::new(),
        bytes,
    };
    for entrypoint in entrypoints {
        let options = LoadOptions {
            entrypoint,
            v0_compatible: arguments.v0_compatible,
            strict_builtin_errors: false,
        };
        Policy::load(std::slice::from_ref(&archive), &options).map_err(usage)?;
    }
    Ok(())
}

const MANIFEST: &str = ".manifest";
