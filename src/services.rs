//! `services`: the servers that bundles come from and that status reports go to, and how this gate
//! proves there who it is.
//!
//! A [`Service`] is what the configuration says; a [`Client`] is made from it. Promises that no secret
//! of it is ever shown or sent to another origin, that every answer is bounded in time and size, and
//! that nothing is taken over an open connection because of what an encrypted one said.

mod address;
mod answer;
mod aws;
mod client;
mod error;
mod oauth2;
mod proof;
mod raw;
mod tls;

use std::{collections::BTreeMap, fmt, path::PathBuf, sync::Arc, time::Duration};

use reqwest::Url;

use crate::redact::Secret;

pub(crate) use address::{is_loopback, place, redirected};
pub use answer::Answer;
pub use client::{Client, Get, Post};
pub use error::ServiceError;
pub(crate) use raw::Keys;

/// One entry of `services`, with OPA's keys.
#[derive(Clone, PartialEq, Eq)]
pub struct Service {
    /// `name`: how bundles refer to it.
    pub name: Arc<str>,
    /// `url`: resources are joined to its path. `http`, `https`, or the URL of a bucket
    /// (`s3`, `gs`, `az`, `abfs` and so on, as `object_store` reads them).
    pub url: Url,
    /// `type: oci`: an OCI registry.
    pub oci: bool,
    /// `response_header_timeout_seconds`: the longest time to the head of an answer, and then between
    /// two pieces of its body. Zero: as long as [`Client`] waits at most.
    pub response_header_timeout: Duration,
    /// `headers`: added to each request.
    pub headers: BTreeMap<String, Secret<String>>,
    /// `tls` and `allow_insecure_tls`.
    pub tls: Tls,
    /// `credentials`.
    pub credentials: Credentials,
}

impl fmt::Debug for Service {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            name,
            url,
            oci,
            response_header_timeout,
            headers,
            tls,
            credentials,
        } = self;
        // A URL may hold a password, and a key in its query.
        f.debug_struct("Service")
            .field("name", name)
            .field("url", &place(url))
            .field("oci", oci)
            .field("response_header_timeout", response_header_timeout)
            .field("headers", headers)
            .field("tls", tls)
            .field("credentials", credentials)
            .finish()
    }
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
#[derive(Clone, PartialEq, Eq)]
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

impl fmt::Debug for ClientCredentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            token_url,
            client_id,
            client_secret,
            scopes,
            additional_headers,
            additional_parameters,
        } = self;
        f.debug_struct("ClientCredentials")
            .field("token_url", &place(token_url))
            .field("client_id", client_id)
            .field("client_secret", client_secret)
            .field("scopes", scopes)
            .field("additional_headers", additional_headers)
            .field("additional_parameters", additional_parameters)
            .finish()
    }
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
    /// `metadata_credentials` in a container: its metadata service, as the environment names it.
    Container {
        /// `aws_region`.
        region: String,
        /// Where its metadata service is.
        at: ContainerMetadata,
    },
    /// `metadata_credentials` on an instance: its metadata service.
    Metadata {
        /// `aws_region`.
        region: String,
        /// `iam_role`; an instance has only one, which is asked for whatever stands here.
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

/// Where a container's metadata service is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ContainerMetadata {
    /// `AWS_CONTAINER_CREDENTIALS_RELATIVE_URI`: this path at the address that ECS has for it.
    Task(String),
    /// `AWS_CONTAINER_CREDENTIALS_FULL_URI`.
    Pod {
        /// The URL.
        url: String,
        /// `AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE`: a file with what proves there who asks.
        token_file: PathBuf,
    },
}
