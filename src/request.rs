//! Stage 2: the `CheckRequest` (`envoy.service.auth.v3`), read straight from its wire bytes.
//!
//! One pass records slices of what the request has; decoding it into the generated type would cost
//! more than the rest of the check (`docs/performance.md`). Promises: the bytes are well-formed
//! protobuf and every string is UTF-8, within the bounds below, or there is no view at all. The one
//! exception is metadata: what stands under a namespace is decoded when the input document needs
//! it, and refused then. What is accepted, prost would accept; in addition this refuses groups, a
//! second value in one metadata entry and map fields of a wrong wire type, none of which any encoder
//! writes here.
//!
//! Memory: the view takes at most a small multiple of the request (32 bytes a header, of at least
//! four on the wire) and copies text only for `header_map` and for header names in upper case.

mod attributes;
mod http;
mod peer;
mod wire;

use std::{borrow::Cow, fmt};

pub(crate) use attributes::{Attributes, Metadata, Request, Time};
pub use http::Http;
pub(crate) use http::RawHeader;
pub(crate) use peer::{Address, InternalAddress, Peer, Pipe, Port, SocketAddress};
pub use wire::WireError;
pub(crate) use wire::{Cursor, message_entry};

/// Why the bytes are not a readable `CheckRequest`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidRequest {
    /// The bytes do not decode.
    #[error("the CheckRequest does not decode at `{field}`")]
    Undecodable {
        /// The field or message that breaks the rule, as the schema names it.
        field: &'static str,
        /// The rule.
        #[source]
        rule: WireError,
    },
    /// More headers than [`MAX_HEADERS`].
    #[error("the request has {0} headers, more than {MAX_HEADERS}")]
    TooManyHeaders(usize),
    /// A `:path` longer than [`MAX_PATH`].
    #[error("the path has {0} bytes, more than {MAX_PATH}")]
    PathTooLong(usize),
}

/// A borrowed view of one `CheckRequest`: slices into its wire bytes.
pub struct RequestView<'a> {
    pub(crate) attributes: Option<Attributes<'a>>,
}

impl<'a> RequestView<'a> {
    /// Walks the wire bytes once.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, InvalidRequest> {
        let mut view = Self { attributes: None };
        let mut cursor = Cursor::new(bytes);
        let at_attributes = at("attributes");
        while let Some((number, field)) = cursor.next().map_err(at_attributes)? {
            if number == 1 {
                view.attributes
                    .get_or_insert_default()
                    .merge(field.bytes().map_err(at_attributes)?)?;
            }
        }
        if let Some(http) = view.http_mut() {
            let headers = http.header_count();
            if headers > MAX_HEADERS {
                return Err(InvalidRequest::TooManyHeaders(headers));
            }
            if http.path.len() > MAX_PATH {
                return Err(InvalidRequest::PathTooLong(http.path.len()));
            }
            http.canonicalize();
        }
        Ok(view)
    }

    /// `attributes.source.principal`; empty when the peer did not present a certificate.
    pub fn source_principal(&self) -> &'a str {
        let source = self.attributes.as_ref().and_then(|a| a.source.as_ref());
        source.map_or("", |peer| peer.principal)
    }

    /// The HTTP request; `None` for a TCP check.
    pub fn http(&self) -> Option<&Http<'a>> {
        self.request()?.http.as_ref()
    }

    /// Whether the check is about a TCP connection.
    pub fn is_tcp(&self) -> bool {
        self.http().is_none()
    }

    /// The value of a request header, whichever way Envoy encoded it; `name` is in lower case.
    /// Several values of one name are joined with `,`.
    pub fn header(&self, name: &str) -> Option<Cow<'_, str>> {
        self.http()?.header(name).map(Cow::Borrowed)
    }

    /// The numeric port of `attributes.destination.address`.
    pub fn destination_port(&self) -> Option<u32> {
        let destination = self.attributes.as_ref()?.destination.as_ref()?;
        match destination.address.as_ref()? {
            Address::Socket(SocketAddress {
                port: Some(Port::Value(port)),
                ..
            }) => Some(*port),
            Address::Socket(_) | Address::Pipe(_) | Address::Internal(_) | Address::Unset => None,
        }
    }

    /// One of `attributes.context_extensions`, which come from the route's configuration.
    pub fn context_extension(&self, key: &str) -> Option<&'a str> {
        let extensions = &self.attributes.as_ref()?.context_extensions;
        let mut latest_first = extensions.iter().rev();
        latest_first
            .find(|(name, _)| *name == key)
            .map(|(_, value)| *value)
    }

    /// A request for the tests of later stages.
    #[cfg(test)]
    pub(crate) fn for_tests(path: &'a str, headers: &[(&'a str, &'a str)]) -> Self {
        let request = Request {
            http: Some(Http::for_tests(path, headers)),
            ..Request::default()
        };
        Self {
            attributes: Some(Attributes {
                request: Some(request),
                ..Attributes::default()
            }),
        }
    }

    fn request(&self) -> Option<&Request<'a>> {
        self.attributes.as_ref()?.request.as_ref()
    }

    fn http_mut(&mut self) -> Option<&mut Http<'a>> {
        self.attributes.as_mut()?.request.as_mut()?.http.as_mut()
    }
}

/// Names the field that breaks a rule.
fn at(field: &'static str) -> impl Fn(WireError) -> InvalidRequest + Copy {
    move |rule| InvalidRequest::Undecodable { field, rule }
}

/// Shows no content: a request holds tokens and personal data.
impl fmt::Debug for RequestView<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RequestView").finish_non_exhaustive()
    }
}

/// The most headers a request may have, in both encodings together. Envoy's own limit is 100
/// unless it is raised.
pub const MAX_HEADERS: usize = 10_000;
/// The longest `:path` in bytes, query included. Envoy takes at most 60 KiB of headers unless that
/// is raised.
pub const MAX_PATH: usize = 64 * 1024;

#[cfg(test)]
mod tests;
