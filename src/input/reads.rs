//! What of the input document a policy can read: the fact that drives what is built per request.
//!
//! The policy's static analysis fills it, the input plan and `inspect` read it. It errs to the side
//! of more: a reference that cannot be resolved means everything under the part that can.

use std::collections::BTreeMap;
use std::fmt;

/// A set of paths below `input`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Reads {
    /// Nothing under this path is read.
    #[default]
    Nothing,
    /// Only what lies under these keys.
    Keys(BTreeMap<Box<str>, Self>),
    /// The value at this path with all that is under it.
    Everything,
}

impl Reads {
    /// Adds the value at `path` and everything under it; an empty path means the whole document.
    pub fn add<'p>(&mut self, path: impl IntoIterator<Item = &'p str>) {
        let mut node = self;
        for key in path {
            if matches!(node, Self::Nothing) {
                *node = Self::Keys(BTreeMap::new());
            }
            match node {
                Self::Everything | Self::Nothing => return,
                Self::Keys(keys) => node = keys.entry(key.into()).or_default(),
            }
        }
        *node = Self::Everything;
    }

    /// What is read under `key`.
    pub fn child(&self, key: &str) -> &Self {
        match self {
            Self::Nothing => &Self::Nothing,
            Self::Everything => &Self::Everything,
            Self::Keys(keys) => keys.get(key).unwrap_or(&Self::Nothing),
        }
    }

    /// Whether anything at or under this path is read.
    pub fn any(&self) -> bool {
        !matches!(self, Self::Nothing)
    }

    /// Every path in the set, in order; the empty path stands for the whole document.
    pub fn paths(&self) -> Vec<Vec<&str>> {
        match self {
            Self::Nothing => Vec::new(),
            Self::Everything => vec![Vec::new()],
            Self::Keys(keys) => {
                keys.iter()
                    .flat_map(|(key, reads)| {
                        reads.paths().into_iter().map(move |rest| {
                            std::iter::once(&**key).chain(rest).collect::<Vec<_>>()
                        })
                    })
                    .collect()
            }
        }
    }
}

/// One reference a line, such as `input.attributes.source.principal`.
impl fmt::Display for Reads {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (line, path) in self.paths().into_iter().enumerate() {
            if line > 0 {
                f.write_str("\n")?;
            }
            f.write_str("input")?;
            for key in path {
                let plain = !key.is_empty()
                    && !key.starts_with(|c: char| c.is_ascii_digit())
                    && key.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
                if plain {
                    write!(f, ".{key}")?;
                } else {
                    // Rego's strings are those of JSON.
                    write!(f, "[{}]", serde_json::Value::from(key))?;
                }
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_longer_path_under_everything_adds_nothing() {
        let mut reads = Reads::default();
        reads.add(["attributes"]);
        reads.add(["attributes", "source", "principal"]);
        assert_eq!(reads.to_string(), "input.attributes");
    }

    #[test]
    fn a_shorter_path_swallows_the_longer_one() {
        let mut reads = Reads::default();
        reads.add(["attributes", "source", "principal"]);
        reads.add(["attributes"]);
        assert_eq!(reads.to_string(), "input.attributes");
    }

    #[test]
    fn siblings_stay_apart_and_print_as_rego() {
        let mut reads = Reads::default();
        reads.add(["attributes", "request", "http", "headers", "x-api-version"]);
        reads.add(["parsed_path"]);
        assert_eq!(
            reads.to_string(),
            "input.attributes.request.http.headers[\"x-api-version\"]\ninput.parsed_path"
        );
        assert!(reads.child("parsed_path").any());
        assert!(!reads.child("parsed_body").any());
    }

    #[test]
    fn a_key_of_any_characters_prints_as_one_rego_string() {
        let mut reads = Reads::default();
        reads.add(["a\"]\n\u{1b}é"]);
        assert_eq!(reads.to_string(), r#"input["a\"]\n\u001bé"]"#);
    }

    #[test]
    fn the_empty_path_is_the_whole_document() {
        let mut reads = Reads::default();
        reads.add([]);
        assert_eq!(reads, Reads::Everything);
        assert_eq!(reads.to_string(), "input");
    }
}
