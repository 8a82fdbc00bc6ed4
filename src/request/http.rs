//! `AttributeContext.HttpRequest`, and the one view of its headers and body.
//!
//! Envoy sends headers as a map (`headers`) or as a list of raw values (`header_map`, with
//! `encode_raw_headers`), a body as text (`body`) or as bytes (`raw_body`, with `pack_as_bytes`).
//! A policy that looks at one form only would not see the other, so both are read through the same
//! canonical view: lower-case names, the values of one name joined with `,`, and `!` for every byte
//! that is not UTF-8. That is what Envoy itself does when it fills `headers` and `body`.

use std::{borrow::Cow, collections::BTreeMap, fmt};

use super::{
    InvalidRequest, at,
    wire::{Cursor, Field, WireError, text_entry},
};

/// The HTTP request of a check.
#[derive(Default)]
pub struct Http<'a> {
    pub(crate) id: &'a str,
    pub(crate) method: &'a str,
    pub(crate) path: &'a str,
    pub(crate) host: &'a str,
    pub(crate) scheme: &'a str,
    pub(crate) query: &'a str,
    pub(crate) fragment: &'a str,
    pub(crate) size: i64,
    pub(crate) protocol: &'a str,
    pub(crate) body: &'a str,
    pub(crate) raw_body: &'a [u8],
    /// As sent, in wire order.
    pub(crate) header_map: Option<Vec<RawHeader<'a>>>,
    /// `headers` as sent, in wire order; of equal names the last counts.
    headers: Vec<(&'a str, &'a str)>,
    /// The canonical view, where it is not `headers` itself.
    canonical: Option<BTreeMap<String, String>>,
}

/// One `config.core.v3.HeaderValue` of `header_map`.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct RawHeader<'a> {
    pub(crate) key: &'a str,
    pub(crate) value: &'a str,
    pub(crate) raw_value: &'a [u8],
}

