//! One GET: bounded in time and size, no redirects, and a client of its own.
//!
//! A client lives for one request: requests are minutes apart, so there is nothing to keep open, and
//! new certificate files are seen without watching them.

use std::{fs::File, io::Read as _, path::Path};

use reqwest::{
    Certificate, Client, ClientBuilder, Identity, Response, StatusCode, Url,
    header::{ACCEPT, ETAG, HeaderValue, IF_NONE_MATCH},
    redirect, retry,
};
use tokio::task::spawn_blocking;

use super::{FetchError, Http};
use crate::version::VERSION;

/// What an answer says about itself and holds.
#[derive(Debug)]
pub(super) enum Got {
    /// 304: what the entity tag names is still the one.
    NotModified(reqwest::header::HeaderMap),
    /// 200.
    Text {
        headers: reqwest::header::HeaderMap,
        text: String,
    },
}

/// Longest entity tag that is remembered, in bytes.
const MAX_ETAG: usize = 512;

/// The entity tag of an answer.
pub(super) fn etag(headers: &reqwest::header::HeaderMap) -> Option<String> {
    let tag = headers.get(ETAG)?.to_str().ok()?;
    (!tag.is_empty() && tag.len() <= MAX_ETAG).then(|| tag.to_owned())
}

/// Asks for `url`, with `etag` only if it is another than that.
pub(super) async fn get(http: &Http, url: &Url, etag: Option<&str>) -> Result<Got, FetchError> {
    let etag = etag.and_then(|etag| HeaderValue::from_str(etag).ok());
    let conditional = etag.is_some();
    let mut request = client(http, url)
        .await?
        .get(url.clone())
        .header(ACCEPT, "application/json, application/jwk-set+json");
    if let Some(etag) = etag {
        request = request.header(IF_NONE_MATCH, etag);
    }
    let response = request.send().await.map_err(|error| failed(url, error))?;
    let status = response.status();
    if status == StatusCode::NOT_MODIFIED && conditional {
        return Ok(Got::NotModified(response.headers().clone()));
    }
    let (place, code) = (place(url), status.as_u16());
    if status.is_redirection() && status != StatusCode::NOT_MODIFIED {
        return Err(FetchError::Redirect {
            place,
            status: code,
        });
    }
    if status != StatusCode::OK {
        return Err(FetchError::Status {
            place,
            status: code,
        });
    }
    let headers = response.headers().clone();
    let bytes = body(response, url, http.max_response_bytes).await?;
    let text = String::from_utf8(bytes).map_err(|source| FetchError::NotText { place, source })?;
    Ok(Got::Text { headers, text })
}

/// Reads no more than `most` bytes, and none when more are announced.
async fn body(mut response: Response, url: &Url, most: usize) -> Result<Vec<u8>, FetchError> {
    let too_large = || FetchError::TooLarge {
        place: place(url),
        most,
    };
    if let Some(length) = response.content_length()
        && usize::try_from(length).is_ok_and(|length| length <= most)
    {
        // In bounds, as far as is announced.
    } else if response.content_length().is_some() {
        return Err(too_large());
    }
    let mut bytes = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(|error| failed(url, error))? {
        if bytes.len().saturating_add(chunk.len()) > most {
            return Err(too_large());
        }
        bytes.extend_from_slice(&chunk);
    }
    Ok(bytes)
}

async fn client(http: &Http, url: &Url) -> Result<Client, FetchError> {
    let (http, encrypted) = (http.clone(), url.scheme() == "https");
    // Reads files: ours, or the system's authorities.
    spawn_blocking(move || build(&http, encrypted))
        .await
        .map_err(FetchError::Internal)?
}

fn build(http: &Http, encrypted: bool) -> Result<Client, FetchError> {
    let mut builder = Client::builder()
        .user_agent(format!("portcullis/{VERSION}"))
        .redirect(redirect::Policy::none())
        .retry(retry::never())
        .referer(false)
        .connect_timeout(http.connect_timeout)
        .timeout(http.timeout);
    if let Some(path) = &http.ca_file {
        builder = builder.tls_certs_only(authorities(path)?);
    } else if !encrypted {
        // A machine without authorities can do without them here.
        builder = builder.tls_certs_only([]);
    }
    builder = with_certificate(builder, http)?;
    builder.build().map_err(FetchError::Client)
}

fn authorities(path: &Path) -> Result<Vec<Certificate>, FetchError> {
    let authorities =
        Certificate::from_pem_bundle(&pem(path)?).map_err(|source| FetchError::Pem {
            path: path.to_owned(),
            source,
        })?;
    if authorities.is_empty() {
        return Err(FetchError::NoAuthority(path.to_owned()));
    }
    Ok(authorities)
}

