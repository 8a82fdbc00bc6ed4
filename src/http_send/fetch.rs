//! One request and its response: bounded in size, and the caller bounds its time.

use std::{error::Error, time::Duration};

use bytes::{Bytes, BytesMut};
use http::{HeaderMap, HeaderValue, StatusCode, header};
use reqwest::Client;
use tokio::time::sleep;

use super::{
    address::ResolvesToForbidden,
    error::{SendError, causes},
    request::Request,
    response::Response,
};

/// Sends `request`, again as often as it wants when no response comes. `known` are the headers of the
/// response that there is already: the answer may be that it is still the one, 304.
pub(super) async fn fetch(
    client: &Client,
    request: &Request,
    known: Option<&HeaderMap>,
    most: usize,
) -> Result<Response, SendError> {
    let mut retries = request.retries;
    let mut pause = FIRST_PAUSE;
    loop {
        match once(client, request, known, most).await {
            Err(SendError::Failed { .. }) if retries > 0 => {
                retries = retries.saturating_sub(1);
                sleep(pause).await;
                pause = pause.saturating_mul(2);
            }
            result => return result,
        }
    }
}

async fn once(
    client: &Client,
    request: &Request,
    known: Option<&HeaderMap>,
    most: usize,
) -> Result<Response, SendError> {
    let mut headers = request.headers.clone();
    if let Some(known) = known {
        for (validator, condition) in [
            (header::ETAG, header::IF_NONE_MATCH),
            (header::LAST_MODIFIED, header::IF_MODIFIED_SINCE),
        ] {
            if let Some(value) = known.get(validator) {
                headers.insert(condition, value.clone());
            }
        }
    }
    let sending = client
        .request(request.method.clone(), request.url.clone())
        .headers(headers)
        .body(request.body.clone())
        .send();
    let mut response = sending.await.map_err(|error| failed(request, error))?;
    let (status, headers) = (response.status(), std::mem::take(response.headers_mut()));
    if size(&headers) > MOST_HEADER_BYTES {
        return Err(too_large(request, "header", MOST_HEADER_BYTES));
    }
    if request.wants_redirects && status.is_redirection() && headers.contains_key(header::LOCATION)
    {
        return Err(SendError::Redirected(request.origin.to_string()));
    }
    let phrase = phrase(&response, status);
    let body = body(response, request, most).await?;
    Ok(Response {
        status,
        phrase,
        headers,
        body,
    })
}

/// Reads no more than `most` bytes, and none when more are announced.
async fn body(
    mut response: reqwest::Response,
    request: &Request,
    most: usize,
) -> Result<Bytes, SendError> {
    let too_large = || too_large(request, "body", most);
    let announced = response.content_length().unwrap_or_default();
    if usize::try_from(announced).map_or(true, |announced| announced > most) {
        return Err(too_large());
    }
    let mut bytes = BytesMut::new();
    loop {
        let chunk = response.chunk().await;
        let Some(chunk) = chunk.map_err(|error| failed(request, error))? else {
            return Ok(bytes.freeze());
        };
        if bytes.len().saturating_add(chunk.len()) > most {
            return Err(too_large());
        }
        bytes.extend_from_slice(&chunk);
    }
}

/// The phrase behind the status: as it came, else the usual one.
fn phrase(response: &reqwest::Response, status: StatusCode) -> String {
    let given = response.extensions().get::<hyper::ext::ReasonPhrase>();
    let given = given.map(|phrase| String::from_utf8_lossy(phrase.as_bytes()).into_owned());
    given.unwrap_or_else(|| status.canonical_reason().unwrap_or_default().to_owned())
}

fn size(headers: &HeaderMap) -> usize {
    let each = |value: &HeaderValue| value.len();
    let names = headers
        .iter()
        .map(|(name, value)| name.as_str().len().saturating_add(each(value)));
    names.fold(0, usize::saturating_add)
}

fn too_large(request: &Request, what: &'static str, most: usize) -> SendError {
    SendError::TooLarge {
        what,
        origin: request.origin.to_string(),
        most,
    }
}

fn failed(request: &Request, error: reqwest::Error) -> SendError {
    let error = error.without_url();
    let mut cause: Option<&(dyn Error + 'static)> = Some(&error);
    while let Some(one) = cause {
        if let Some(ResolvesToForbidden(_)) = one.downcast_ref() {
            return SendError::ForbiddenAddress(request.origin.to_string());
        }
        if let Some(error) = one.downcast_ref::<hyper::Error>()
            && error.is_parse_too_large()
        {
            return too_large(request, "header", MOST_HEADER_BYTES);
        }
        cause = one.source();
    }
    SendError::Failed {
        method: request.method.to_string(),
        origin: request.origin.to_string(),
        unreachable: error.is_connect(),
        why: causes(&error),
    }
}

/// Most bytes in names and values of a response's headers.
const MOST_HEADER_BYTES: usize = 64 * 1024;
/// Before the first retry; each one after waits twice as long.
const FIRST_PAUSE: Duration = Duration::from_millis(5);
