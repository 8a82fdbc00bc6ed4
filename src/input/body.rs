//! `parsed_body` and `truncated_body`: the body as its content type says, by the reference's rules.
//!
//! A body that claims a content type and does not keep to it makes the whole request invalid: a
//! policy must not decide on half a body. Where servers are known to read the same bytes in
//! different ways (multipart above all), the ambiguous form is refused rather than interpreted.
//! One difference from the reference: gRPC messages compressed with gzip are read too.

mod grpc;
mod json;
mod multipart;
mod parameters;

use prost_reflect::DescriptorPool;
use regorus::Value;

pub use grpc::{InvalidGrpc, MAX_INFLATED};
pub use json::{InvalidJson, Rule as JsonRule};
pub(crate) use json::{parse as parse_json, parse_own as parse_own_json};
pub use multipart::InvalidMultipart;
pub use parameters::InvalidParameters;

use super::path::{InvalidPath, Target, parse_form};
use crate::request::Http;

/// What became of a body.
#[derive(Debug, PartialEq)]
pub(super) enum Body {
    /// There is none, or none that is read.
    None,
    /// There is more of it than Envoy sent.
    Truncated,
    /// All of it.
    Parsed(Value),
}

/// Why a body cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum InvalidBody {
    /// `content-length` is not a number.
    #[error("the content-length `{}` is not a number", .0.escape_debug())]
    ContentLength(String),
    /// The content type says JSON.
    #[error("the body is not JSON")]
    Json(#[from] InvalidJson),
    /// The content type says form.
    #[error("the body is not a form")]
    Form(#[source] InvalidPath),
    /// The content type says multipart.
    #[error("the body is not a multipart form")]
    Multipart(#[from] InvalidMultipart),
    /// The content type says gRPC.
    #[error("the body is not a gRPC message")]
    Grpc(#[from] InvalidGrpc),
}

/// Reads the body of `http`.
pub(super) fn parse(
    http: &Http<'_>,
    target: &Target<'_>,
    descriptors: Option<&DescriptorPool>,
) -> Result<Body, InvalidBody> {
    if http.header("x-envoy-auth-partial-body") == Some("true") {
        return Ok(Body::Truncated);
    }
    let Some(content_type) = http.header("content-type") else {
        return Ok(Body::None);
    };
    if content_type.contains("application/json") {
        return complete(http, |body| Ok(Body::Parsed(json::parse(body)?)));
    }
    if content_type.contains("application/grpc") {
        let encoding = http.header("grpc-encoding");
        return Ok(match descriptors {
            Some(pool) => grpc::parse(http.raw_body, target, encoding, pool)?,
            None => Body::None,
        });
    }
    if content_type.contains("application/x-www-form-urlencoded") {
        return complete(http, |body| {
            let form = parse_form(&String::from_utf8_lossy(body));
            Ok(Body::Parsed(form.map_err(InvalidBody::Form)?))
        });
    }
    if content_type.contains("multipart/form-data") {
        return complete(http, |body| {
            let parts = multipart::parse(content_type, body)?;
            Ok(parts.map_or(Body::None, Body::Parsed))
        });
    }
    Ok(Body::None)
}

/// Reads a body that is there and as long as `content-length` says.
fn complete(
    http: &Http<'_>,
    read: impl FnOnce(&[u8]) -> Result<Body, InvalidBody>,
) -> Result<Body, InvalidBody> {
    let body = http.body_bytes();
    if body.is_empty() {
        return Ok(Body::None);
    }
    if let Some(length) = http.header("content-length") {
        let announced: i64 = length
            .parse()
            .map_err(|_| InvalidBody::ContentLength(length.chars().take(32).collect()))?;
        // -1 stands for unknown; a body longer than announced is the upstream's to refuse.
        if usize::try_from(announced).is_ok_and(|announced| announced > body.len()) {
            return Ok(Body::Truncated);
        }
    }
    read(body)
}

#[cfg(test)]
mod tests;
