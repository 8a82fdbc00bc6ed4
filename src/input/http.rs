//! `attributes.request.http`.
//!
//! `headers` and `body` are the canonical view of [`Http`], whichever way Envoy encoded them.
//! `headerMap` is there when it was sent, as it was sent; `rawBody` whenever there is a body.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use regorus::Value;

use super::{
    Encoding, Reads,
    select::{Fields, Pick, Slot, text},
};
use crate::request::Http;

/// What to build of the HTTP request.
#[derive(Debug)]
pub(super) struct HttpPlan {
    id: Slot,
    method: Slot,
    headers: Slot<Pick>,
    header_map: Slot<HeaderMapPlan>,
    path: Slot,
    host: Slot,
    scheme: Slot,
    query: Slot,
    fragment: Slot,
    size: Slot,
    protocol: Slot,
    body: Slot,
    raw_body: Slot,
    encoding: Encoding,
}

impl HttpPlan {
    pub(super) fn new(reads: &Reads, encoding: Encoding) -> Self {
        let leaf = |key| Slot::leaf(reads, key);
        Self {
            id: leaf("id"),
            method: leaf("method"),
            headers: Slot::new(reads, "headers", Pick::new),
            header_map: Slot::new(reads, "headerMap", HeaderMapPlan::new),
            path: leaf("path"),
            host: leaf("host"),
            scheme: leaf("scheme"),
            query: leaf("query"),
            fragment: leaf("fragment"),
            size: leaf("size"),
            protocol: leaf("protocol"),
            body: leaf("body"),
            raw_body: leaf("rawBody"),
            encoding,
        }
    }

    pub(super) fn build(&self, http: &Http<'_>) -> Value {
        let mut fields = Fields::default();
        self.id.put_text(&mut fields, http.id);
        self.method.put_text(&mut fields, http.method);
        if http.has_headers() {
            self.headers
                .put_with(&mut fields, |pick| pick.object(http.headers()));
        }
        if http.header_map.is_some() {
            self.header_map
                .put_with(&mut fields, |plan| plan.build(http));
        }
        self.path.put_text(&mut fields, http.path);
        self.host.put_text(&mut fields, http.host);
        self.scheme.put_text(&mut fields, http.scheme);
        self.query.put_text(&mut fields, http.query);
        self.fragment.put_text(&mut fields, http.fragment);
        if http.size != 0 {
            self.size.put_with(&mut fields, |()| match self.encoding {
                Encoding::Reference => Value::from(http.size),
                Encoding::ProtoJson => text(&http.size.to_string()),
            });
        }
        self.protocol.put_text(&mut fields, http.protocol);
        let body = http.body_bytes();
        if !body.is_empty() {
            self.body
                .put_with(&mut fields, |()| text(&http.body_text()));
            self.raw_body
                .put_with(&mut fields, |()| text(&STANDARD.encode(body)));
        }
        fields.into()
    }
}

#[derive(Debug)]
struct HeaderMapPlan {
    headers: Slot<HeaderPlan>,
}

impl HeaderMapPlan {
    fn new(reads: &Reads) -> Self {
        Self {
            headers: Slot::new(reads, "headers", |_| HeaderPlan::new()),
        }
    }

    fn build(&self, http: &Http<'_>) -> Value {
        let mut fields = Fields::default();
        let headers = http.header_map.as_deref().unwrap_or_default();
        if !headers.is_empty() {
            self.headers.put_with(&mut fields, |plan| {
                let built = headers.iter().map(|header| {
                    let mut fields = Fields::default();
                    plan.key.put_text(&mut fields, header.key);
                    plan.value.put_text(&mut fields, header.value);
                    if !header.raw_value.is_empty() {
                        plan.raw_value
                            .put(&mut fields, text(&STANDARD.encode(header.raw_value)));
                    }
                    fields.into()
                });
                Value::from(built.collect::<Vec<Value>>())
            });
        }
        fields.into()
    }
}

/// The items of a list are built whole: a reference into it may have any index.
#[derive(Debug)]
struct HeaderPlan {
    key: Slot,
    value: Slot,
    raw_value: Slot,
}

impl HeaderPlan {
    fn new() -> Self {
        let leaf = |key| Slot::leaf(&Reads::Everything, key);
        Self {
            key: leaf("key"),
            value: leaf("value"),
            raw_value: leaf("rawValue"),
        }
    }
}
