//! Bodies: JSON loses its credentials where they stand; of another body that names a credential nothing
//! is shown, because where that ends is a matter of its format.

use std::borrow::Cow;

use serde::de::IgnoredAny;

use super::{Redactor, Taken};

/// What is in a body that may be JSON.
#[derive(Debug, PartialEq, Eq)]
pub enum Looked {
    /// It is none.
    NotJson,
    /// Nothing to hide.
    Clean,
    /// The same without credentials.
    Changed(String),
}

impl Redactor {
    /// A body without credentials, or what looks like one; `None` when there are none.
    pub fn body(&self, body: &str) -> Option<String> {
        self.body_at(body, &mut Taken::default(), super::DEEPEST)
    }

    /// Takes the credentials out of JSON and leaves every other byte as it is.
    pub fn json(&self, text: &str) -> Looked {
        self.json_at(text, &mut Taken::default(), super::DEEPEST)
    }

    /// A text that may be JSON.
    pub(super) fn any_at(&self, text: &str, taken: &mut Taken, depth: u8) -> Option<String> {
        if !self.off && text.trim_start().starts_with(['{', '[']) {
            self.body_at(text, taken, depth)
        } else {
            self.text_at(text, taken, depth)
        }
    }

    pub(in crate::redact) fn body_at(
        &self,
        body: &str,
        taken: &mut Taken,
        depth: u8,
    ) -> Option<String> {
        if self.off {
            return None;
        }
        match self.json_at(body, taken, depth) {
            Looked::Changed(shown) => Some(shown),
            Looked::Clean => None,
            Looked::NotJson if self.names_a_credential(body) => Some(self.replace(taken, body)),
            Looked::NotJson => self.text_at(body, taken, depth),
        }
    }

    fn json_at(&self, text: &str, taken: &mut Taken, depth: u8) -> Looked {
        if self.off {
            return Looked::Clean;
        }
        if !text.trim_start().starts_with(['{', '[', '"'])
            || serde_json::from_str::<IgnoredAny>(text).is_err()
        {
            return Looked::NotJson;
        }
        if depth == 0 {
            // JSON in JSON in JSON.
            return Looked::Changed(self.replace(taken, text));
        }
        match self.in_place(text, taken, depth.saturating_sub(1)) {
            Some(shown) => Looked::Changed(shown),
            None => Looked::Clean,
        }
    }

    /// `json` is JSON.
    fn in_place(&self, json: &str, taken: &mut Taken, depth: u8) -> Option<String> {
        let mut out = String::new();
        let mut rest = json;
        // As with parameters.
        let mut kept = json;
        while let Some(at) = memchr::memchr(b'"', rest.as_bytes()) {
            let (_, from) = rest.split_at(at);
            let (string, after) = from.split_at_checked(string_length(from))?;
            let text = unquoted(string);
            rest = after;
            let value = after.trim_start().strip_prefix(':').map(str::trim_start);
            let replaced = match value.filter(|_| self.names.contain(&text)) {
                Some(value) if is_nothing(value) => None,
                Some(value) => {
                    let (value, after) = value.split_at_checked(value_length(value))?;
                    rest = after;
                    Some((value, self.replace(taken, &unquoted(value))))
                }
                None => self
                    .any_at(&text, taken, depth)
                    .map(|shown| (string, shown)),
            };
            if let Some((instead_of, shown)) = replaced {
                let unwritten = rest.len().saturating_add(instead_of.len());
                let (head, _) = kept.split_at(kept.len().saturating_sub(unwritten));
                out.push_str(head);
                out.push_str(&serde_json::Value::from(shown).to_string());
                kept = rest;
            }
        }
        (!out.is_empty()).then(|| out + kept)
    }

