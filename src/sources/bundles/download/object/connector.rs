//! Our client, for an object store: everything it asks goes through here.

use std::{pin::Pin, sync::Arc, time::Duration};

use bytes::Bytes;
use http_body_util::{BodyExt as _, Limited};
use object_store::{
    ClientConfigKey, ClientOptions,
    client::{
        HttpClient, HttpConnector, HttpError, HttpErrorKind, HttpRequest, HttpResponse,
        HttpResponseBody, HttpService,
    },
};
use reqwest::Client;

use crate::{
    services::Service,
    sources::bundles::download::connect::{self, Purpose},
};

/// Makes clients for the bucket and for whoever hands out credentials for it.
#[derive(Debug)]
pub(super) struct Connector {
    pub(super) service: Arc<Service>,
    /// Largest answer in bytes.
    pub(super) most: u64,
}

impl HttpConnector for Connector {
    fn connect(&self, options: &ClientOptions) -> object_store::Result<HttpClient> {
        let plain = options.get_config_value(&ClientConfigKey::AllowHttp);
        let plain = plain.is_some_and(|plain| matches!(plain.as_str(), "true" | "1"));
        let purpose = Purpose {
            with_identity: true,
            encrypted: !plain,
        };
        let client = connect::client(&self.service, purpose).map_err(|error| {
            object_store::Error::Generic {
                store: "any",
                source: Box::new(error),
            }
        })?;
        Ok(HttpClient::new(Bounded {
            client,
            most: self.most,
            patience: self.service.response_header_timeout,
        }))
    }
}

#[derive(Debug)]
struct Bounded {
    client: Client,
    most: u64,
    patience: Duration,
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
        let answer = tokio::time::timeout(self.patience, self.client.call(request));
        let answer = answer
            .await
            .map_err(|elapsed| HttpError::new(HttpErrorKind::Timeout, elapsed))??;
        let (head, body) = answer.into_parts();
        let body = if head.status.is_success() {
            let most = usize::try_from(self.most).unwrap_or(usize::MAX);
            let limited = Limited::new(body, most);
            HttpResponseBody::new(
                limited.map_err(|error| HttpError::new_boxed(HttpErrorKind::Unknown, error)),
            )
        } else {
            let explained = tokio::time::timeout(self.patience, explanation(body)).await;
            HttpResponseBody::from(explained.unwrap_or_default())
        };
        Ok(HttpResponse::from_parts(head, body))
    }
}

/// The begin of what a store says about a refusal: it ends up in logs.
async fn explanation(mut body: HttpResponseBody) -> String {
    let mut bytes = Vec::new();
    while bytes.len() < MAX_EXPLANATION
        && let Some(Ok(frame)) = body.frame().await
    {
        let data = frame.into_data().unwrap_or_else(|_| Bytes::new());
        bytes.extend(data.iter().take(MAX_EXPLANATION.saturating_sub(bytes.len())));
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// Most of an error that is kept, in bytes.
const MAX_EXPLANATION: usize = 1024;
