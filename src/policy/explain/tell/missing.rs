//! Why a reference has no value: the first step of its path that is not there.

use std::collections::BTreeMap;

use super::Teller;
use crate::input::Value;
use crate::policy::explain::scope::Reads;
use crate::policy::refs::{data_path, push_segment};

impl Teller<'_> {
    /// What is missing of `reads`, with the variables in `bound`.
    pub(super) fn missing(&self, reads: &[Reads], bound: &BTreeMap<String, Value>) -> Vec<String> {
        let missing = reads.iter().filter_map(|read| match read {
            Reads::Input(path) => {
                let at = first_missing(self.input, path)?;
                Some(self.of_input(at))
            }
            Reads::Local(name, path) => {
                let at = first_missing(bound.get(name)?, path)?;
                Some(is_undefined(name, at))
            }
            Reads::Data(path) => {
                let mut ends = 1..=path.len();
                let at = ends.find_map(|end| {
                    let prefix = path.get(..end)?;
                    self.value_at(prefix).is_none().then_some(prefix)
                })?;
                let text = data_path(at.iter().map(String::as_str));
                Some(format!("`{text}` is undefined"))
            }
        });
        missing.collect()
    }

    fn of_input(&self, path: &[String]) -> String {
        let mut note = is_undefined("input", path);
        if path.first().is_some_and(|first| first == "jwt")
            && let Ok(Value::String(code)) = self.input.as_object().map(|input| {
                input
                    .get(&"jwt_error".into())
                    .cloned()
                    .unwrap_or(Value::Undefined)
            })
        {
            note.push_str(&format!(": `jwt_error` is `{code}`"));
        }
        note
    }

    /// What of `reads` was hidden before the input came here.
    pub(super) fn hidden_in(&self, reads: &[Reads]) -> Vec<String> {
        let mut notes = Vec::new();
        for read in reads {
            let Reads::Input(path) = read else { continue };
            let hidden = self.hidden.iter().find(|hidden| {
                let (read, hidden) = (spelled(path), spelled(hidden));
                read.starts_with(&hidden) || hidden.starts_with(&read)
            });
            if let Some(hidden) = hidden {
                let text = reference("input", hidden);
                notes.push(format!("`{text}` is redacted in the record"));
            }
        }
        notes
    }
}

/// The path up to the first step that is not in `value`.
fn first_missing<'p>(value: &Value, path: &'p [String]) -> Option<&'p [String]> {
    let mut at = value;
    for (steps, key) in path.iter().enumerate() {
        let next = match at {
            Value::Object(fields) => fields.get(&key.as_str().into()),
            Value::Null
            | Value::Bool(_)
            | Value::Number(_)
            | Value::String(_)
            | Value::Array(_)
            | Value::Set(_)
            | Value::Undefined => None,
        };
        match next {
            Some(next) => at = next,
            None => return path.get(..=steps),
        }
    }
    (*at == Value::Undefined).then_some(path)
}

fn is_undefined(root: &str, path: &[String]) -> String {
    format!("`{}` is undefined", reference(root, path))
}

fn reference(root: &str, path: &[String]) -> String {
    let mut text = root.to_owned();
    for segment in path {
        push_segment(&mut text, segment);
    }
    text
}

/// A path in one of the two spellings that keys of the schema have.
fn spelled(path: &[String]) -> Vec<String> {
    let plain = |segment: &String| segment.replace('_', "").to_ascii_lowercase();
    path.iter().map(plain).collect()
}
