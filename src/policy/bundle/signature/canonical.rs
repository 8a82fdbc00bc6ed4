//! The canonical form of structured files: the JSON that OPA hashes in their place.
//!
//! No white space; names in byte order, of equal names the last; strings as Go writes them without
//! its escapes for HTML; numbers with the text that they have. YAML becomes JSON first, as it is read
//! for `data`: where the two readers of YAML differ, the hashes differ too and the file is refused.
//!
//! Promises memory of the text and an index of the largest object's members, bounded depth and
//! bounded time. Each level is scanned for its members before they are gone through, so that the
//! text is read as often as it is deep; on average, weighed by length, that is bounded.

mod yaml;

use std::borrow::Cow;

use serde::de::{Deserialize, Deserializer, Error as _, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;

/// How a structured file is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    Json,
    /// JSON as well: what is valid JSON is read as such.
    Yaml,
}

/// Why a structured file has no canonical form.
#[derive(Debug, thiserror::Error)]
pub(super) enum NotCanonical {
    #[error("cannot be hashed: not valid JSON: {0}")]
    Json(serde_json::Error),
    #[error("cannot be hashed: not valid YAML: {0}")]
    Yaml(yaml_serde::Error),
    #[error("cannot be hashed: a YAML file is at most {max} bytes", max = yaml::MAX_BYTES)]
    LongYaml,
}

impl Form {
    /// How the file at `path` is written; `None`: it is not structured, its bytes are hashed.
    pub(super) fn of(path: &str) -> Option<Self> {
        match path.rsplit('/').next() {
            Some("data.json" | ".manifest") => Some(Self::Json),
            Some("data.yaml" | "data.yml") => Some(Self::Yaml),
            _ => None,
        }
    }
}

/// Hands the canonical form of `bytes` to `out`, part by part.
pub(super) fn write(
    form: Form,
    bytes: &[u8],
    out: &mut dyn FnMut(&[u8]),
) -> Result<(), NotCanonical> {
    let is_json = || serde_json::from_slice::<serde::de::IgnoredAny>(bytes).is_ok();
    if form == Form::Yaml && !is_json() {
        out(yaml::canonical(bytes)?.as_bytes());
        return Ok(());
    }
    let text: &RawValue = serde_json::from_slice(bytes).map_err(NotCanonical::Json)?;
    let mut writer = Writer {
        out,
        scans_left: bytes.len().saturating_mul(MEAN_DEPTH).max(MIN_SCANS),
    };
    writer.value(text, MAX_DEPTH).map_err(NotCanonical::Json)
}

struct Writer<'o> {
    out: &'o mut dyn FnMut(&[u8]),
    /// How many bytes may still be scanned.
    scans_left: usize,
}

impl Writer<'_> {
    fn value(&mut self, raw: &RawValue, depth: usize) -> serde_json::Result<()> {
        let text = raw.get();
        let is_container = text.starts_with(['{', '[']);
        if !is_container {
            return self.scalar(text);
        }
        let deeper = depth.checked_sub(1);
        let left = self.scans_left.checked_sub(text.len());
        let (Some(depth), Some(left)) = (deeper, left) else {
            return Err(serde_json::Error::custom("nested too deep"));
        };
        self.scans_left = left;
        let mut reader = serde_json::Deserializer::from_str(text);
        if text.starts_with('{') {
            let members = reader.deserialize_map(Members)?;
            self.object(members, depth)
        } else {
            reader.deserialize_seq(Elements {
                writer: self,
                depth,
            })
        }
    }

    fn object(&mut self, mut members: Vec<Member<'_>>, depth: usize) -> serde_json::Result<()> {
        // Stable: of equal names the last stays the last.
        members.sort_by(|left, right| left.0.cmp(&right.0));
        (self.out)(b"{");
        let mut first = true;
        let mut rest = members.iter().peekable();
        while let Some((name, value)) = rest.next() {
            if rest.peek().is_some_and(|(next, _)| next == name) {
                continue;
            }
            if !first {
                (self.out)(b",");
            }
            first = false;
            (self.out)(quoted(name).as_bytes());
            (self.out)(b":");
            self.value(value, depth)?;
        }
        (self.out)(b"}");
        Ok(())
    }

    fn scalar(&mut self, text: &str) -> serde_json::Result<()> {
        if text.starts_with('"') && text.contains(['\\', '\u{2028}', '\u{2029}']) {
            let string: String = serde_json::from_str(text)?;
            (self.out)(quoted(&string).as_bytes());
        } else {
            (self.out)(text.as_bytes());
        }
        Ok(())
    }
}

type Member<'t> = (Cow<'t, str>, &'t RawValue);

/// Reads an object's members, in the order of the text.
struct Members;

impl<'t> Visitor<'t> for Members {
    type Value = Vec<Member<'t>>;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'t>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut members = Vec::new();
        while let Some(Name(name)) = map.next_key()? {
            members.push((name, map.next_value()?));
        }
        Ok(members)
    }
}

/// Writes an array's elements as they come.
struct Elements<'w, 'o> {
    writer: &'w mut Writer<'o>,
    depth: usize,
}

impl<'t> Visitor<'t> for Elements<'_, '_> {
    type Value = ();

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("an array")
    }

    fn visit_seq<A: SeqAccess<'t>>(self, mut elements: A) -> Result<(), A::Error> {
        let writer = self.writer;
        (writer.out)(b"[");
        let mut first = true;
        while let Some(element) = elements.next_element::<&RawValue>()? {
            if !first {
                (writer.out)(b",");
            }
            first = false;
            writer
                .value(element, self.depth)
                .map_err(A::Error::custom)?;
        }
        (writer.out)(b"]");
        Ok(())
    }
}

/// A name, borrowed where the text has it without escapes.
struct Name<'t>(Cow<'t, str>);

impl<'t> Deserialize<'t> for Name<'t> {
    fn deserialize<D: Deserializer<'t>>(deserializer: D) -> Result<Self, D::Error> {
        struct NameVisitor;
        impl<'t> Visitor<'t> for NameVisitor {
            type Value = Name<'t>;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("a name")
            }

            fn visit_borrowed_str<E>(self, name: &'t str) -> Result<Name<'t>, E> {
                Ok(Name(Cow::Borrowed(name)))
            }

            fn visit_str<E>(self, name: &str) -> Result<Name<'t>, E> {
                Ok(Name(Cow::Owned(name.to_owned())))
            }
        }
        deserializer.deserialize_str(NameVisitor)
    }
}

/// A string as Go writes it when it does not escape HTML.
fn quoted(text: &str) -> String {
    // Strings are always written.
    let json = serde_json::to_string(text).unwrap_or_default();
    if json.contains(['\u{2028}', '\u{2029}']) {
        return json
            .replace('\u{2028}', "\\u2028")
            .replace('\u{2029}', "\\u2029");
    }
    json
}

/// How deep a structured file nests.
const MAX_DEPTH: usize = 128;

/// How deep its bytes may lie, on average.
const MEAN_DEPTH: usize = 16;

/// What may be scanned of a small file, whatever its depth.
const MIN_SCANS: usize = 16 << 20;

#[cfg(test)]
mod tests;
