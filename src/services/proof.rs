//! How a request is made to prove who sends it.

use std::{collections::BTreeMap, time::Duration};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use reqwest::{
    Request,
    header::{AUTHORIZATION, HeaderMap, HeaderName, HeaderValue},
};
use tokio::task::spawn_blocking;

use super::{
    Credentials, Service, Token, aws::Signer, error::ServiceError, oauth2::Tokens, tls::Clients,
};
use crate::{clock::Clock, redact::Secret, small_file};

/// What is added to each request.
#[derive(Debug)]
pub(super) enum Proof {
    /// Nothing; a client certificate is a matter of the connection.
    Nothing,
    /// A token as it is configured.
    Bearer {
        token: Token,
        scheme: String,
        /// As OPA sends it to registries: in Base64, so that the scheme `Basic` takes `user:password`.
        encoded: bool,
    },
    /// A token that somebody else gives.
    OAuth2(Box<Tokens>),
    /// A signature.
    Aws(Signer),
}

impl Proof {
    pub(super) fn new(service: &Service, patience: Duration, clock: Clock) -> Self {
        match &service.credentials {
            Credentials::None | Credentials::ClientTls(_) => Self::Nothing,
            Credentials::Bearer { token, scheme } => Self::Bearer {
                token: token.clone(),
                scheme: scheme.clone(),
                encoded: service.oci,
            },
            Credentials::OAuth2(credentials) => {
                Self::OAuth2(Box::new(Tokens::new(credentials.clone(), patience, clock)))
            }
            Credentials::S3Signing(signing) => Self::Aws(Signer::new(signing.clone(), patience)),
        }
    }

    /// Makes `request` prove who sends it.
    pub(super) async fn add_to(
        &self,
        request: &mut Request,
        clients: &Clients,
    ) -> Result<(), ServiceError> {
        let header = match self {
            Self::Nothing => return Ok(()),
            Self::Aws(signer) => return signer.sign(request).await,
            Self::Bearer {
                token,
                scheme,
                encoded,
            } => bearer(token, scheme, *encoded).await?,
            Self::OAuth2(tokens) => tokens.header(clients).await?,
        };
        request.headers_mut().insert(AUTHORIZATION, header);
        Ok(())
    }

    /// The service did not believe a request with this header. Tells whether it may believe another.
    pub(super) async fn refused(&self, header: Option<&HeaderValue>) -> bool {
        match (self, header) {
            (Self::OAuth2(tokens), Some(header)) => tokens.refused(header).await,
            (Self::OAuth2(_), None) | (Self::Nothing | Self::Bearer { .. } | Self::Aws(_), _) => {
                false
            }
        }
    }
}

async fn bearer(token: &Token, scheme: &str, encoded: bool) -> Result<HeaderValue, ServiceError> {
    let mut text = text_of(token).await?;
    if encoded {
        text = STANDARD.encode(text);
    }
    header_of(&format!("{scheme} {text}")).ok_or_else(|| unusable(token))
}

/// The token, which is not empty.
pub(super) async fn text_of(token: &Token) -> Result<String, ServiceError> {
    let text = match token {
        Token::Given(text) => text.expose().clone(),
        Token::File(path) => {
            let path = path.clone();
            let bytes = spawn_blocking(move || small_file::read(&path, MOST_TOKEN));
            let bytes = bytes.await.map_err(ServiceError::Internal)?;
            let bytes = bytes.map_err(ServiceError::File)?;
            String::from_utf8(bytes).map_err(|_| unusable(token))?
        }
    };
    match text.trim() {
        "" => Err(unusable(token)),
        text => Ok(text.to_owned()),
    }
}

fn unusable(token: &Token) -> ServiceError {
    ServiceError::Token(match token {
        Token::Given(_) => "`token`".to_owned(),
        Token::File(path) => format!("`{}`", path.display()),
    })
}

/// A header of ASCII text that is not shown.
pub(super) fn header_of(text: &str) -> Option<HeaderValue> {
    let mut value = HeaderValue::from_str(text).ok()?;
    value.to_str().ok()?;
    value.set_sensitive(true);
    Some(value)
}

/// The headers of a configuration.
pub(super) fn headers_of(
    configured: &BTreeMap<String, Secret<String>>,
) -> Result<HeaderMap, ServiceError> {
    let mut headers = HeaderMap::new();
    for (name, value) in configured {
        let invalid = || ServiceError::Header(name.clone());
        let value = header_of(value.expose()).ok_or_else(invalid)?;
        let name: HeaderName = name.parse().map_err(|_| invalid())?;
        headers.insert(name, value);
    }
    Ok(headers)
}

/// Longest token in a file, in bytes.
const MOST_TOKEN: u64 = 64 << 10;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_header_is_text_and_is_not_shown() {
        let header = header_of("Bearer hidden").unwrap();
        assert_eq!(header, "Bearer hidden");
        assert!(!format!("{header:?}").contains("hidden"));
        for text in ["a\nb", "a\0", "\u{e9}"] {
            assert!(header_of(text).is_none(), "{text:?}");
        }
    }
}
