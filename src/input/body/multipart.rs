//! `multipart/form-data` (RFC 7578): `{name: [value, ...]}`.
//!
//! A part whose own type is JSON becomes its value, every other part a string; parts without a
//! name are left out. Only the canonical framing is accepted (CRLF line ends, one header a line,
//! no transfer encoding): what one server skips another may read, and the policy must see what the
//! upstream sees.

use std::collections::BTreeMap;

use memchr::memmem;
use regorus::Value;

use super::{
    super::select::text,
    json::{self, InvalidJson},
    parameters::{InvalidParameters, parameter},
};

/// The rule that a multipart body breaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidMultipart {
    /// The content type itself.
    #[error("the content-type is not valid")]
    ContentType(#[source] InvalidParameters),
    /// No boundary, or nothing after one: the body ends too early.
    #[error("the body ends before its last boundary")]
    End,
    /// Something else than a line end follows a boundary.
    #[error("a boundary line is not valid")]
    BoundaryLine,
    /// A part's header line is no header, or stands twice.
    #[error("a part has a header that is not valid")]
    Header,
    /// The part's `content-disposition`.
    #[error("the content-disposition of a part is not valid")]
    Disposition(#[source] InvalidParameters),
    /// A part with a transfer encoding, which forms do not have (RFC 7578, section 4.7).
    #[error("a part has a transfer encoding")]
    TransferEncoding,
    /// A part that says it is JSON.
    #[error("a part is not JSON")]
    Json(#[source] InvalidJson),
}

/// Reads the parts; `None` when the content type names no boundary.
pub(super) fn parse(content_type: &str, body: &[u8]) -> Result<Option<Value>, InvalidMultipart> {
    let (_, boundary) =
        parameter(content_type, "boundary").map_err(InvalidMultipart::ContentType)?;
    let Some(boundary) = boundary else {
        return Ok(None);
    };
    if boundary.is_empty() {
        return Err(InvalidMultipart::ContentType(InvalidParameters::Syntax));
    }
    let delimiter = format!("\r\n--{boundary}");
    let mut parts = Parts::start(&delimiter, body)?;
    let mut form: BTreeMap<Value, Vec<Value>> = BTreeMap::new();
    while let Some(part) = parts.next()? {
        if let Some((name, value)) = read_part(&part)? {
            form.entry(text(&name)).or_default().push(value);
        }
    }
    let lists = form
        .into_iter()
        .map(|(name, list)| (name, Value::from(list)));
    Ok(Some(Value::from(lists.collect::<BTreeMap<_, _>>())))
}

struct Part<'b> {
    headers: &'b [u8],
    content: &'b [u8],
}

/// What is left of the body, from just behind a boundary on.
struct Parts<'b, 'd> {
    rest: &'b [u8],
    delimiter: memmem::Finder<'d>,
}

impl<'b, 'd> Parts<'b, 'd> {
    fn start(delimiter: &'d str, body: &'b [u8]) -> Result<Self, InvalidMultipart> {
        let mut parts = Self {
            rest: body,
            delimiter: memmem::Finder::new(delimiter),
        };
        // The first boundary may stand at the very beginning, without its line end before it.
        let bare = delimiter.strip_prefix("\r\n").unwrap_or(delimiter);
        match body.strip_prefix(bare.as_bytes()) {
            Some(rest) if ends_boundary(rest) => parts.rest = rest,
            Some(_) | None => {
                parts.until_boundary()?;
            }
        }
        Ok(parts)
    }

    fn next(&mut self) -> Result<Option<Part<'b>>, InvalidMultipart> {
        if self.rest.starts_with(b"--") {
            return Ok(None);
        }
        let after_line = skip_blanks(self.rest)
            .strip_prefix(b"\r\n")
            .ok_or(InvalidMultipart::BoundaryLine)?;
        // The headers end at an empty line; without any headers it comes at once. Its line end may
        // at the same time begin the next boundary, so it stays in the rest.
        let (headers, rest) = if after_line.starts_with(b"\r\n") {
            (&[][..], after_line)
        } else {
            let at = memmem::find(after_line, b"\r\n\r\n").ok_or(InvalidMultipart::End)?;
            let (headers, rest) = after_line.split_at(at);
            (headers, rest.get(2..).unwrap_or_default())
        };
        self.rest = rest;
        let content = self.until_boundary()?;
        let content = content.strip_prefix(b"\r\n").unwrap_or_default();
        Ok(Some(Part { headers, content }))
    }

    /// What stands before the next boundary; the rest continues behind it.
    fn until_boundary(&mut self) -> Result<&'b [u8], InvalidMultipart> {
        let whole = self.rest;
        for at in self.delimiter.find_iter(whole) {
            let behind = at.saturating_add(self.delimiter.needle().len());
            let rest = whole.get(behind..).unwrap_or_default();
            if ends_boundary(rest) {
                self.rest = rest;
                return Ok(whole.get(..at).unwrap_or_default());
            }
        }
        Err(InvalidMultipart::End)
    }
}

/// Whether a boundary ends here rather than being the beginning of a longer word.
fn ends_boundary(rest: &[u8]) -> bool {
    matches!(rest.first(), Some(b'\r' | b' ' | b'\t' | b'-'))
}

fn skip_blanks(line: &[u8]) -> &[u8] {
    let blanks = line.iter().take_while(|b| matches!(b, b' ' | b'\t'));
    line.get(blanks.count()..).unwrap_or_default()
}

/// The name and value of a part, `None` when it is no field of a form.
fn read_part(part: &Part<'_>) -> Result<Option<(String, Value)>, InvalidMultipart> {
    let headers = read_headers(part.headers)?;
    if let Some(encoding) = headers.get("content-transfer-encoding") {
        let plain = ["7bit", "8bit", "binary"];
        if !plain.iter().any(|word| encoding.eq_ignore_ascii_case(word)) {
            return Err(InvalidMultipart::TransferEncoding);
        }
    }
    let Some(disposition) = headers.get("content-disposition") else {
        return Ok(None);
    };
    let (word, name) = parameter(disposition, "name").map_err(InvalidMultipart::Disposition)?;
    let Some(name) = name.filter(|name| word == "form-data" && !name.is_empty()) else {
        return Ok(None);
    };
    let content_type = headers.get("content-type").map_or("", String::as_str);
    let value = if content_type.contains("application/json") {
        json::parse(part.content).map_err(InvalidMultipart::Json)?
    } else {
        text(&String::from_utf8_lossy(part.content))
    };
    Ok(Some((name, value)))
}

/// The header lines of a part, names in lower case. Folded lines are refused.
fn read_headers(lines: &[u8]) -> Result<BTreeMap<String, String>, InvalidMultipart> {
    let mut headers = BTreeMap::new();
    let lines = String::from_utf8_lossy(lines);
    for line in lines.split("\r\n").filter(|line| !line.is_empty()) {
        let (name, value) = line.split_once(':').ok_or(InvalidMultipart::Header)?;
        let valid = !name.is_empty()
            && name
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
            && !value.contains(['\r', '\n']);
        let replaced = headers.insert(name.to_ascii_lowercase(), value.trim().to_owned());
        if !valid || replaced.is_some() {
            return Err(InvalidMultipart::Header);
        }
    }
    Ok(headers)
}

#[cfg(test)]
mod tests;
