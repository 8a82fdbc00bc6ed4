//! One round: from the source to the text of a key set, over the issuer's configuration if need be,
//! and from the text to keys.

use std::{path::PathBuf, sync::Arc, time::Duration};

use reqwest::Url;
use serde::{Deserialize, Serialize};
use tokio::task::spawn_blocking;

use super::{
    FetchError, Http, Kind, Source,
    http::{self, Got},
    schedule::max_age,
};
use crate::{digest, identity::jwt::KeySet};

/// Fetches the keys of one provider.
#[derive(Debug)]
pub(super) struct Fetcher {
    from: From,
    http: Http,
}

/// What is fetched; the other kinds need no fetching.
#[derive(Debug)]
enum From {
    Uri(String),
    Discovery { issuer: Arc<str> },
    File(PathBuf),
}

/// What a round brought.
#[derive(Debug)]
pub(super) enum Fetched {
    /// The last keys are still the ones.
    NotModified { max_age: Option<Duration> },
    /// Keys, which may be the last ones once more.
    Keys {
        keys: Keys,
        max_age: Option<Duration>,
    },
}

/// A set. It may be empty: an issuer that publishes none has taken its keys back.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Keys {
    pub(super) set: Arc<KeySet>,
    pub(super) text: String,
    pub(super) validator: Option<Validator>,
}

/// What makes the next request a conditional one.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Validator {
    /// The [`digest`] of the URL that the tag is of.
    url: String,
    etag: String,
}

impl Fetcher {
    /// `None` when there is nothing to fetch.
    pub(super) fn of(source: &Source) -> Option<Self> {
        let from = match &source.kind {
            Kind::Uri(url) => From::Uri(url.clone()),
            Kind::Discovery { issuer } => From::Discovery {
                issuer: Arc::clone(issuer),
            },
            Kind::File(path) => From::File(path.clone()),
            Kind::Inline(_) | Kind::Secret => return None,
        };
        Some(Self {
            from,
            http: source.http.clone(),
        })
    }

    /// From where, as people may see it.
    pub(super) fn place(&self) -> String {
        match &self.from {
            From::Uri(text) => http::url(text, "`jwks_uri`")
                .map_or_else(|error| error.to_string(), |url| http::place(&url)),
            From::Discovery { issuer } => configuration_url(issuer)
                .map_or_else(|error| error.to_string(), |url| http::place(&url)),
            From::File(path) => path.display().to_string(),
        }
    }

    /// What tells sources apart whose keys are kept on disk; `None` for files, which are there.
    pub(super) fn remote_id(&self) -> Option<String> {
        match &self.from {
            From::Uri(url) => Some(digest(&["uri", url])),
            From::Discovery { issuer } => Some(digest(&["discovery", issuer])),
            From::File(_) => None,
        }
    }

    /// One round; `validator` is that of the last set.
    pub(super) async fn fetch(&self, validator: Option<&Validator>) -> Result<Fetched, FetchError> {
        match &self.from {
            From::Uri(text) => {
                let url = http::url(text, "`jwks_uri`")?;
                self.keys_at(&url, validator).await
            }
            From::Discovery { issuer } => {
                let url = self.discover(issuer).await?;
                self.keys_at(&url, validator).await
            }
            From::File(path) => self.keys_in(path.clone()).await,
        }
    }

    async fn keys_at(
        &self,
        url: &Url,
        validator: Option<&Validator>,
    ) -> Result<Fetched, FetchError> {
        let id = digest(&[url.as_str()]);
        let etag = validator.filter(|validator| validator.url == id);
        let etag = etag.map(|validator| validator.etag.as_str());
        match http::get(&self.http, url, etag).await? {
            Got::NotModified(headers) => Ok(Fetched::NotModified {
                max_age: max_age(&headers),
            }),
            Got::Text { headers, text } => {
                let validator = http::etag(&headers).map(|etag| Validator { url: id, etag });
                Ok(Fetched::Keys {
                    keys: parse(text, validator).await?,
                    max_age: max_age(&headers),
                })
            }
        }
    }

