//! A gRPC request message as proto JSON, read with the configured descriptors.
//!
//! Unary and server-streaming methods only, and of them the first message: the messages of a
//! client stream are not known when the check is made. What the descriptors do not know is left
//! unread, as in the reference.

use std::io::Read as _;

use prost_reflect::{DescriptorPool, DynamicMessage, MessageDescriptor};

use super::{
    super::path::Target,
    Body,
    json::{self, InvalidJson},
};

/// The rule that a gRPC body breaks.
#[derive(Debug, thiserror::Error)]
pub enum InvalidGrpc {
    /// The path is not `/package.Service/Method`.
    #[error("the path does not name a service and a method")]
    Path,
    /// Shorter than the prefix of a message.
    #[error("the body has less than {PREFIX} bytes")]
    Prefix,
    /// The gzip stream is broken.
    #[error("the message does not inflate")]
    Gzip(#[source] std::io::Error),
    /// The message is a bomb, or too large to look into.
    #[error("the message inflates to more than {MAX_INFLATED} bytes")]
    TooLarge,
    /// The bytes are not a message of the method's type.
    #[error("the message does not decode")]
    Message(#[source] prost::DecodeError),
    /// The message has no JSON form: it holds an `Any` of an unknown type.
    #[error("the message has no JSON form")]
    NoJson(#[source] serde_json::Error),
    /// The JSON form is out of bounds.
    #[error("the JSON form of the message is out of bounds")]
    Json(#[source] InvalidJson),
}

/// Reads the first message of `body`.
pub(super) fn parse(
    body: &[u8],
    target: &Target<'_>,
    encoding: Option<&str>,
    descriptors: &DescriptorPool,
) -> Result<Body, InvalidGrpc> {
    if body.is_empty() {
        return Ok(Body::None);
    }
    let path = target.decoded_path();
    let (service, method) = match path.split_once('/') {
        Some((service, method)) if !method.contains('/') => (service, method),
        Some(_) | None => return Err(InvalidGrpc::Path),
    };
    let (&[flag, length @ ..], rest) = body
        .split_first_chunk::<PREFIX>()
        .ok_or(InvalidGrpc::Prefix)?;
    let compressed = match (flag, encoding) {
        (0, _) => false,
        (1, Some("gzip")) => true,
        _ => return Ok(Body::None),
    };
    let length = usize::try_from(u32::from_be_bytes(length)).unwrap_or(usize::MAX);
    let Some(message) = rest.get(..length) else {
        return Ok(Body::Truncated);
    };
    let Some(descriptor) = request_message(descriptors, service, method) else {
        return Ok(Body::None);
    };
    let message = if compressed {
        decode(descriptor, &inflate(message)?)?
    } else {
        decode(descriptor, message)?
    };
    let text = serde_json::to_vec(&message).map_err(InvalidGrpc::NoJson)?;
    json::parse(&text)
        .map(Body::Parsed)
        .map_err(InvalidGrpc::Json)
}

fn request_message(
    descriptors: &DescriptorPool,
    service: &str,
    method: &str,
) -> Option<MessageDescriptor> {
    let service = descriptors.get_service_by_name(service)?;
    let method = service.methods().find(|m| m.name() == method)?;
    (!method.is_client_streaming()).then(|| method.input())
}

fn decode(descriptor: MessageDescriptor, bytes: &[u8]) -> Result<DynamicMessage, InvalidGrpc> {
    DynamicMessage::decode(descriptor, bytes).map_err(InvalidGrpc::Message)
}

/// Inflates all members of the stream, as gRPC servers do.
fn inflate(bytes: &[u8]) -> Result<Vec<u8>, InvalidGrpc> {
    let limit = u64::try_from(MAX_INFLATED).unwrap_or(u64::MAX);
    let mut inflated = Vec::new();
    flate2::read::MultiGzDecoder::new(bytes)
        .take(limit.saturating_add(1))
        .read_to_end(&mut inflated)
        .map_err(InvalidGrpc::Gzip)?;
    if inflated.len() > MAX_INFLATED {
        return Err(InvalidGrpc::TooLarge);
    }
    Ok(inflated)
}

/// Flag byte and length.
const PREFIX: usize = 5;
/// The most bytes a compressed gRPC message may inflate to: it is not bounded by the request's own
/// size, and the document takes a multiple of it.
pub const MAX_INFLATED: usize = 1024 * 1024;

#[cfg(test)]
mod tests;
