//! Caps on JSON schemas: one is compiled at each call, with everything that it refers to in place of
//! the reference.

use regorus::Value;

use super::patterns;
use super::{Instead, excess, pairs, plain, size, text_within};

/// Bytes of a schema that is given as text.
const MAX_SCHEMA_TEXT: usize = 64 * 1024;
/// Parts of a schema, those that it refers to included as often as it does.
const MAX_PARTS: usize = 2_000;
/// How deep a reference may lead; one that leads to itself never ends.
const MAX_REFERENCES: usize = 32;
/// Open places of all patterns together.
const MAX_PATTERNS: usize = 4_000;

/// `json.verify_schema(schema)`.
pub(in crate::policy::builtins) fn verify(arguments: &[Value]) -> Result<(), Instead> {
    plain(arguments)?;
    match arguments {
        [schema] => expanded(schema).map(drop),
        _ => Ok(()),
    }
}

/// `json.match_schema(document, schema)`.
pub(in crate::policy::builtins) fn matches(arguments: &[Value]) -> Result<(), Instead> {
    plain(arguments)?;
    let [document, schema] = arguments else {
        return Ok(());
    };
    let size = size(std::slice::from_ref(document))?;
    let parts = expanded(schema)?;
    // A part takes about as long as five comparisons.
    pairs(parts.saturating_mul(5), size.elements.saturating_add(1))
}

/// How many parts a schema has when each reference is what it refers to.
fn expanded(schema: &Value) -> Result<usize, Instead> {
    let parsed;
    let root = match schema {
        Value::String(text) => {
            text_within(text.len(), MAX_SCHEMA_TEXT)?;
            let Ok(value) = Value::from_json_str(text) else {
                return Ok(0);
            };
            parsed = value;
            plain(std::slice::from_ref(&parsed))?;
            &parsed
        }
        other => other,
    };
    let mut count = Count {
        root,
        parts: 0,
        patterns: 0,
    };
    count.value(root, 0)?;
    Ok(count.parts)
}

struct Count<'s> {
    root: &'s Value,
    parts: usize,
    patterns: usize,
}

impl Count<'_> {
    fn value(&mut self, value: &Value, references: usize) -> Result<(), Instead> {
        self.parts = self.parts.saturating_add(1);
        if self.parts > MAX_PARTS {
            return excess("a schema of", self.parts, MAX_PARTS, "parts and references");
        }
        match value {
            Value::Array(items) => items
                .iter()
                .try_for_each(|item| self.value(item, references)),
            Value::Object(fields) => fields
                .iter()
                .try_for_each(|(key, value)| self.field(key, value, references)),
            Value::Null
            | Value::Bool(_)
            | Value::Number(_)
            | Value::String(_)
            | Value::Set(_)
            | Value::Undefined => Ok(()),
        }
    }

    fn field(&mut self, key: &Value, value: &Value, references: usize) -> Result<(), Instead> {
        let (Value::String(key), Value::String(text)) = (key, value) else {
            if let Value::String(key) = key {
                // A property's name may be a pattern.
                self.pattern(key)?;
            }
            return self.value(value, references);
        };
        match key.as_ref() {
            "$ref" => {
                let Some(target) = self.target(text) else {
                    return Err(Instead::Excess(format!(
                        "a schema with the reference `{text}`, which is not `#/...` below itself"
                    )));
                };
                let references = references.saturating_add(1);
                if references > MAX_REFERENCES {
                    return excess("references", references, MAX_REFERENCES, "deep");
                }
                self.value(&target, references)
            }
            "$dynamicRef" | "$recursiveRef" => Err(Instead::Excess(format!(
                "a schema with `{key}`, whose size nobody knows"
            ))),
            _ => self.pattern(text),
        }
    }

    /// Any text counts as a pattern: which of them are depends on what stands around.
    fn pattern(&mut self, text: &str) -> Result<(), Instead> {
        patterns::compiles(text)?;
        self.patterns = self.patterns.saturating_add(patterns::open_places(text));
        if self.patterns > MAX_PATTERNS {
            return excess("patterns of", self.patterns, MAX_PATTERNS, "open places");
        }
        Ok(())
    }

    fn target(&self, reference: &str) -> Option<Value> {
        let pointer = reference.strip_prefix('#')?;
        let mut target = self.root;
        for step in pointer.split('/').skip(1) {
            let step = step.replace("~1", "/").replace("~0", "~");
            target = match target {
                Value::Object(fields) => fields.get(&Value::from(step))?,
                Value::Array(items) => items.get(step.parse::<usize>().ok()?)?,
                Value::Null
                | Value::Bool(_)
                | Value::Number(_)
                | Value::String(_)
                | Value::Set(_)
                | Value::Undefined => return None,
            };
        }
        (pointer.is_empty() || pointer.starts_with('/')).then(|| target.clone())
    }
}