    async fn keys_in(&self, path: PathBuf) -> Result<Fetched, FetchError> {
        let (reading, most) = (path.clone(), self.http.max_response_bytes);
        let bytes = spawn_blocking(move || http::read(&reading, most))
            .await
            .map_err(FetchError::Internal)??;
        let text = String::from_utf8(bytes).map_err(|source| FetchError::NotText {
            place: path.display().to_string(),
            source,
        })?;
        Ok(Fetched::Keys {
            keys: parse(text, None).await?,
            max_age: None,
        })
    }

    /// Where the issuer keeps its keys (OpenID Connect Discovery 1.0, section 4).
    async fn discover(&self, issuer: &str) -> Result<Url, FetchError> {
        let url = configuration_url(issuer)?;
        let text = match http::get(&self.http, &url, None).await? {
            Got::Text { text, .. } => text,
            Got::NotModified(_) => return Err(FetchError::NothingToConfirm),
        };
        let found: Configuration =
            serde_json::from_str(&text).map_err(|source| FetchError::NotAConfiguration {
                place: http::place(&url),
                source,
            })?;
        if found.issuer != issuer {
            return Err(FetchError::OtherIssuer {
                expected: issuer.to_owned(),
                found: found.issuer.chars().take(MAX_SHOWN).collect(),
            });
        }
        let keys = http::url(
            &found.jwks_uri,
            "the `jwks_uri` of the OpenID configuration",
        )?;
        if url.scheme() == "https" && keys.scheme() != "https" {
            return Err(FetchError::Downgrade);
        }
        Ok(keys)
    }
}

/// What is read of an issuer's configuration.
#[derive(Deserialize)]
struct Configuration {
    issuer: String,
    jwks_uri: String,
}

/// Longest text from outside in an error, in characters.
const MAX_SHOWN: usize = 256;

fn configuration_url(issuer: &str) -> Result<Url, FetchError> {
    const WHAT: &str = "the issuer";
    let issuer = issuer.strip_suffix('/').unwrap_or(issuer);
    let base = http::url(issuer, WHAT)?;
    if base.query().is_some() || base.fragment().is_some() {
        return Err(FetchError::NotAUrl(WHAT));
    }
    http::url(&format!("{issuer}/.well-known/openid-configuration"), WHAT)
}

/// The keys in `text`, aside of the threads that answer checks.
pub(super) async fn parse(text: String, validator: Option<Validator>) -> Result<Keys, FetchError> {
    let parsing = move || {
        let set = KeySet::parse(text.as_bytes()).map_err(FetchError::NotAKeySet)?;
        Ok(Keys {
            set: Arc::new(set),
            text,
            validator,
        })
    };
    spawn_blocking(parsing)
        .await
        .map_err(FetchError::Internal)?
}

/// Tells texts apart without repeating them.
fn digest(parts: &[&str]) -> String {
    digest::hex(&digest::of_parts(parts.iter().map(|part| part.as_bytes())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_configuration_lies_below_the_issuer() {
        let cases = [
            ("https://i", "https://i/.well-known/openid-configuration"),
            ("https://i/", "https://i/.well-known/openid-configuration"),
            (
                "https://i/a/b",
                "https://i/a/b/.well-known/openid-configuration",
            ),
        ];
        for (issuer, url) in cases {
            assert_eq!(configuration_url(issuer).unwrap().as_str(), url);
        }
        for issuer in ["issuer", "https://i?a=b", "https://i#f", "file:///i", ""] {
            assert!(configuration_url(issuer).is_err(), "{issuer}");
        }
    }

    #[test]
    fn different_sources_have_different_ids() {
        let ids = [
            &["uri", "a"][..],
            &["uria"],
            &["discovery", "a"],
            &["uri", "b"],
        ];
        let ids: std::collections::BTreeSet<_> = ids.into_iter().map(digest).collect();
        assert_eq!(ids.len(), 4);
        assert_eq!(digest(&["uri", "a"]), digest(&["uri", "a"]));
    }
}
