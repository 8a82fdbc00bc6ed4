//! The arguments that name keys, with OPA's names, and what they stand for.
//!
//! A key is given as PEM text, as the path of a file, or as a secret. What is given is never shown,
//! because a mistyped path and a secret look alike.

use std::{fs, path::PathBuf};

use anyhow::Result;
use clap::{ArgAction, Args};

use super::{Usage, load::usage};
use crate::{
    chain::Chain,
    identity::jose::UnusableKey,
    policy::bundle::{Claims, InvalidKey, Key, PrivateKey, Signer, Verification, Verifier},
    redact::Secret,
};

/// How bundles are verified; shared by all commands that read them.
#[derive(Args, Clone, Debug, Default)]
pub(super) struct VerificationArguments {
    /// Take only bundles that this key signed: a PEM public key or certificate, or a secret (HS256,
    /// HS384, HS512); the path of a file, or the key itself
    #[arg(long, value_name = "KEY")]
    pub(super) verification_key: Option<Secret<String>>,
    /// Name of that key
    #[arg(long, value_name = "ID", default_value = "default")]
    pub(super) verification_key_id: String,
    /// Algorithm of the key: ES256, ES384, ES512, HS256, HS384, HS512, PS256, PS384, PS512, RS256,
    /// RS384, RS512 or EdDSA
    #[arg(long, value_name = "ALG", default_value = "RS256")]
    pub(super) signing_alg: String,
    /// Scope that the signature is for
    #[arg(long)]
    pub(super) scope: Option<String>,
    /// Leave out files that match when a bundle is verified
    #[arg(long, value_name = "GLOB", value_delimiter = ',')]
    pub(super) exclude_files_verify: Vec<String>,
    /// Take bundles whatever their signatures
    #[arg(long, num_args = 0..=1, require_equals = true, default_missing_value = "true", default_value_t = false, hide_default_value = true, hide_possible_values = true, value_name = "BOOL", action = ArgAction::Set, overrides_with = "skip_verify")]
    pub(super) skip_verify: bool,
}

impl VerificationArguments {
    /// What they ask for.
    pub(super) fn verification(&self) -> Result<Verification> {
        if self.skip_verify {
            return Ok(Verification::Skip);
        }
        let Some(key) = &self.verification_key else {
            return Ok(Verification::None);
        };
        let text = text_of(key, "--verification-key")?;
        let key = Key::from_config(&text, Some(&self.signing_alg), None)
            .map_err(|error| unusable("--verification-key", &error))?;
        let id = self.verification_key_id.clone();
        let verifier = Verifier::new(
            [(id.clone(), key)].into(),
            Some(id),
            self.scope.clone(),
            &self.exclude_files_verify,
        );
        Ok(Verification::Signed(verifier.map_err(usage)?))
    }
}

/// How a bundle is signed; the algorithm and the scope are those of verification.
#[derive(Args, Clone, Debug)]
pub(super) struct SigningArguments {
    /// Sign with this key: a PEM private key, or a secret (HS256, HS384, HS512); the path of a file,
    /// or the key itself
    #[arg(long, value_name = "KEY")]
    pub(super) signing_key: Option<Secret<String>>,
    /// JSON file of further claims, such as `scope`
    #[arg(long, value_name = "FILE")]
    pub(super) claims_file: Option<PathBuf>,
}

impl SigningArguments {
    /// A signer, if there is a key.
    pub(super) fn signer(
        &self,
        algorithm: &str,
        key_id: Option<&str>,
        scope: Option<&str>,
    ) -> Result<Option<Signer>> {
        let Some(key) = &self.signing_key else {
            return match self.claims_file {
                Some(_) => Err(Usage("`--claims-file` needs a `--signing-key`".to_owned()).into()),
                None => Ok(None),
            };
        };
        let text = text_of(key, "--signing-key")?;
        let key = PrivateKey::from_text(&text, Some(algorithm))
            .map_err(|error| unusable("--signing-key", &error))?;
        let mut claims = self.claims()?;
        if let Some(scope) = scope {
            claims
                .entry("scope")
                .or_insert_with(|| scope.to_owned().into());
        }
        Ok(Some(Signer {
            key,
            key_id: key_id.map(str::to_owned),
            claims,
        }))
    }

    fn claims(&self) -> Result<Claims> {
        let Some(path) = &self.claims_file else {
            return Ok(Claims::new());
        };
        let wrong = |why: String| Usage(format!("`--claims-file` `{}`: {why}", path.display()));
        let bytes = fs::read(path).map_err(|error| wrong(error.to_string()))?;
        Ok(serde_json::from_slice(&bytes).map_err(|error| wrong(error.to_string()))?)
    }
}

/// The key itself: PEM text, the content of the file that is named so, or a secret.
fn text_of(key: &Secret<String>, argument: &str) -> Result<String> {
    let given = key.expose();
    if given.starts_with("-----BEGIN") {
        return Ok(given.clone());
    }
    match fs::read_to_string(given) {
        Ok(text) => Ok(text),
        // Longer than a path may be, or with characters that none has: a secret.
        Err(error) if is_no_file(&error) => Ok(given.clone()),
        Err(error) => Err(Usage(format!(
            "`{argument}` is a file that cannot be read: {error}"
        ))
        .into()),
    }
}

fn is_no_file(error: &std::io::Error) -> bool {
    use std::io::ErrorKind;
    matches!(
        error.kind(),
        ErrorKind::NotFound
            | ErrorKind::InvalidFilename
            | ErrorKind::InvalidInput
            | ErrorKind::NotADirectory
    )
}

fn unusable(argument: &str, error: &InvalidKey) -> anyhow::Error {
    // What is neither PEM nor the path of a file may be a mistyped path.
    let hint = match error {
        InvalidKey::Unusable(UnusableKey::Pem) => "; or there is no file of that name",
        InvalidKey::Unusable(_) | InvalidKey::Algorithm(_) | InvalidKey::Empty => "",
    };
    Usage(format!("`{argument}`: {}{hint}", Chain(error))).into()
}
