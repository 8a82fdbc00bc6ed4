//! `parsed_body` and `truncated_body`: the body as its content type says, by the reference's rules.

use prost_reflect::DescriptorPool;
use regorus::Value;

use super::path::Target;
use crate::request::Http;

/// What became of a body.
#[derive(Debug)]
pub(super) enum Body {
    /// There is none, or none that we read.
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
    #[error("the content-length `{0}` is not a number")]
    ContentLength(String),
}

/// Reads the body of `http`.
pub(super) fn parse(
    _http: &Http<'_>,
    _target: &Target<'_>,
    _descriptors: Option<&DescriptorPool>,
) -> Result<Body, InvalidBody> {
    Ok(Body::None)
}

pub const MAX_INFLATED: usize = 4 * 1024 * 1024;