fn with_certificate(builder: ClientBuilder, http: &Http) -> Result<ClientBuilder, FetchError> {
    let Some(client) = &http.client else {
        return Ok(builder);
    };
    let mut both = pem(&client.cert_file)?;
    both.push(b'\n');
    both.extend(pem(&client.key_file)?);
    let identity = Identity::from_pem(&both).map_err(|source| FetchError::Pem {
        path: client.cert_file.clone(),
        source,
    })?;
    Ok(builder.identity(identity))
}

fn pem(path: &Path) -> Result<Vec<u8>, FetchError> {
    read(path, MAX_PEM)
}

/// Largest PEM file in bytes; all authorities there are fit.
const MAX_PEM: usize = 1 << 20;

/// Reads a regular file of at most `most` bytes. Blocks.
pub(super) fn read(path: &Path, most: usize) -> Result<Vec<u8>, FetchError> {
    let unreadable = |source| FetchError::File {
        path: path.to_owned(),
        source,
    };
    // Asked before it is opened: to open a pipe is to wait for somebody who writes.
    if !path.metadata().map_err(unreadable)?.is_file() {
        return Err(FetchError::NotAFile(path.to_owned()));
    }
    let limit = u64::try_from(most).unwrap_or(u64::MAX).saturating_add(1);
    let mut bytes = Vec::new();
    let file = File::open(path).map_err(unreadable)?;
    file.take(limit)
        .read_to_end(&mut bytes)
        .map_err(unreadable)?;
    if bytes.len() > most {
        return Err(FetchError::TooLarge {
            place: path.display().to_string(),
            most,
        });
    }
    Ok(bytes)
}

fn failed(url: &Url, error: reqwest::Error) -> FetchError {
    let (place, source) = (place(url), error.without_url());
    if source.is_timeout() {
        FetchError::Timeout { place, source }
    } else if source.is_connect() {
        FetchError::Connect { place, source }
    } else {
        FetchError::Transport { place, source }
    }
}

/// The absolute `http` or `https` URL that `text` is; `what` names it in the error.
pub(super) fn url(text: &str, what: &'static str) -> Result<Url, FetchError> {
    Url::parse(text)
        .ok()
        .filter(|url| matches!(url.scheme(), "http" | "https") && url.has_host())
        .ok_or(FetchError::NotAUrl(what))
}

/// A URL as people may see it: without user info, query and fragment.
pub(super) fn place(url: &Url) -> String {
    format!("{}{}", url.origin().ascii_serialization(), url.path())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_is_shown_without_its_secrets() {
        let cases = [
            ("https://u:p@h:8443/keys?token=s#f", "https://h:8443/keys"),
            ("http://h", "http://h/"),
            ("http://[::1]:80/a%20b", "http://[::1]/a%20b"),
        ];
        for (text, shown) in cases {
            assert_eq!(place(&url(text, "it").unwrap()), shown);
        }
    }

    #[test]
    fn only_absolute_web_addresses_are_urls() {
        for text in ["http://h/", "HTTPS://h"] {
            assert!(url(text, "it").is_ok(), "{text}");
        }
        for text in [
            "",
            "/keys",
            "h/keys",
            "file:///etc/passwd",
            "ftp://h/",
            "data:,x",
            "https://",
        ] {
            assert!(url(text, "it").is_err(), "{text}");
        }
    }

    #[test]
    fn entity_tags_are_remembered_unless_they_are_long() {
        let tagged = |tag: &str| {
            let mut headers = reqwest::header::HeaderMap::new();
            headers.insert(ETAG, tag.parse().unwrap());
            etag(&headers)
        };
        assert_eq!(tagged("W/\"a\""), Some("W/\"a\"".to_owned()));
        assert_eq!(tagged(&"a".repeat(512)).map(|tag| tag.len()), Some(512));
        assert_eq!(tagged(&"a".repeat(513)), None);
        assert_eq!(tagged(""), None);
    }

    #[test]
    fn only_regular_files_of_bounded_size_are_read() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("keys");
        std::fs::write(&path, "1234").unwrap();
        assert_eq!(read(&path, 4).unwrap(), b"1234");
        assert!(matches!(read(&path, 3), Err(FetchError::TooLarge { .. })));
        assert!(matches!(
            read(folder.path(), 4),
            Err(FetchError::NotAFile(_))
        ));
        assert!(matches!(
            read(Path::new("/dev/zero"), 4),
            Err(FetchError::NotAFile(_))
        ));
        let absent = folder.path().join("absent");
        assert!(matches!(read(&absent, 4), Err(FetchError::File { .. })));
    }
}
