//! YAML as the JSON that OPA makes of it before it hashes.

use super::{NotCanonical, quoted};

/// The canonical form of YAML.
pub(super) fn canonical(bytes: &[u8]) -> Result<String, NotCanonical> {
    if bytes.len() > MAX_BYTES {
        return Err(NotCanonical::LongYaml);
    }
    let value = yaml_serde::from_slice(bytes).map_err(NotCanonical::Yaml)?;
    let mut text = String::new();
    write(&value, &mut text);
    Ok(text)
}

/// YAML has no number texts to keep: `serde_json` orders the names and drops all but the last.
fn write(value: &serde_json::Value, text: &mut String) {
    match value {
        serde_json::Value::Null => text.push_str("null"),
        serde_json::Value::Bool(value) => text.push_str(if *value { "true" } else { "false" }),
        serde_json::Value::Number(number) => text.push_str(&number_text(number)),
        serde_json::Value::String(string) => text.push_str(&quoted(string)),
        serde_json::Value::Array(elements) => {
            let mut separator = '[';
            for element in elements {
                text.push(separator);
                write(element, text);
                separator = ',';
            }
            text.push_str(if elements.is_empty() { "[]" } else { "]" });
        }
        serde_json::Value::Object(members) => {
            let mut members: Vec<_> = members.iter().collect();
            members.sort_by_key(|(name, _)| *name);
            let mut separator = '{';
            for (name, value) in &members {
                text.push(separator);
                text.push_str(&quoted(name));
                text.push(':');
                write(value, text);
                separator = ',';
            }
            text.push_str(if members.is_empty() { "{}" } else { "}" });
        }
    }
}

/// A number as Go's JSON encoder writes it: very large and very small ones with an exponent.
fn number_text(number: &serde_json::Number) -> String {
    let Some(float) = number.as_f64().filter(|_| number.is_f64()) else {
        return number.to_string();
    };
    let size = float.abs();
    if size == 0.0 || (1e-6..1e21).contains(&size) {
        return float.to_string();
    }
    format!("{float:e}").replace('e', if size < 1.0 { "e" } else { "e+" })
}

/// As for data files.
pub(super) const MAX_BYTES: usize = 8 << 20;