impl<'a> Http<'a> {
    /// Envoy's stream id; not `x-request-id`.
    pub fn id(&self) -> &'a str {
        self.id
    }

    /// `:method`.
    pub fn method(&self) -> &'a str {
        self.method
    }

    /// `:path` with its query.
    pub fn path(&self) -> &'a str {
        self.path
    }

    /// The query of `:path` as it was sent, without what stands behind a `#`; empty when there is none.
    pub fn raw_query(&self) -> &'a str {
        let path = self.path.split('#').next().unwrap_or_default();
        path.split_once('?').map_or("", |(_, query)| query)
    }

    /// `:authority`, with a port when the client sent one.
    pub fn host(&self) -> &'a str {
        self.host
    }

    /// `:scheme`.
    pub fn scheme(&self) -> &'a str {
        self.scheme
    }

    /// `HTTP/1.0`, `HTTP/1.1`, `HTTP/2` or `HTTP/3`.
    pub fn protocol(&self) -> &'a str {
        self.protocol
    }

    /// How many bytes of the body came with the check.
    pub fn body_len(&self) -> usize {
        self.body_bytes().len()
    }

    /// The body, whichever field it came in.
    pub(crate) fn body_bytes(&self) -> &'a [u8] {
        if self.body.is_empty() {
            self.raw_body
        } else {
            self.body.as_bytes()
        }
    }

    /// The body as Envoy would have put it into `body`.
    pub(crate) fn body_text(&self) -> Cow<'a, str> {
        if self.body.is_empty() {
            sanitize(self.raw_body)
        } else {
            Cow::Borrowed(self.body)
        }
    }

    /// The canonical value of the header `name`, which is given in lower case.
    pub fn header(&self, name: &str) -> Option<&str> {
        if let Some(canonical) = &self.canonical {
            return canonical.get(name).map(String::as_str);
        }
        let mut latest_first = self.headers.iter().rev();
        latest_first
            .find(|(key, _)| *key == name)
            .map(|(_, value)| *value)
    }

    /// The canonical headers; of equal names the last counts.
    pub(crate) fn headers(&self) -> impl Iterator<Item = (&str, &str)> {
        let canonical = self.canonical.iter().flatten();
        let plain: &[_] = if self.canonical.is_some() {
            &[]
        } else {
            &self.headers
        };
        canonical
            .map(|(name, value)| (name.as_str(), value.as_str()))
            .chain(plain.iter().copied())
    }

    /// Whether there is any header, in either encoding.
    pub(crate) fn has_headers(&self) -> bool {
        self.header_count() > 0
    }

    /// How many headers came, in both encodings together.
    pub(super) fn header_count(&self) -> usize {
        let raw = self.header_map.as_ref().map_or(0, Vec::len);
        self.headers.len().saturating_add(raw)
    }

    pub(super) fn merge(&mut self, message: &'a [u8]) -> Result<(), InvalidRequest> {
        let mut cursor = Cursor::new(message);
        while let Some((number, field)) = cursor.next().map_err(at("http"))? {
            self.set(number, field).map_err(|rule| {
                let name = usize::try_from(number).ok().and_then(|n| FIELDS.get(n));
                at(name.copied().unwrap_or("http"))(rule)
            })?;
        }
        Ok(())
    }

    #[inline]
    fn set(&mut self, number: u32, field: Field<'a>) -> Result<(), WireError> {
        match number {
            1 => self.id = field.text()?,
            2 => self.method = field.text()?,
            3 => {
                if self.headers.capacity() == 0 {
                    self.headers.reserve_exact(USUAL_HEADERS);
                }
                self.headers.push(text_entry(field.bytes()?)?);
            }
            4 => self.path = field.text()?,
            5 => self.host = field.text()?,
            6 => self.scheme = field.text()?,
            7 => self.query = field.text()?,
            8 => self.fragment = field.text()?,
            9 => self.size = field.int64()?,
            10 => self.protocol = field.text()?,
            11 => self.body = field.text()?,
            12 => self.raw_body = field.bytes()?,
            13 => merge_header_map(self.header_map.get_or_insert_default(), field.bytes()?)?,
            _ => {}
        }
        Ok(())
    }

    /// A request for the tests of later stages.
    #[cfg(test)]
    pub(crate) fn for_tests(path: &'a str, headers: &[(&'a str, &'a str)]) -> Self {
        Self {
            path,
            headers: headers.to_vec(),
            ..Self::default()
        }
    }

    /// Builds the canonical view where it differs from `headers` as sent.
    pub(super) fn canonicalize(&mut self) {
        let lower = |name: &str| !name.bytes().any(|b| b.is_ascii_uppercase());
        if self.header_map.is_none() && self.headers.iter().all(|(name, _)| lower(name)) {
            return;
        }
        // Equal names in a protobuf map: the last counts. Different spellings are different
        // headers of one name.
        let sent: BTreeMap<&str, &str> = self.headers.iter().copied().collect();
        let mut canonical = BTreeMap::new();
        for (name, value) in sent {
            join(&mut canonical, name, value);
        }
        let mut raw = BTreeMap::new();
        for header in self.header_map.iter().flatten() {
            if header.raw_value.is_empty() {
                join(&mut raw, header.key, header.value);
            } else {
                join(&mut raw, header.key, &sanitize(header.raw_value));
            }
        }
        for (name, value) in raw {
            canonical.entry(name).or_insert(value);
        }
        self.canonical = Some(canonical);
    }
}

/// Shows no content, like the view it is part of.
impl fmt::Debug for Http<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Http").finish_non_exhaustive()
    }
}

fn join(headers: &mut BTreeMap<String, String>, name: &str, value: &str) {
    match headers.entry(name.to_ascii_lowercase()) {
        std::collections::btree_map::Entry::Vacant(entry) => {
            entry.insert(value.to_owned());
        }
        std::collections::btree_map::Entry::Occupied(mut entry) => {
            let joined = entry.get_mut();
            joined.push(',');
            joined.push_str(value);
        }
    }
}

fn merge_header_map<'a>(
    headers: &mut Vec<RawHeader<'a>>,
    message: &'a [u8],
) -> Result<(), WireError> {
    let mut cursor = Cursor::new(message);
    while let Some((number, field)) = cursor.next()? {
        if number == 1 {
            headers.push(raw_header(field.bytes()?)?);
        }
    }
    Ok(())
}

