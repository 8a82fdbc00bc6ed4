//! `portcullis sign`: the signature of a bundle, beside its files or within its archive.

use std::{
    path::{Path, PathBuf},
    process::ExitCode,
};

use anyhow::Result;
use clap::Args;

use super::{Usage, archive, signing::SigningArguments};
use crate::policy::bundle::SIGNATURES;

/// Arguments of `sign`. Those that `opa sign` has keep its names.
#[derive(Args, Clone, Debug)]
#[command(after_help = super::EXIT_CODES)]
pub(super) struct Sign {
    /// The bundle: an archive, which gets a new signature, or a folder laid out like one, which gets a
    /// `.signatures.json` for all its visible files
    #[arg(value_name = "PATH")]
    path: String,
    /// Accepted for `opa sign` command lines: PATH is always a bundle
    #[arg(short, long, hide = true)]
    bundle: bool,
    /// Write `.signatures.json` into this folder, and change nothing else
    #[arg(short, long, value_name = "FOLDER")]
    output_file_path: Option<PathBuf>,
    #[command(flatten)]
    signing: SigningArguments,
    /// Algorithm of the key: ES256, ES384, ES512, HS256, HS384, HS512, PS256, PS384, PS512, RS256,
    /// RS384, RS512 or EdDSA
    #[arg(long, value_name = "ALG", default_value = "RS256")]
    signing_alg: String,
    /// Name that verifiers have for the key
    #[arg(long, value_name = "ID")]
    verification_key_id: Option<String>,
    /// Scope that the signature is for
    #[arg(long)]
    scope: Option<String>,
}

/// Signs what is there; a signature that it has already is replaced.
pub(super) fn run(arguments: &Sign) -> Result<ExitCode> {
    let signer = arguments.signing.signer(
        &arguments.signing_alg,
        arguments.verification_key_id.as_deref(),
        arguments.scope.as_deref(),
    )?;
    let signer = signer.ok_or_else(|| Usage("`--signing-key` is needed to sign".to_owned()))?;
    let path = Path::new(&arguments.path);
    let read = archive::read(&arguments.path, &[], true)?;
    let mut files = archive::files(&arguments.path, &read)?;
    files.retain(|(path, _)| path != SIGNATURES);
    let signatures = signer.sign(archive::borrowed(&files))?;
    match (&arguments.output_file_path, path.is_dir()) {
        (Some(folder), _) => archive::put(&folder.join(SIGNATURES), &signatures)?,
        (None, true) => archive::put(&path.join(SIGNATURES), &signatures)?,
        (None, false) => archive::put(path, &archive::pack(&files, Some(&signatures))?)?,
    }
    Ok(ExitCode::SUCCESS)
}
