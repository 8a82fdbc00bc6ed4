//! Stage 4: the input document, built from the request view and the identity.
//!
//! A [`Plan`] is made once per policy from what the policy reads, and builds only that. For every
//! path that is read the result equals the full document of [`Plan::everything`]: the same value,
//! or the same absence. Whatever is read or not, an HTTP request whose path or query is not valid
//! gets no document.
//!
//! Memory: a document takes at most about 30 bytes for a byte of the request, whose size the
//! transport bounds. Only a compressed gRPC message grows further, to [`MAX_INFLATED`] bytes.

mod address;
mod attributes;
mod body;
mod document;
mod http;
pub(crate) mod jwt_authn;
pub mod logged;
mod metadata;
mod path;
pub mod reads;
mod restore;
mod select;
mod token;

pub use body::{
    InvalidBody, InvalidGrpc, InvalidJson, InvalidMultipart, InvalidParameters, JsonRule,
    MAX_INFLATED,
};
pub(crate) use body::{parse_json, parse_own_json};
pub use metadata::InvalidMetadata;
pub use path::InvalidPath;
pub use reads::Reads;
pub use regorus::Value;
pub use restore::restore;
pub use token::{Token, TokenDocument};

use document::DocumentPlan;

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
    /// The path or query breaks a rule.
    #[error(transparent)]
    Path(#[from] InvalidPath),
    /// The body is not what its content type says.
    #[error(transparent)]
    Body(#[from] InvalidBody),
    /// The metadata of a namespace cannot be read.
    #[error("the metadata of `{namespace}` is not valid")]
    Metadata {
        /// The namespace, which the mesh's configuration chose.
        namespace: Box<str>,
        /// The rule it breaks.
        #[source]
        source: InvalidMetadata,
    },
}

/// What to build for one policy: its [`Reads`] compiled against the document's shape.
#[derive(Debug)]
pub struct Plan {
    document: DocumentPlan,
    options: Options,
}

impl Plan {
    /// A plan that builds what `reads` covers.
    pub fn new(reads: &Reads, options: &Options) -> Self {
        Self {
            document: DocumentPlan::new(reads, options),
            options: options.clone(),
        }
    }

    /// A plan that builds the full document, for logs and for people.
    pub fn everything(options: &Options) -> Self {
        Self::new(&Reads::Everything, options)
    }

    /// Builds the document of one request.
    pub fn build(
        &self,
        request: &RequestView<'_>,
        identity: &Identity<'_>,
        token: Token<'_>,
    ) -> Result<Value, InvalidInput> {
        self.document.build(&self.options, request, identity, token)
    }

    /// Whether the document depends on the caller's token.
    pub fn reads_token(&self) -> bool {
        self.document.reads_token()
    }
}
/// What a value is, in the words of messages about wrong types.
pub fn type_name(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "a string",
        Value::Array(_) => "an array",
        Value::Set(_) => "a set",
        Value::Object(_) => "an object",
        Value::Undefined => "undefined",
    }
}