    /// Whether something in a body that is not JSON is named as a credential is: what looks like a key
    /// of JSON, a field of a form, a part of a multipart body, an element or an attribute of XML, a key
    /// of YAML.
    fn names_a_credential(&self, body: &str) -> bool {
        self.has_a_key(body)
            || self.has_a_field(body)
            || body.split('<').skip(1).any(|tag| {
                let name = tag.split(|c: char| c == '>' || c == '/' || c.is_whitespace());
                let name = name.map(|name| name.rsplit(':').next()).next().flatten();
                name.is_some_and(|name| self.names.contain(name))
            })
            || body.lines().any(|line| {
                let name = line.split_once(':').map(|(name, _)| name);
                let plain = |c: char| c == '-' || c == '"' || c == '\'' || c.is_whitespace();
                name.is_some_and(|name| self.names.contain(name.trim_matches(plain)))
            })
    }

    fn has_a_key(&self, body: &str) -> bool {
        let mut parts = body.split(['"', '\'']).peekable();
        while let Some(part) = parts.next() {
            let is_key = |next: &&str| next.trim_start().starts_with(':');
            // Within a string the quote is written with a backslash.
            if parts.peek().is_some_and(is_key) && self.names.contain(part.trim_end_matches('\\')) {
                return true;
            }
        }
        false
    }

    fn has_a_field(&self, body: &str) -> bool {
        let mut rest = body;
        while let Some((before, after)) = rest.split_once('=') {
            rest = after;
            let start = before
                .rfind(['&', '\n', ';'])
                .map_or(0, |at| at.saturating_add(1));
            let field = before.get(start..).unwrap_or_default().trim();
            let quoted = after.starts_with(['"', '\'']);
            if (quoted && self.is_led_by_a_name(before))
                || self.names.contain_parameter(&super::decoded(field))
            {
                return true;
            }
            let is_part = field.eq_ignore_ascii_case("name");
            if is_part && self.names.contain_parameter(part_name(after)) {
                return true;
            }
        }
        false
    }
}

/// The name of a part of a multipart body, from behind its `=`.
fn part_name(after: &str) -> &str {
    let near = after
        .get(..after.floor_char_boundary(NEAR))
        .unwrap_or_default();
    let name = near.trim_start_matches(['"', '\'']);
    let name = name.split(['"', '\'', ';', '\r', '\n']).next();
    name.unwrap_or_default().trim()
}

/// Length of the JSON string at the beginning, with both quotes.
fn string_length(from: &str) -> usize {
    let mut escaped = false;
    for (at, byte) in from.bytes().enumerate().skip(1) {
        match byte {
            _ if escaped => escaped = false,
            b'\\' => escaped = true,
            b'"' => return at.saturating_add(1),
            _ => {}
        }
    }
    from.len()
}

/// Length of the JSON value at the beginning.
fn value_length(from: &str) -> usize {
    if from.starts_with('"') {
        return string_length(from);
    }
    let mut open = 0_u32;
    let mut at = 0_usize;
    while let Some(rest) = from.get(at..).filter(|rest| !rest.is_empty()) {
        match rest.bytes().next() {
            Some(b'"') => {
                at = at.saturating_add(string_length(rest));
                continue;
            }
            Some(b'{' | b'[') => open = open.saturating_add(1),
            Some(b'}' | b']') if open > 1 => open = open.saturating_sub(1),
            Some(b'}' | b']') if open == 1 => return at.saturating_add(1),
            Some(b'}' | b']' | b',' | b' ' | b'\t' | b'\r' | b'\n') if open == 0 => return at,
            Some(_) | None => {}
        }
        at = at.saturating_add(1);
    }
    from.len()
}

/// Whether there is a value at the beginning that hides nothing.
fn is_nothing(value: &str) -> bool {
    value.starts_with("null") || value.starts_with("\"\"")
}

/// What a JSON string says; another value as it is written.
fn unquoted(value: &str) -> Cow<'_, str> {
    let inner = value
        .strip_prefix('"')
        .and_then(|rest| rest.strip_suffix('"'));
    match inner {
        None => Cow::Borrowed(value),
        Some(inner) if !inner.contains('\\') => Cow::Borrowed(inner),
        Some(_) => serde_json::from_str(value).map_or(Cow::Borrowed(value), Cow::Owned),
    }
}

/// How far behind `name=` a name is looked for, in bytes.
const NEAR: usize = 256;
