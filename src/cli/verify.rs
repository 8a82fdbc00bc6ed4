//! `portcullis verify`: whether a bundle is whole, and signed by whom it should be.

use std::process::ExitCode;

use anyhow::{Result, anyhow};
use clap::Args;
use serde_json::json;

use super::{Usage, archive, print, signing::VerificationArguments};
use crate::policy::{
    LoadError,
    bundle::{self, Contents, Limits, Reading, Verification},
};

/// Arguments of `verify`.
#[derive(Args, Clone, Debug)]
#[command(after_help = super::EXIT_CODES)]
pub(super) struct Verify {
    /// The bundle: an archive, or a folder laid out like one
    #[arg(value_name = "PATH")]
    path: String,
    /// Accepted for `opa` command lines: PATH is always a bundle
    #[arg(short, long, hide = true)]
    bundle: bool,
    #[command(flatten)]
    verification: VerificationArguments,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// Reads all of the bundle; what is wrong with it is the error.
pub(super) fn run(arguments: &Verify) -> Result<ExitCode> {
    let verification = arguments.verification.verification()?;
    let Verification::Signed(_) = verification else {
        return Err(Usage("`--verification-key` is needed to verify".to_owned()).into());
    };
    let archive = archive::read(&arguments.path, &[], true)?;
    let reading = Reading {
        limits: &Limits::default(),
        verification: &verification,
        last: None,
    };
    let contents = bundle::read(&arguments.path, &archive, reading).map_err(not_verified)?;
    let (revision, key) = match &contents {
        Contents::Snapshot(bundle) => (bundle.revision(), bundle.signed_by()),
        Contents::Delta(_) => (None, None),
    };
    // What was read was verified with the one key there is.
    let key = key.unwrap_or(&arguments.verification.verification_key_id);
    if arguments.json {
        let verified = json!({"verified": true, "key_id": key, "revision": revision});
        print(&verified.to_string())?;
    } else {
        let revision = revision.unwrap_or("without a name");
        print(&format!(
            "verified: `{}`, revision {revision}, signed by key `{key}`",
            arguments.path
        ))?;
    }
    Ok(ExitCode::SUCCESS)
}

/// The problems without a word about a policy: a bundle may be wrong in other ways.
fn not_verified(LoadError(problems): LoadError) -> anyhow::Error {
    let problems: Vec<String> = problems.iter().map(ToString::to_string).collect();
    anyhow!("not verified: {}", problems.join("\n"))
}
