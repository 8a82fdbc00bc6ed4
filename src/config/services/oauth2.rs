//! `services.*.credentials.oauth2`: a token asked for with a client's secret (RFC 6749, section 4.4).

use std::collections::BTreeMap;

use reqwest::Url;
use serde_json::Value;

use super::{
    super::{
        problem::Complaint,
        section::Section,
        value::{shown, text},
    },
    credentials::secret,
    headers, is_loopback,
};
use crate::{redact::Secret, services::ClientCredentials};

pub(super) fn read(section: &mut Section<'_>) -> Option<ClientCredentials> {
    section.value("grant_type", grant_type);
    for key in section.given(&UNSUPPORTED) {
        let complaint = Complaint::new("is not supported")
            .hint("a client proves itself with `client_id` and `client_secret`");
        section.problem(key, complaint);
    }
    let token_url = section.required("token_url", token_url);
    let client_id = section.required("client_id", |value| text(value).map(str::to_owned));
    let client_secret = section.required("client_secret", secret);
    let scopes = section.list("scopes", |value| text(value).map(str::to_owned));
    let parameters: BTreeMap<_, _> = section
        .texts("additional_parameters", |name, value| {
            Ok((name.to_owned(), Secret::new(value.to_owned())))
        })
        .into_iter()
        .collect();
    for name in parameters
        .keys()
        .filter(|name| RESERVED.contains(&name.as_str()))
    {
        let message = format!("`{name}` has a key of its own, or none");
        section.problem("additional_parameters", Complaint::new(message));
    }
    let additional_headers = headers(section, "additional_headers");
    Some(ClientCredentials {
        token_url: token_url?,
        client_id: client_id?,
        client_secret: client_secret?,
        scopes: scopes.unwrap_or_default(),
        additional_headers,
        additional_parameters: parameters,
    })
}

fn grant_type(value: &Value) -> Result<(), Complaint> {
    match text(value)? {
        "client_credentials" => Ok(()),
        other => {
            let message = format!("`{}` is not supported", shown(other));
            Err(Complaint::new(message).hint("there is `client_credentials`, which is the default"))
        }
    }
}

fn token_url(value: &Value) -> Result<Url, Complaint> {
    let given = text(value)?;
    let complain = |why: &str| Complaint::new(format!("`{}` {why}", shown(given)));
    let url = Url::parse(given).map_err(|_| complain("is no absolute URL"))?;
    if !(url.scheme() == "https" || url.scheme() == "http" && is_loopback(&url)) {
        return Err(complain("must be `https`"));
    }
    if !url.username().is_empty() || url.password().is_some() || url.fragment().is_some() {
        return Err(complain("must have no user and no fragment"));
    }
    if url.query().is_some() {
        let hint = "parameters belong into `additional_parameters`";
        return Err(complain("must have no query").hint(hint));
    }
    Ok(url)
}

/// Other ways of OPA to prove who asks.
const UNSUPPORTED: [&str; 11] = [
    "signing_key",
    "thumbprint",
    "additional_claims",
    "include_jti_claim",
    "aws_kms",
    "aws_signing",
    "azure_keyvault",
    "azure_signing",
    "client_assertion",
    "client_assertion_path",
    "client_assertion_type",
];
/// What the token request says itself.
const RESERVED: [&str; 4] = ["grant_type", "client_id", "client_secret", "scope"];
