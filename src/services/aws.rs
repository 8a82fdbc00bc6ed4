//! Requests to AWS, signed with Signature Version 4. The signature and the ways to keys are those of
//! `object_store`.

use std::{sync::Arc, time::Duration};

use object_store::{
    ClientOptions, RetryConfig,
    aws::{
        AmazonS3Builder, AmazonS3ConfigKey, AwsAuthorizer, AwsCredential, AwsCredentialProvider,
    },
    client::HttpRequest,
};
use reqwest::{Request, header::HeaderValue};
use tokio::{sync::OnceCell, task::spawn_blocking, time::timeout};

use super::{AwsCredentials, ContainerMetadata, S3Signing, error::ServiceError};
use crate::redact::Secret;

/// Signs requests.
#[derive(Debug)]
pub(super) struct Signer {
    signing: S3Signing,
    patience: Duration,
    chain: OnceCell<Vec<Link>>,
}

/// Where keys come from, and for which region they are used.
#[derive(Debug)]
struct Link {
    from: &'static str,
    region: String,
    keys: AwsCredentialProvider,
}

impl Signer {
    pub(super) fn new(signing: S3Signing, patience: Duration) -> Self {
        Self {
            signing,
            patience,
            chain: OnceCell::new(),
        }
    }

    /// Signs `request`, with all headers that it has by now.
    pub(super) async fn sign(&self, request: &mut Request) -> Result<(), ServiceError> {
        let (keys, region) = self.keys().await?;
        let unsigned =
            |source: Box<dyn std::error::Error + Send + Sync>| ServiceError::Unsigned(source);
        // The library takes for granted that headers are text, and that keys can stand in one.
        let texts = [Some(&keys.key_id), keys.token.as_ref()];
        for text in texts.into_iter().flatten() {
            HeaderValue::from_str(text).map_err(|error| unsigned(error.into()))?;
        }
        for value in request.headers().values() {
            value.to_str().map_err(|error| unsigned(error.into()))?;
        }
        let body = request.body().and_then(|body| body.as_bytes());
        let body = body.unwrap_or_default().to_vec();
        let mut signed: HttpRequest = http::Request::builder()
            .method(request.method())
            .uri(request.url().as_str())
            .body(body.into())
            .map_err(|error| unsigned(error.into()))?;
        *signed.headers_mut() = request.headers().clone();
        AwsAuthorizer::new(&keys, &self.signing.service, region)
            .try_authorize(&mut signed, None)
            .map_err(|error| unsigned(error.into()))?;
        let (parts, _) = signed.into_parts();
        *request.headers_mut() = parts.headers;
        for name in ["authorization", "x-amz-security-token"] {
            if let Some(value) = request.headers_mut().get_mut(name) {
                value.set_sensitive(true);
            }
        }
        Ok(())
    }

    /// The keys of the first place that has some.
    pub(super) async fn keys(&self) -> Result<(Arc<AwsCredential>, &str), ServiceError> {
        let chain = self.chain.get_or_try_init(|| self.links()).await?;
        let mut last = None;
        for link in chain {
            let got = timeout(self.patience, link.keys.get_credential()).await;
            let source: Box<dyn std::error::Error + Send + Sync> = match got {
                Ok(Ok(keys)) => return Ok((keys, &link.region)),
                Ok(Err(error)) => error.into(),
                Err(elapsed) => elapsed.into(),
            };
            let from = link.from;
            last = Some(ServiceError::Aws { from, source });
        }
        Err(last.unwrap_or_else(|| ServiceError::Aws {
            from: "`s3_signing`",
            source: "it names no place to get them from".into(),
        }))
    }

    async fn links(&self) -> Result<Vec<Link>, ServiceError> {
        let from = self.signing.from.clone();
        // Clients are made, which reads the system's authorities.
        let links = spawn_blocking(move || from.into_iter().map(link).collect());
        links.await.map_err(ServiceError::Internal)?
    }
}

fn link(from: AwsCredentials) -> Result<Link, ServiceError> {
    let builder = AmazonS3Builder::new()
        // Nothing is asked of it; only its ways to keys are used.
        .with_bucket_name("none")
        .with_client_options(ClientOptions::new().with_timeout(LONGEST_TRY))
        .with_retry(RetryConfig {
            max_retries: 1,
            retry_timeout: LONGEST_TRY,
            ..RetryConfig::default()
        });
    let (from, region, builder) = match from {
        AwsCredentials::Environment {
            access_key_id,
            secret_access_key,
            session_token,
            region,
        } => {
            let builder = builder
                .with_access_key_id(access_key_id)
                .with_secret_access_key(secret_access_key.expose());
            let token = session_token.as_ref().map(Secret::expose);
            let builder = match token {
                Some(token) => builder.with_token(token),
                None => builder,
            };
            ("the environment", region, builder)
        }
        AwsCredentials::Container { region, at } => ("the container", region, at.told(builder)),
        AwsCredentials::Metadata { region, .. } => ("the instance", region, builder),
        AwsCredentials::WebIdentity {
            region,
            role_arn,
            token_file,
            session_name,
        } => {
            let file = token_file.display().to_string();
            let builder = builder
                .with_config(AmazonS3ConfigKey::WebIdentityTokenFile, file)
                .with_config(AmazonS3ConfigKey::RoleArn, role_arn)
                .with_config(AmazonS3ConfigKey::RoleSessionName, session_name);
            ("the web identity", region, builder)
        }
    };
    let store = builder.with_region(&region).build();
    let store = store.map_err(|source| ServiceError::Aws {
        from,
        source: source.into(),
    })?;
    let keys = Arc::clone(store.credentials());
    Ok(Link { from, region, keys })
}

impl ContainerMetadata {
    fn told(&self, builder: AmazonS3Builder) -> AmazonS3Builder {
        match self {
            Self::Task(path) => {
                builder.with_config(AmazonS3ConfigKey::ContainerCredentialsRelativeUri, path)
            }
            Self::Pod { url, token_file } => {
                let file = token_file.display().to_string();
                builder
                    .with_config(AmazonS3ConfigKey::ContainerCredentialsFullUri, url)
                    .with_config(AmazonS3ConfigKey::ContainerAuthorizationTokenFile, file)
            }
        }
    }
}

/// The longest time for one try to get keys.
const LONGEST_TRY: Duration = Duration::from_secs(5);
