//! Signing: the `.signatures.json` of a bundle, as `opa sign` writes it.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::{Map, Value, json};

use super::{HashAlgorithm, PrivateKey, hash};
use crate::digest::hex;
use crate::identity::jose::UnusableKey;

/// Further members of a signature's payload, such as `scope`.
pub type Claims = Map<String, Value>;

/// Signs bundles.
#[derive(Debug)]
pub struct Signer {
    /// What with.
    pub key: PrivateKey,
    /// The key's id (`kid`), for verifiers that know several.
    pub key_id: Option<String>,
    /// What else the signature says; `files` is not replaced.
    pub claims: Claims,
}

/// Why a bundle cannot be signed.
#[derive(Debug, thiserror::Error)]
pub enum SigningError {
    /// A structured file that is not valid.
    #[error("`{path}` {problem}")]
    File {
        /// The file.
        path: String,
        /// What is wrong with it.
        problem: String,
    },
    /// The key.
    #[error("the bundle cannot be signed")]
    Key(#[from] UnusableKey),
    /// The claims.
    #[error("the claims have `files`, which is what is signed")]
    Claims,
}

impl Signer {
    /// The content of `.signatures.json` for `files`: paths below the bundle's root, and content.
    pub fn sign<'f>(
        &self,
        files: impl IntoIterator<Item = (&'f str, &'f [u8])>,
    ) -> Result<Vec<u8>, SigningError> {
        if self.claims.contains_key("files") {
            return Err(SigningError::Claims);
        }
        let listed: Result<Vec<Value>, SigningError> = files
            .into_iter()
            .map(|(path, bytes)| listed(path, bytes))
            .collect();
        let mut payload = self.claims.clone();
        let mut header = json!({"alg": self.key.algorithm.as_str(), "typ": "JWT"});
        if let Some(id) = &self.key_id {
            if let Some(header) = header.as_object_mut() {
                header.insert("kid".to_owned(), id.clone().into());
            }
            // Deprecated; what OPA before `kid` was read looks at.
            payload.entry("keyid").or_insert_with(|| id.clone().into());
        }
        payload.insert("files".to_owned(), listed?.into());
        let part = |value: &str| URL_SAFE_NO_PAD.encode(value);
        let input = format!(
            "{}.{}",
            part(&header.to_string()),
            part(&Value::Object(payload).to_string())
        );
        let signature = self
            .key
            .signing
            .sign(self.key.algorithm, input.as_bytes())?;
        let token = format!("{input}.{}", URL_SAFE_NO_PAD.encode(signature));
        Ok(format!("{:#}\n", json!({"signatures": [token]})).into_bytes())
    }
}

fn listed(path: &str, bytes: &[u8]) -> Result<Value, SigningError> {
    let algorithm = HashAlgorithm::Sha256;
    let hash = hash::of_file(algorithm, path, bytes).map_err(|error| SigningError::File {
        path: path.to_owned(),
        problem: error.to_string(),
    })?;
    Ok(json!({"name": path, "hash": hex(&hash), "algorithm": algorithm.as_str()}))
}
