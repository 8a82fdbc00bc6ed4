//! The whole input document as text, for logs: what [`Plan::everything`](super::Plan::everything) builds, in
//! the spelling of the reference alone and without credentials.
//!
//! Written straight from the request, which takes a fraction of what building values takes. There is
//! always a document: what cannot be read (a path, a body, metadata) is left out, because a check that
//! was refused for it is told of too. `tests/input.rs` holds that both ways to the document agree.

mod attributes;
mod http;
mod value;

pub use value::{write_as_is, write_value};

use super::{Options, Token, body, path::Target};
use crate::{
    identity::{Identity, spiffe::SpiffeId},
    redact::json::Json,
    request::{Http, RequestView},
};

/// Writes the document of one request.
pub fn write(
    json: &mut Json<'_>,
    options: &Options,
    request: &RequestView<'_>,
    identity: &Identity<'_>,
    token: Token<'_>,
) {
    let target = match request.http() {
        Some(http) => Target::parse(http.method(), http.path(), options.lenient_query).ok(),
        None => Some(Target::NONE),
    };
    let read = BodyRead::of(request.http(), target.as_ref(), options);
    json.object(|json| {
        if let Some(attributes) = &request.attributes {
            json.field("attributes", |json| {
                let replaced = request.http().and_then(|http| read.replaced(http, json));
                let writer = attributes::Writer {
                    encoding: options.encoding,
                    identity,
                    token,
                    body: replaced.as_deref(),
                };
                writer.attributes(json, attributes);
            });
        }
        match token {
            Ok(token) => json.field("jwt", |json| value::write_claims(json, &token.jwt)),
            Err(error) => json.string_field("jwt_error", error.as_str()),
        }
        read.write_parsed(json);
        if let Some(target) = &target {
            write_target(json, target);
        }
        if let Some(peer) = &identity.peer {
            json.field("source", |json| {
                json.object(|json| json.field("spiffe", |json| write_spiffe(json, peer)));
            });
        }
        json.text_field("source_principal", identity.principal);
        read.write_truncated(json);
        json.raw_field("version", VERSION);
    });
}

/// What is known of the body beside its bytes.
enum BodyRead {
    /// It is not to be read, or cannot be.
    Nothing,
    Read(body::Body),
}

impl BodyRead {
    fn of(http: Option<&Http<'_>>, target: Option<&Target<'_>>, options: &Options) -> Self {
        if options.skip_request_body_parse {
            return Self::Nothing;
        }
        match (http, target) {
            (None, _) => Self::Read(body::Body::None),
            (Some(_), None) => Self::Nothing,
            (Some(http), Some(target)) => {
                let read = body::parse(http, target, options.descriptors.as_ref());
                read.map_or(Self::Nothing, Self::Read)
            }
        }
    }

    /// What is shown in the place of the body's text.
    fn replaced(&self, http: &Http<'_>, json: &Json<'_>) -> Option<String> {
        if http.body_bytes().is_empty() {
            return None;
        }
        let redactor = json.redactor();
        let text = http.body_text();
        match self {
            Self::Read(body::Body::Parsed(parsed)) if value::names_credential(redactor, parsed) => {
                Some(redactor.hash(http.body_bytes()))
            }
            Self::Nothing | Self::Read(_) => redactor.body(&text),
        }
    }

    fn write_parsed(&self, json: &mut Json<'_>) {
        match self {
            Self::Nothing => {}
            Self::Read(body::Body::None | body::Body::Truncated) => {
                json.raw_field("parsed_body", "null");
            }
            Self::Read(body::Body::Parsed(parsed)) => {
                json.field("parsed_body", |json| write_value(json, parsed));
            }
        }
    }

    fn write_truncated(&self, json: &mut Json<'_>) {
        let truncated = match self {
            Self::Nothing => return,
            Self::Read(body::Body::Truncated) => "true",
            Self::Read(body::Body::None | body::Body::Parsed(_)) => "false",
        };
        json.raw_field("truncated_body", truncated);
    }
}

fn write_target(json: &mut Json<'_>, target: &Target<'_>) {
    json.field("parsed_path", |json| {
        let decoded = target.decoded_path();
        json.list(|json| {
            for (index, segment) in decoded.split('/').enumerate() {
                json.item(index, |json| json.text(segment));
            }
        });
    });
    json.field("parsed_query", |json| {
        if target.has_query() {
            write_value(json, &target.parsed_query());
        } else {
            json.raw("{}");
        }
    });
}

fn write_spiffe(json: &mut Json<'_>, peer: &SpiffeId<'_>) {
    json.object(|json| {
        json.text_field("id", peer.id());
        if let Some((namespace, _)) = peer.workload() {
            json.text_field("namespace", namespace);
        }
        json.field("path", |json| json.text(peer.path()));
        if let Some((_, service_account)) = peer.workload() {
            json.text_field("service_account", service_account);
        }
        json.text_field("trust_domain", peer.trust_domain());
    });
}

/// The strings are the reference's, whatever the encoding really is.
const VERSION: &str = r#"{"encoding":"protojson","ext_authz":"v3"}"#;