fn raw_header(message: &[u8]) -> Result<RawHeader<'_>, WireError> {
    let mut header = RawHeader::default();
    let mut cursor = Cursor::new(message);
    while let Some((number, field)) = cursor.next()? {
        match number {
            1 => header.key = field.text()?,
            2 => header.value = field.text()?,
            3 => header.raw_value = field.bytes()?,
            _ => {}
        }
    }
    Ok(header)
}

/// Replaces every byte that is not part of a UTF-8 character with `!`, as Envoy does.
pub(crate) fn sanitize(bytes: &[u8]) -> Cow<'_, str> {
    if let Ok(text) = std::str::from_utf8(bytes) {
        return Cow::Borrowed(text);
    }
    let mut text = String::with_capacity(bytes.len());
    for chunk in bytes.utf8_chunks() {
        text.push_str(chunk.valid());
        text.extend(chunk.invalid().iter().map(|_| '!'));
    }
    Cow::Owned(text)
}

/// The names of the fields by their numbers.
const FIELDS: [&str; 14] = [
    "http",
    "http.id",
    "http.method",
    "http.headers",
    "http.path",
    "http.host",
    "http.scheme",
    "http.query",
    "http.fragment",
    "http.size",
    "http.protocol",
    "http.body",
    "http.raw_body",
    "http.header_map",
];
/// Room for the headers of most requests, so that they cost one allocation.
const USUAL_HEADERS: usize = 32;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_that_are_not_utf8_become_exclamation_marks() {
        for (bytes, text) in [
            (&b"caf\xe9"[..], "caf!"),
            (b"\xff\xfe", "!!"),
            ("café".as_bytes(), "café"),
            (b"\xe2\x82x", "!!x"),
            (b"a\0b", "a\0b"),
            (b"", ""),
        ] {
            assert_eq!(sanitize(bytes), text, "{bytes:x?}");
        }
    }

    #[test]
    fn spellings_of_one_name_are_joined_and_equal_names_replaced() {
        let mut http = Http {
            headers: vec![("X-A", "1"), ("x-a", "2"), ("X-A", "3"), ("b", "4")],
            ..Http::default()
        };
        http.canonicalize();
        assert_eq!(http.header("x-a"), Some("3,2"));
        assert_eq!(http.header("b"), Some("4"));
        assert_eq!(http.header("X-A"), None);
    }

    #[test]
    fn of_equal_lower_case_names_the_last_counts() {
        let mut http = Http {
            headers: vec![("x-a", "1"), ("x-a", "2")],
            ..Http::default()
        };
        http.canonicalize();
        assert_eq!(http.header("x-a"), Some("2"));
    }

    #[test]
    fn raw_headers_are_joined_in_wire_order() {
        let raw = |key, raw_value| RawHeader {
            key,
            value: "",
            raw_value,
        };
        let mut http = Http {
            header_map: Some(vec![
                raw("x-dup", b"1"),
                raw("X-Dup", b"2"),
                raw("x-latin", b"caf\xe9"),
                raw("x-empty", b""),
            ]),
            ..Http::default()
        };
        http.canonicalize();
        assert_eq!(http.header("x-dup"), Some("1,2"));
        assert_eq!(http.header("x-latin"), Some("caf!"));
        assert_eq!(http.header("x-empty"), Some(""));
        assert_eq!(http.header("x-none"), None);
    }

    #[test]
    fn a_header_of_the_raw_list_never_replaces_one_of_the_map() {
        let mut http = Http {
            headers: vec![("x-a", "map")],
            header_map: Some(vec![RawHeader {
                key: "x-a",
                value: "list",
                raw_value: b"",
            }]),
            ..Http::default()
        };
        http.canonicalize();
        assert_eq!(http.header("x-a"), Some("map"));
    }

    #[test]
    fn the_body_is_one_whichever_field_it_came_in() {
        let text = Http {
            body: "x=1",
            ..Http::default()
        };
        let raw = Http {
            raw_body: b"x=1",
            ..Http::default()
        };
        assert_eq!(text.body_bytes(), raw.body_bytes());
        assert_eq!(text.body_text(), raw.body_text());
        assert_eq!((text.body_len(), Http::default().body_len()), (3, 0));
    }
}
