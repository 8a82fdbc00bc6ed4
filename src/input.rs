//! Stage 4: the input document, built from the request view and the identity.

pub mod reads;

pub use reads::Reads;
pub use regorus::Value;

use crate::{identity::Identity, request::RequestView};

/// How the document is shaped; fixed when a policy is loaded.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// Which of the reference's two shapes is built.
    pub encoding: Encoding,
    /// `skip-request-body-parse`: leave `parsed_body` and `truncated_body` out.
    pub skip_request_body_parse: bool,
    /// Drop query pairs that do not parse instead of refusing the request.
    pub lenient_query: bool,
    /// `proto-descriptor`: the messages that gRPC bodies are read with.
    pub descriptors: Option<prost_reflect::DescriptorPool>,
}

/// `input-encoding`: the shape of times, enums and 64-bit integers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Encoding {
    /// The shape opa-envoy builds since v1.1.0: numbers throughout.
    #[default]
    Reference,
    /// The proto JSON mapping that opa-envoy had up to v1.0.0.
    ProtoJson,
}

/// Why no document can be built for this request.
#[derive(Debug, thiserror::Error)]
pub enum InvalidInput {
    /// The path or query has a wrong escape.
    #[error("{0}")]
    Path(String),
}

/// What to build for one policy: its [`Reads`] compiled against the document's shape.
#[derive(Debug)]
pub struct Plan {
    reads: Reads,
}

impl Plan {
    /// A plan that builds what `reads` covers.
    pub fn new(reads: &Reads, _options: &Options) -> Self {
        Self {
            reads: reads.clone(),
        }
    }

    /// Builds the document of one request.
    pub fn build(
        &self,
        _request: &RequestView<'_>,
        _identity: &Identity<'_>,
    ) -> Result<Value, InvalidInput> {
        let _ = &self.reads;
        Ok(Value::new_object())
    }
}
