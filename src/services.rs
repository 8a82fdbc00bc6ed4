//! `services`: the servers that bundles come from and that status reports go to, and how this gate
//! proves there who it is.
//!
//! A [`Service`] is what the configuration says; a client is made from it. Promises that no secret of
//! it is ever shown, that nothing follows a redirect, and that what is read is bounded.

use std::{collections::BTreeMap, path::PathBuf, sync::Arc, time::Duration};

use reqwest::Url;

use crate::redact::Secret;

/// One entry of `services`, with OPA's keys.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Service {
    /// `name`: how bundles refer to it.
    pub name: Arc<str>,
    /// `url`: resources are joined to its path. `http`, `https`, or the URL of a bucket
    /// (`s3`, `gs`, `az`, `abfs` and so on, as `object_store` reads them).
    pub url: Url,
    /// `type: oci`: an OCI registry.
    pub oci: bool,
    /// `response_header_timeout_seconds`: the longest time to the first byte of an answer.
    pub response_header_timeout: Duration,
    /// `headers`: added to each request.
    pub headers: BTreeMap<String, Secret<String>>,
    /// `tls` and `allow_insecure_tls`.
    pub tls: Tls,
    /// `credentials`.
    pub credentials: Credentials,
}

/// Whom to believe that it is the server.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tls {
    /// `tls.ca_cert`: a PEM file of authorities; read again for each client.
    pub ca_cert: Option<PathBuf>,
    /// `tls.system_ca_required`: the system's authorities count beside `ca_cert`.
    pub system_ca_required: bool,
    /// `allow_insecure_tls`: believes anybody.
    pub insecure: bool,
}

/// How this gate proves who it is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Credentials {
    /// Not at all.
    #[default]
    None,
    /// `bearer`.
    Bearer {
        /// `token` or `token_path`.
        token: Token,
        /// `scheme`, default `Bearer`.
        scheme: String,
    },
    /// `client_tls`.
    ClientTls(ClientTls),
    /// `oauth2` with the grant type `client_credentials` (RFC 6749, section 4.4).
    OAuth2(ClientCredentials),
    /// `s3_signing`: AWS Signature Version 4.
    S3Signing(S3Signing),
}

/// A bearer token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Token {
    /// As it stands in the configuration.
    Given(Secret<String>),
    /// In a file, read again for each request.
    File(PathBuf),
}

/// A client certificate in files, read again for each client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientTls {
    /// `cert`: the chain, PEM.
    pub cert: PathBuf,
    /// `private_key`: its key, PEM, not encrypted.
    pub private_key: PathBuf,
}

/// What a token is asked for with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientCredentials {
    /// `token_url`, https (http to loopback only).
    pub token_url: Url,
    /// `client_id`.
    pub client_id: String,
    /// `client_secret`.
    pub client_secret: Secret<String>,
    /// `scopes`.
    pub scopes: Vec<String>,
    /// `additional_headers` of the token request.
    pub additional_headers: BTreeMap<String, Secret<String>>,
    /// `additional_parameters` of the token request.
    pub additional_parameters: BTreeMap<String, Secret<String>>,
}

/// How requests to AWS are signed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct S3Signing {
    /// `service`, default `s3`.
    pub service: String,
    /// Where the keys come from, in this order; the first that has some is used.
    pub from: Vec<AwsCredentials>,
}

/// Where AWS keys come from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AwsCredentials {
    /// `environment_credentials`: `AWS_ACCESS_KEY_ID`, `AWS_SECRET_ACCESS_KEY`, `AWS_SESSION_TOKEN`,
    /// `AWS_REGION`, read at start.
    Environment {
        /// The access key and the rest, as the environment had them.
        access_key_id: String,
        /// The secret key.
        secret_access_key: Secret<String>,
        /// The session token.
        session_token: Option<Secret<String>>,
        /// The region.
        region: String,
    },
    /// `metadata_credentials`: the instance's or the container's metadata service.
    Metadata {
        /// `aws_region`.
        region: String,
        /// `iam_role`.
        iam_role: Option<String>,
    },
    /// `web_identity_credentials`: a token file exchanged at STS.
    WebIdentity {
        /// `aws_region`.
        region: String,
        /// `AWS_ROLE_ARN`.
        role_arn: String,
        /// `AWS_WEB_IDENTITY_TOKEN_FILE`.
        token_file: PathBuf,
        /// `session_name`, default `open-policy-agent`.
        session_name: String,
    },
}
