//! `parsed_path` and `parsed_query`, both from `http.path` alone.
//!
//! The path is cut at the first `?` and nothing else: no segment is normalised, dropped or read as
//! an authority, so that a rule on segments sees what the upstream sees. Percent-decoding comes
//! before splitting, as in the reference. Decoded bytes that are not UTF-8 become U+FFFD.

use std::{borrow::Cow, collections::BTreeMap};

use percent_encoding::percent_decode;
use regorus::Value;

use super::select::text;

/// The rule that a path or query breaks.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidPath {
    /// Neither origin form nor one of the forms that HTTP has beside it.
    #[error("the path does not start with `/`")]
    Form,
    /// `%` without two hexadecimal digits; the text is what follows it.
    #[error("invalid URL escape `{0}`")]
    Escape(String),
    /// `;` in a query: servers disagree whether it separates pairs.
    #[error("invalid semicolon separator in query")]
    Semicolon,
}

/// The request target, cut in two and checked.
#[derive(Debug)]
pub(super) struct Target<'a> {
    path: &'a str,
    query: &'a str,
    lenient_query: bool,
}

impl<'a> Target<'a> {
    /// The target of a check that has none: a TCP connection.
    pub(super) const NONE: Target<'static> = Target {
        path: "",
        query: "",
        lenient_query: false,
    };

    /// Cuts and checks `:path`.
    pub(super) fn parse(
        method: &str,
        target: &'a str,
        lenient_query: bool,
    ) -> Result<Self, InvalidPath> {
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        check_form(method, path)?;
        check_escapes(path)?;
        if !lenient_query {
            query.split('&').try_for_each(check_pair)?;
        }
        Ok(Self {
            path,
            query,
            lenient_query,
        })
    }

    /// The decoded path without its leading slashes; `/` separates its segments.
    pub(super) fn decoded_path(&self) -> String {
        let decoded: Cow<'_, [u8]> = percent_decode(self.path.as_bytes()).into();
        let decoded = String::from_utf8_lossy(&decoded);
        decoded.trim_start_matches('/').to_owned()
    }

    /// `parsed_path`.
    pub(super) fn parsed_path(&self) -> Value {
        let segments = self.decoded_path();
        Value::from(segments.split('/').map(text).collect::<Vec<_>>())
    }

    /// Whether there is anything in the query.
    pub(super) fn has_query(&self) -> bool {
        !self.query.is_empty()
    }

    /// `parsed_query`.
    pub(super) fn parsed_query(&self) -> Value {
        multimap(
            self.query
                .split('&')
                .filter(|pair| !self.lenient_query || check_pair(pair).is_ok()),
        )
    }
}

/// Reads `application/x-www-form-urlencoded` text, strictly.
pub(super) fn parse_form(form: &str) -> Result<Value, InvalidPath> {
    form.split('&').try_for_each(check_pair)?;
    Ok(multimap(form.split('&')))
}

/// Only these forms are paths that a proxy acts on. Without this rule, `svc/Method` has the
/// segments of `/svc/Method` while upstream it is something else (CVE-2026-33186).
fn check_form(method: &str, path: &str) -> Result<(), InvalidPath> {
    let absolute = |scheme: &str| {
        let start = path.get(..scheme.len());
        start.is_some_and(|start| start.eq_ignore_ascii_case(scheme))
    };
    let known = path.starts_with('/')
        || path == "*"
        || method == "CONNECT"
        || absolute("http://")
        || absolute("https://");
    known.then_some(()).ok_or(InvalidPath::Form)
}

fn check_pair(pair: &str) -> Result<(), InvalidPath> {
    if pair.contains(';') {
        return Err(InvalidPath::Semicolon);
    }
    match pair.split_once('=') {
        // A bad escape at the end of the key is named without what belongs to the value.
        Some((key, value)) => check_escapes(key).and_then(|()| check_escapes(value)),
        None => check_escapes(pair),
    }
}

fn check_escapes(text: &str) -> Result<(), InvalidPath> {
    for at in memchr::memchr_iter(b'%', text.as_bytes()) {
        let rest = text.get(at..).unwrap_or_default();
        let valid = match rest.as_bytes() {
            [_, high, low, ..] => high.is_ascii_hexdigit() && low.is_ascii_hexdigit(),
            _ => false,
        };
        if !valid {
            let escape: String = rest.chars().take(3).collect();
            return Err(InvalidPath::Escape(escape.escape_debug().to_string()));
        }
    }
    Ok(())
}

fn multimap<'a>(pairs: impl Iterator<Item = &'a str>) -> Value {
    let mut map: BTreeMap<Value, Vec<Value>> = BTreeMap::new();
    for pair in pairs.filter(|pair| !pair.is_empty()) {
        let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
        let values = map.entry(text(&unescape(key))).or_default();
        values.push(text(&unescape(value)));
    }
    let lists = map.into_iter().map(|(key, list)| (key, Value::from(list)));
    Value::from(lists.collect::<BTreeMap<_, _>>())
}

fn unescape(text: &str) -> String {
    let spaced = text.replace('+', " ");
    let decoded: Cow<'_, [u8]> = percent_decode(spaced.as_bytes()).into();
    String::from_utf8_lossy(&decoded).into_owned()
}

#[cfg(test)]
mod tests;
