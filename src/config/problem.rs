//! What is wrong with a configuration: every problem of one run, each with its key path.
//!
//! Texts never hold a value that can be a secret: a wrong type is named by its kind, and only
//! values of keys that are no secrets are quoted.

use std::{
    cell::{Cell, RefCell},
    fmt,
};

use serde_json::Value;

/// One problem in a configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// The key it is about, such as `portcullis.tls.cert_file`; empty for the file as a whole.
    pub key: String,
    /// The rule that is broken.
    pub message: String,
    /// What to do about it, when that is known.
    pub hint: Option<String>,
}

/// Every problem of one configuration; printed as operators read it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub struct Problems {
    /// Where the configuration came from: the file's name, or the command line.
    pub origin: String,
    /// At least one problem, in the order of the sections; at most [`MAX_PROBLEMS`].
    pub problems: Vec<Problem>,
    /// How many more there are.
    pub more: usize,
}

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let count = self.problems.len().saturating_add(self.more);
        let noun = if count == 1 { "problem" } else { "problems" };
        write!(f, "{count} {noun} in `{}`", self.origin)?;
        for Problem { key, message, hint } in &self.problems {
            f.write_str("\n  ")?;
            if !key.is_empty() {
                write!(f, "{key}: ")?;
            }
            f.write_str(message)?;
            if let Some(hint) = hint {
                write!(f, "\n    hint: {hint}")?;
            }
        }
        if self.more > 0 {
            write!(f, "\n  and {} more", self.more)?;
        }
        Ok(())
    }
}

/// Why a value is not what its key takes; the reader adds the key path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Complaint {
    pub(super) message: String,
    pub(super) hint: Option<String>,
}

impl Complaint {
    pub(super) fn new(message: impl Into<String>) -> Self {
        Self {
            message: message.into(),
            hint: None,
        }
    }

    pub(super) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// `value` has another type than the key takes.
    pub(super) fn wrong_type(expected: &str, value: &Value) -> Self {
        let complaint = Self::new(format!("must be {expected}, found {}", kind(value)));
        match (expected, value.as_str()) {
            ("a boolean", Some("yes" | "on" | "y" | "no" | "off" | "n")) => {
                complaint.hint("write `true` or `false`; YAML 1.2 reads other words as text")
            }
            (_, Some(_) | None) => complaint,
        }
    }
}

/// Where the readers of all sections leave what they find.
#[derive(Debug, Default)]
pub(super) struct Report {
    problems: RefCell<Vec<Problem>>,
    more: Cell<usize>,
    warnings: RefCell<Vec<String>>,
}

impl Report {
    fn is_full(&self) -> bool {
        self.problems.borrow().len() >= MAX_PROBLEMS
    }

    pub(super) fn add(&self, key: impl Into<String>, complaint: Complaint) {
        if self.is_full() {
            self.more.set(self.more.get().saturating_add(1));
            return;
        }
        let Complaint { message, hint } = complaint;
        self.problems.borrow_mut().push(Problem {
            key: key.into(),
            message,
            hint,
        });
    }

    /// The key is not known; the nearest of `known` is the hint.
    pub(super) fn unknown_key<'k>(
        &self,
        path: String,
        key: &str,
        known: impl IntoIterator<Item = &'k str>,
    ) {
        self.unknown(path, "unknown key", key, known);
    }

    /// No bundle is called `name`; the nearest of `known` is the hint.
    pub(super) fn unknown_bundle<'k>(
        &self,
        path: String,
        name: &str,
        known: impl IntoIterator<Item = &'k str>,
    ) {
        self.unknown(path, "no bundle has this name", name, known);
    }

    fn unknown<'k>(
        &self,
        path: String,
        message: &str,
        key: &str,
        known: impl IntoIterator<Item = &'k str>,
    ) {
        let complaint = Complaint::new(message);
        // The comparison is slow: not for problems that are only counted.
        let complaint = match nearest(key, known.into_iter().take_while(|_| !self.is_full())) {
            Some(name) => complaint.hint(format!("did you mean `{name}`?")),
            None => complaint,
        };
        self.add(path, complaint);
    }

    /// Leaves what is no problem but what an operator should know.
    pub(super) fn warn(&self, text: impl Into<String>) {
        self.warnings.borrow_mut().push(text.into());
    }

    /// Takes the warnings out.
    pub(super) fn take_warnings(&self) -> Vec<String> {
        self.warnings.take()
    }

    /// Takes over what was found in `file`, a file that the configuration names.
    pub(super) fn adopt(&self, file: &str, found: Self) {
        for Problem { key, message, hint } in found.problems.into_inner() {
            let key = if key.is_empty() {
                file.to_owned()
            } else {
                format!("{file}: {key}")
            };
            self.add(key, Complaint { message, hint });
        }
        self.more
            .set(self.more.get().saturating_add(found.more.get()));
        for warning in found.warnings.into_inner() {
            self.warn(format!("`{file}`: {warning}"));
        }
    }

    /// Everything found, or nothing.
    pub(super) fn into_result(self, origin: &str) -> Result<(), Problems> {
        let problems = self.problems.into_inner();
        if problems.is_empty() {
            return Ok(());
        }
        Err(Problems {
            origin: origin.to_owned(),
            problems,
            more: self.more.get(),
        })
    }
}

/// The word of `known` that `word` was probably meant to be.
pub(super) fn nearest<'k>(word: &str, known: impl IntoIterator<Item = &'k str>) -> Option<&'k str> {
    let plain = |text: &str| text.to_ascii_lowercase().replace('_', "-");
    let word = plain(cut(word));
    known
        .into_iter()
        .map(|name| {
            let closeness = strsim::normalized_damerau_levenshtein(&word, &plain(name));
            (closeness, name)
        })
        .filter(|(closeness, _)| *closeness >= CLOSE_ENOUGH)
        .max_by(|(a, _), (b, _)| a.total_cmp(b))
        .map(|(_, name)| name)
}

/// `path.key`, or `path["key"]` when the key would not read back as one. For people: an overlong
/// key is cut.
pub(super) fn join(path: &str, key: &str) -> String {
    let key = cut(key);
    let plain = !key.is_empty()
        && key
            .chars()
            .all(|c| c.is_alphanumeric() || matches!(c, '_' | '-' | '/'));
    match (path.is_empty(), plain) {
        (true, true) => key.to_owned(),
        (false, true) => format!("{path}.{key}"),
        (_, false) => format!("{path}[\"{}\"]", key.escape_default()),
    }
}

/// The first [`LONGEST_WORD`] characters.
fn cut(word: &str) -> &str {
    let end = word.char_indices().nth(LONGEST_WORD).map(|(at, _)| at);
    end.and_then(|end| word.get(..end)).unwrap_or(word)
}

/// The kind of a value, for messages.
pub(super) fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "nothing",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "text",
        Value::Array(_) => "a list",
        Value::Object(_) => "a mapping",
    }
}

/// Most problems that are named; the rest is counted.
pub const MAX_PROBLEMS: usize = 100;
/// Share of letters that must agree before a key is suggested.
const CLOSE_ENOUGH: f64 = 0.6;
/// Longest part of a key in characters that is compared or shown; the comparison is quadratic.
const LONGEST_WORD: usize = 64;
