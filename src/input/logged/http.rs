//! `attributes.request.http`.

use base64::{Engine as _, engine::general_purpose::STANDARD};

use super::attributes::write_map;
use crate::{
    input::Encoding,
    redact::json::Json,
    request::{Http, RawHeader},
};

/// What is shown of a body.
pub(super) enum Shown {
    Whole,
    Replaced(String),
    TooLong,
}

/// Writes the HTTP request, with its body as `body` says.
pub(super) fn write(json: &mut Json<'_>, http: &Http<'_>, encoding: Encoding, body: &Shown) {
    let has_body = !http.body_bytes().is_empty();
    json.object(|json| {
        if has_body {
            json.field("body", |json| match body {
                Shown::Whole => json.string(&http.body_text()),
                Shown::Replaced(shown) => json.shown("", Some(shown.clone())),
                Shown::TooLong => json.cut(),
            });
        }
        json.text_field("fragment", http.fragment);
        if let Some(headers) = &http.header_map {
            json.field("headerMap", |json| write_header_map(json, headers));
        }
        if http.has_headers() {
            json.field("headers", |json| write_map(json, http.headers()));
        }
        json.text_field("host", http.host);
        json.text_field("id", http.id);
        json.text_field("method", http.method);
        json.text_field("path", http.path);
        json.text_field("protocol", http.protocol);
        json.text_field("query", http.query);
        if has_body {
            json.field("rawBody", |json| match body {
                Shown::Whole => json.string(&STANDARD.encode(http.body_bytes())),
                Shown::Replaced(shown) => json.shown("", Some(STANDARD.encode(shown))),
                Shown::TooLong => json.cut_as(""),
            });
        }
        json.text_field("scheme", http.scheme);
        if http.size != 0 {
            match encoding {
                Encoding::Reference => json.number_field("size", http.size),
                Encoding::ProtoJson => json.string_field("size", &http.size.to_string()),
            }
        }
    });
}

fn write_header_map(json: &mut Json<'_>, headers: &[RawHeader<'_>]) {
    json.object(|json| {
        if headers.is_empty() {
            return;
        }
        json.field("headers", |json| {
            json.list(|json| {
                for (index, header) in headers.iter().enumerate() {
                    json.item(index, |json| write_header(json, header));
                }
            });
        });
    });
}

fn write_header(json: &mut Json<'_>, header: &RawHeader<'_>) {
    json.object(|json| {
        json.text_field("key", header.key);
        if !header.raw_value.is_empty() {
            let text = String::from_utf8_lossy(header.raw_value);
            let shown = json.header_shown(header.key, &text);
            json.field("rawValue", |json| match shown {
                Some(shown) => json.shown("", Some(STANDARD.encode(shown))),
                None => json.string(&STANDARD.encode(header.raw_value)),
            });
        }
        if !header.value.is_empty() {
            json.field("value", |json| json.header(header.key, header.value));
        }
    });
}
