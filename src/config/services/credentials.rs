//! `services.*.credentials`: how this gate proves who it is; one way at most.

use super::{
    super::{
        problem::Complaint,
        section::Section,
        value::{integer, path, text},
    },
    aws::{self, AwsEnvironment},
    oauth2,
};
use crate::{
    redact::Secret,
    services::{ClientTls, Credentials, Token},
};

pub(super) fn read(section: &mut Section<'_>, aws: &AwsEnvironment) -> Credentials {
    let given = section.given(&WAYS);
    for unsupported in section.given(&UNSUPPORTED) {
        let hint = match unsupported {
            "gcp_metadata" => {
                "use the bucket's URL, such as `gs://bucket/path`, without credentials"
            }
            "azure_managed_identity" => {
                "use the container's URL, such as `az://container/path`, without credentials"
            }
            _ => "use one of `bearer`, `client_tls`, `oauth2` and `s3_signing`",
        };
        let complaint = Complaint::new("is not supported").hint(hint);
        section.problem(unsupported, complaint);
    }
    for second in given.iter().skip(1) {
        let message = format!("stands beside `{}`", given.first().unwrap_or(second));
        let complaint = Complaint::new(message).hint("a service takes one of them");
        section.problem(second, complaint);
    }
    let ways = [
        section.optional_section("bearer", bearer).flatten(),
        section.optional_section("client_tls", client_tls).flatten(),
        section
            .optional_section("oauth2", oauth2::read)
            .flatten()
            .map(Credentials::OAuth2),
        section
            .optional_section("s3_signing", |signing| aws::read(signing, aws))
            .map(Credentials::S3Signing),
    ];
    ways.into_iter().flatten().next().unwrap_or_default()
}

fn bearer(section: &mut Section<'_>) -> Option<Credentials> {
    let token = section.value("token", secret).map(Token::Given);
    let file = section.value("token_path", path).map(Token::File);
    let scheme = section.value("scheme", scheme);
    match section.given(&["token", "token_path"]).as_slice() {
        [_] => {}
        [] => section.problem(
            "token",
            Complaint::new("is missing, and so is `token_path`"),
        ),
        [..] => section.problem("token_path", Complaint::new("stands beside `token`")),
    }
    Some(Credentials::Bearer {
        token: token.or(file)?,
        scheme: scheme.unwrap_or_else(|| "Bearer".to_owned()),
    })
}

fn scheme(value: &serde_json::Value) -> Result<String, Complaint> {
    let scheme = text(value)?;
    let is_token = |c: char| c.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~".contains(c);
    if scheme.is_empty() || !scheme.chars().all(is_token) {
        return Err(Complaint::new("is not the name of an authorization scheme"));
    }
    Ok(scheme.to_owned())
}

fn client_tls(section: &mut Section<'_>) -> Option<Credentials> {
    let cert = section.required("cert", path);
    let private_key = section.required("private_key", path);
    if section.raw("private_key_passphrase").is_some() {
        let complaint = Complaint::new("encrypted keys are not supported")
            .hint("decrypt the key, and let only this process read the file");
        section.problem("private_key_passphrase", complaint);
    }
    if section
        .value("cert_reread_interval_seconds", integer(0..=u64::MAX))
        .is_some()
    {
        let text = "has no effect: the files are read again for each new client";
        section.warn("cert_reread_interval_seconds", text);
    }
    Some(Credentials::ClientTls(ClientTls {
        cert: cert?,
        private_key: private_key?,
    }))
}

/// Text that is never shown and not empty.
pub(super) fn secret(value: &serde_json::Value) -> Result<Secret<String>, Complaint> {
    match text(value)? {
        "" => Err(Complaint::new("is empty")),
        secret => Ok(Secret::new(secret.to_owned())),
    }
}

const WAYS: [&str; 4] = ["bearer", "client_tls", "oauth2", "s3_signing"];
const UNSUPPORTED: [&str; 3] = ["gcp_metadata", "azure_managed_identity", "plugin"];
