//! Our client, for an object store: everything it asks goes through here.

use std::{pin::Pin, time::Duration};

use bytes::Bytes;
use http::uri::Scheme;
use http_body_util::{BodyExt as _, Limited};
use object_store::{
    ClientConfigKey, ClientOptions,
    client::{
        HttpClient, HttpConnector, HttpError, HttpErrorKind, HttpRequest, HttpResponse,
        HttpResponseBody, HttpService,
    },
};
use reqwest::Client;

/// What the bucket, and whoever hands out credentials for it, are asked with.
#[derive(Clone, Debug)]
pub(super) struct Connector {
    pub(super) client: Client,
    /// Largest answer in bytes.
    pub(super) most: u64,
    /// Longest time to the head of an answer.
    pub(super) patience: Duration,
}

impl HttpConnector for Connector {
    fn connect(&self, options: &ClientOptions) -> object_store::Result<HttpClient> {
        let plain = options.get_config_value(&ClientConfigKey::AllowHttp);
        Ok(HttpClient::new(Bounded {
            plain: plain.is_some_and(|plain| matches!(plain.as_str(), "true" | "1")),
            connector: self.clone(),
        }))
    }
}

#[derive(Debug)]
struct Bounded {
    connector: Connector,
    /// Whether `http` may be spoken.
    plain: bool,
}

/// The trait is written with `async_trait`; this is what that makes of it.
impl HttpService for Bounded {
    fn call<'life, 'call>(
        &'life self,
        request: HttpRequest,
    ) -> Pin<Box<dyn Future<Output = Result<HttpResponse, HttpError>> + Send + 'call>>
    where
        'life: 'call,
        Self: 'call,
    {
        Box::pin(self.bounded(request))
    }
}

impl Bounded {
    async fn bounded(&self, request: HttpRequest) -> Result<HttpResponse, HttpError> {
        if !self.plain && request.uri().scheme() != Some(&Scheme::HTTPS) {
            return Err(HttpError::new(HttpErrorKind::Unknown, Unencrypted));
        }
        let Connector {
            client,
            most,
            patience,
        } = &self.connector;
        let answer = tokio::time::timeout(*patience, client.call(request)).await;
        let (head, body) = answer
            .map_err(|elapsed| HttpError::new(HttpErrorKind::Timeout, elapsed))??
            .into_parts();
        let body = if head.status.is_success() {
            let most = usize::try_from(*most).unwrap_or(usize::MAX);
            let limited = Limited::new(body, most);
            HttpResponseBody::new(
                limited.map_err(|error| HttpError::new_boxed(HttpErrorKind::Unknown, error)),
            )
        } else {
            let explained = tokio::time::timeout(*patience, explanation(body)).await;
            HttpResponseBody::from(explained.unwrap_or_default())
        };
        Ok(HttpResponse::from_parts(head, body))
    }
}

/// The begin of what a store says about a refusal: it ends up in logs.
async fn explanation(mut body: HttpResponseBody) -> String {
    let mut bytes = Vec::new();
    while bytes.len() < MOST_EXPLANATION
        && let Some(Ok(frame)) = body.frame().await
    {
        let data = frame.into_data().unwrap_or_else(|_| Bytes::new());
        bytes.extend(
            data.iter()
                .take(MOST_EXPLANATION.saturating_sub(bytes.len())),
        );
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// Only who asks for it gets by without TLS.
#[derive(Debug, thiserror::Error)]
#[error("the store's address is not https, and `http` is not allowed")]
struct Unencrypted;

/// Most of an error that is kept, in bytes.
const MOST_EXPLANATION: usize = 1024;
