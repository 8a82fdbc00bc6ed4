//! Which store a URL names, and what it is opened with.

use std::sync::Arc;

use object_store::{
    ClientOptions, ObjectStore, ObjectStoreScheme, RetryConfig, StaticCredentialProvider,
    aws::{AmazonS3Builder, AmazonS3ConfigKey, AwsCredential},
    azure::MicrosoftAzureBuilder,
    gcp::GoogleCloudStorageBuilder,
    path::Path,
};
use reqwest::Url;

use super::connector::Connector;
use crate::services::Keys;

/// Why a store is not opened.
#[derive(Debug, thiserror::Error)]
pub(super) enum StoreError {
    /// Not the URL of a bucket.
    #[error("the service's `url` names no bucket that is known")]
    Url,
    /// A parameter that says nothing to the store.
    #[error("`{0}` in the service's `url` is unknown: there are `endpoint`, `region`, `account`")]
    Parameter(String),
    /// Not a URL of a server.
    #[error("`endpoint` in the service's `url` is not an http or https address")]
    Endpoint,
    /// A path that no object has.
    #[error("no object has that path")]
    Path(#[source] object_store::path::Error),
    /// Credentials that say nothing to this store.
    #[error("`credentials.{0}` cannot be used with this store")]
    Credentials(&'static str),
    /// What the store's own settings come to.
    #[error("the store cannot be opened")]
    Store(#[from] object_store::Error),
}

/// The address of an object as people may see it.
pub(super) fn place(bucket: &Url, resource: &str) -> String {
    let host = bucket.host_str().unwrap_or_default();
    // `abfs://container@account…` names the container there.
    let container = match bucket.username() {
        "" => String::new(),
        container => format!("{container}@"),
    };
    let path = bucket.path().trim_matches('/');
    let separator = if path.is_empty() { "" } else { "/" };
    let resource = resource.trim_start_matches('/');
    let scheme = bucket.scheme();
    format!("{scheme}://{container}{host}{separator}{path}/{resource}")
}

/// Opens the store of the bucket `url` and names the object in it. Reads files and the environment:
/// blocks.
pub(super) fn open(
    url: &Url,
    resource: &str,
    keys: Keys,
    connector: Connector,
) -> Result<(Box<dyn ObjectStore>, Path), StoreError> {
    let parameters = Parameters::of(url)?;
    let mut url = url.clone();
    url.set_query(None);
    let (scheme, folder) = ObjectStoreScheme::parse(&url).map_err(|_| StoreError::Url)?;
    let path = format!("{folder}/{}", resource.trim_start_matches('/'));
    let path = Path::parse(path).map_err(StoreError::Path)?;
    let parameters = &parameters;
    let store = if scheme == ObjectStoreScheme::AmazonS3 {
        s3(url, keys, parameters, connector)
    } else if scheme == ObjectStoreScheme::GoogleCloudStorage {
        gcs(url, keys, parameters, connector)
    } else if scheme == ObjectStoreScheme::MicrosoftAzure {
        azure(url, keys, parameters, connector)
    } else {
        Err(StoreError::Url)
    };
    Ok((store?, path))
}

/// Where the store is, if not where its maker has it: `s3://bucket?endpoint=http://minio:9000`.
#[derive(Debug, Default)]
struct Parameters {
    endpoint: Option<Url>,
    region: Option<String>,
    account: Option<String>,
}

impl Parameters {
    fn of(url: &Url) -> Result<Self, StoreError> {
        let mut parameters = Self::default();
        for (name, value) in url.query_pairs() {
            match name.as_ref() {
                "endpoint" => {
                    let endpoint = Url::parse(&value).ok();
                    let endpoint = endpoint.filter(|url| matches!(url.scheme(), "http" | "https"));
                    parameters.endpoint = Some(endpoint.ok_or(StoreError::Endpoint)?);
                }
                "region" => parameters.region = Some(value.into_owned()),
                "account" => parameters.account = Some(value.into_owned()),
                _ => return Err(StoreError::Parameter(name.into_owned())),
            }
        }
        Ok(parameters)
    }

    fn endpoint(&self) -> Option<&str> {
        let endpoint = self.endpoint.as_ref()?;
        Some(endpoint.as_str().trim_end_matches('/'))
    }

    /// Who writes `http` has it: the environment's `…_ALLOW_HTTP` is for what stands there.
    fn plain(&self) -> bool {
        let endpoint = self.endpoint.as_ref();
        endpoint.is_some_and(|endpoint| endpoint.scheme() == "http")
    }
}

/// Who follows asks again anyway.
fn once() -> RetryConfig {
    RetryConfig {
        max_retries: 0,
        ..RetryConfig::default()
    }
}

fn s3(
    url: Url,
    keys: Keys,
    parameters: &Parameters,
    connector: Connector,
) -> Result<Box<dyn ObjectStore>, StoreError> {
    let mut builder = AmazonS3Builder::from_env()
        .with_url(url)
        .with_retry(once())
        .with_http_connector(connector);
    match keys {
        Keys::None => {}
        Keys::Aws(keys, region) => {
            let keys = StaticCredentialProvider::new(AwsCredential {
                key_id: keys.key_id.clone(),
                secret_key: keys.secret_key.clone(),
                token: keys.token.clone(),
            });
            builder = builder.with_credentials(Arc::new(keys)).with_region(region);
        }
        Keys::Token(_) => return Err(StoreError::Credentials("bearer")),
        Keys::Foreign(kind) => return Err(StoreError::Credentials(kind)),
    }
    if let Some(endpoint) = parameters.endpoint() {
        // The key that stands above the other, should the environment have it.
        builder = builder.with_config(AmazonS3ConfigKey::S3Endpoint, endpoint);
    }
    if parameters.plain() {
        builder = builder.with_allow_http(true);
    }
    if let Some(region) = &parameters.region {
        builder = builder.with_region(region);
    }
    Ok(Box::new(builder.build()?))
}

fn gcs(
    url: Url,
    keys: Keys,
    parameters: &Parameters,
    connector: Connector,
) -> Result<Box<dyn ObjectStore>, StoreError> {
    let mut builder = GoogleCloudStorageBuilder::from_env()
        .with_url(url)
        .with_retry(once())
        .with_http_connector(connector);
    if let Some(token) = bearer(keys)? {
        builder = builder.with_bearer_token(token);
    }
    if let Some(endpoint) = parameters.endpoint() {
        builder = builder.with_base_url(endpoint);
    }
    // Plain requests are on unless they are put off, and then for the metadata service alone.
    let options = ClientOptions::new().with_allow_http(parameters.plain());
    Ok(Box::new(builder.with_client_options(options).build()?))
}

fn azure(
    url: Url,
    keys: Keys,
    parameters: &Parameters,
    connector: Connector,
) -> Result<Box<dyn ObjectStore>, StoreError> {
    let mut builder = MicrosoftAzureBuilder::from_env()
        .with_url(url)
        .with_retry(once())
        .with_http_connector(connector);
    if let Some(token) = bearer(keys)? {
        builder = builder.with_bearer_token_authorization(token);
    }
    if let Some(endpoint) = parameters.endpoint() {
        builder = builder.with_endpoint(endpoint.to_owned());
    }
    if parameters.plain() {
        builder = builder.with_allow_http(true);
    }
    if let Some(account) = &parameters.account {
        builder = builder.with_account(account);
    }
    Ok(Box::new(builder.build()?))
}

/// The token of the service, if it has one.
fn bearer(keys: Keys) -> Result<Option<String>, StoreError> {
    match keys {
        Keys::None => Ok(None),
        Keys::Token(token) => Ok(Some(token)),
        Keys::Aws(..) => Err(StoreError::Credentials("s3_signing")),
        Keys::Foreign(kind) => Err(StoreError::Credentials(kind)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_say_where_a_store_is() {
        let of = |query: &str| Parameters::of(&Url::parse(&format!("s3://b/?{query}")).unwrap());
        let given = of("endpoint=http://127.0.0.1:9000/&region=eu-west-1&account=a").unwrap();
        assert_eq!(given.endpoint(), Some("http://127.0.0.1:9000"));
        assert!(given.plain());
        assert_eq!(given.region.as_deref(), Some("eu-west-1"));
        assert_eq!(given.account.as_deref(), Some("a"));
        assert!(!of("endpoint=https://minio").unwrap().plain());
        assert!(!of("").unwrap().plain());
        for bad in ["endpoint=minio", "endpoint=ftp://h", "allow_http=true", "x"] {
            assert!(of(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn an_object_is_shown_without_parameters_and_passwords() {
        let cases = [
            ("s3://b/a/?endpoint=http://x", "/c/d", "s3://b/a/c/d"),
            ("gs://b", "d", "gs://b/d"),
            (
                "abfs://c:secret@a.dfs.core.windows.net/",
                "d",
                "abfs://c@a.dfs.core.windows.net/d",
            ),
        ];
        for (url, resource, shown) in cases {
            assert_eq!(place(&Url::parse(url).unwrap(), resource), shown);
        }
    }
}
