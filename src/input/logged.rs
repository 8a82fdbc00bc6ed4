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
    redact::{credentials::Looked, json::Json},
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
                let http = request.http();
                let body = http.map_or(http::Shown::Whole, |http| read.shown(http, json));
                let writer = attributes::Writer {
                    encoding: options.encoding,
                    identity,
                    token,
                    body: &body,
                };
                writer.attributes(json, attributes);
            });
        }
        match token {
            Ok(token) => json.field("jwt", |json| value::write_claims(json, &token.jwt)),
            Err(error) => json.string_field("jwt_error", error.as_str()),
        }
        read.write_parsed(json, request.http());
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
    TooLong,
    Read(body::Body),
}

impl BodyRead {
    fn of(http: Option<&Http<'_>>, target: Option<&Target<'_>>, options: &Options) -> Self {
        if http.is_some_and(|http| http.body_bytes().len() > MOST_BYTES) {
            return Self::TooLong;
        }
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

    /// What is shown of the body's text and bytes.
    fn shown(&self, http: &Http<'_>, json: &Json<'_>) -> http::Shown {
        if matches!(self, Self::TooLong) {
            return http::Shown::TooLong;
        }
        let bytes = http.body_bytes();
        let redactor = json.redactor();
        if bytes.is_empty() || redactor.is_off() {
            return http::Shown::Whole;
        }
        let hidden = || http::Shown::Replaced(redactor.hash(bytes));
        let Some(text) = readable(http) else {
            return hidden();
        };
        let is_named = match self {
            Self::Read(body::Body::Parsed(parsed)) => value::names_credential(redactor, parsed),
            Self::Nothing | Self::TooLong | Self::Read(_) => false,
        };
        let replaced = match redactor.json(text) {
            Looked::Changed(shown) => Some(shown),
            // Other readers have found what was not found here.
            Looked::Clean | Looked::NotJson if is_named => return hidden(),
            Looked::Clean => None,
            Looked::NotJson => redactor.body(text),
        };
        replaced.map_or(http::Shown::Whole, http::Shown::Replaced)
    }

    fn write_parsed(&self, json: &mut Json<'_>, http: Option<&Http<'_>>) {
        match self {
            Self::Nothing => {}
            Self::TooLong => json.field("parsed_body", Json::cut),
            Self::Read(body::Body::None | body::Body::Truncated) => {
                json.raw_field("parsed_body", "null");
            }
            Self::Read(body::Body::Parsed(parsed)) => {
                let content_type = http.and_then(|http| http.header("content-type"));
                let is_form = content_type.is_some_and(|it| !it.contains("application/"))
                    || content_type.is_some_and(|it| it.contains("x-www-form-urlencoded"));
                let write = if is_form {
                    value::write_parameters
                } else {
                    write_value
                };
                json.field("parsed_body", |json| {
                    json.bounded(MOST_BYTES, |json| write(json, parsed));
                });
            }
        }
    }

    fn write_truncated(&self, json: &mut Json<'_>) {
        let truncated = match self {
            Self::Nothing | Self::TooLong => return,
            Self::Read(body::Body::Truncated) => "true",
            Self::Read(body::Body::None | body::Body::Parsed(_)) => "false",
        };
        json.raw_field("truncated_body", truncated);
    }
}

/// The body as the text that it is. Compressed, or in an encoding that is not UTF-8, it may hold
/// what nobody sees in it.
fn readable<'h>(http: &'h Http<'_>) -> Option<&'h str> {
    let encoding = http.header("content-encoding").unwrap_or_default().trim();
    if !(encoding.is_empty() || encoding.eq_ignore_ascii_case("identity")) {
        return None;
    }
    let content_type = http.header("content-type").unwrap_or_default();
    let charset = content_type.to_ascii_lowercase();
    if let Some((_, charset)) = charset.split_once("charset=") {
        let charset = charset.trim_start_matches('"');
        if !["utf-8", "utf8", "us-ascii"]
            .iter()
            .any(|known| charset.starts_with(known))
        {
            return None;
        }
    }
    let text = std::str::from_utf8(http.body_bytes()).ok()?;
    (!text.contains('\0')).then_some(text)
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
            value::write_parameters(json, &target.parsed_query());
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

/// Of a body, or of what is made of one or of metadata, in bytes; what is longer is left out, so that a
/// record is not much larger than its request.
pub const MOST_BYTES: usize = 1024 * 1024;

/// The strings are the reference's, whatever the encoding really is.
const VERSION: &str = r#"{"encoding":"protojson","ext_authz":"v3"}"#;
