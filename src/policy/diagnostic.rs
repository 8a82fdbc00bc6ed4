//! What is wrong with a policy set, told so that its author can fix it: the place, the rule that
//! was broken, the source line and a hint.
//!
//! Everything that looks at a policy reports through [`Diagnostic`]; texts of regorus are taken
//! apart here and nowhere else.

use std::fmt;

use regorus::unstable::Span;

use super::load::ModuleSource;

/// One problem in a policy set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diagnostic {
    /// The file it is in; empty when it concerns the whole set.
    pub file: String,
    /// Line and column, from 1.
    pub position: Option<(u32, u32)>,
    /// The problem: the thing and the rule.
    pub message: String,
    /// The source line, when there is one.
    pub excerpt: Option<String>,
    /// What to do about it, when that is known.
    pub hint: Option<String>,
}

impl Diagnostic {
    /// A problem of the whole set.
    pub(super) fn of_set(message: impl Into<String>) -> Self {
        Self::of_file("", message)
    }

    /// A problem of one file without a place in it.
    pub(super) fn of_file(file: &str, message: impl Into<String>) -> Self {
        Self {
            file: file.to_owned(),
            position: None,
            message: message.into(),
            excerpt: None,
            hint: None,
        }
    }

    /// A problem at `span`.
    pub(super) fn at(span: &Span, message: impl Into<String>) -> Self {
        Self {
            file: span.source.get_path().clone(),
            position: Some((span.line, span.col)),
            message: message.into(),
            excerpt: line_of(span.source.get_contents(), span.line),
            hint: None,
        }
    }

    /// A problem at a line and column of `text`.
    pub(super) fn in_text(
        file: &str,
        text: &str,
        position: (u32, u32),
        message: impl Into<String>,
    ) -> Self {
        Self {
            position: Some(position),
            excerpt: line_of(text, position.0),
            ..Self::of_file(file, message)
        }
    }

    /// The same problem with what to do about it.
    #[must_use]
    pub(super) fn hinting(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// Shows the line as the author wrote it, where the place was found in a rewritten text.
    pub(super) fn show_in(&mut self, sources: &[ModuleSource]) {
        let source = sources.iter().find(|source| source.name == self.file);
        if let (Some(source), Some((line, _))) = (source, self.position) {
            self.excerpt = line_of(&source.text, line);
        }
    }

    /// Takes an error text of regorus apart; `text` is the source of `file`.
    ///
    /// regorus writes `\n--> file:line:col`, an excerpt and `error: message`, and puts further
    /// blocks of that form behind a message that names a second place.
    pub(super) fn from_regorus(file: &str, text: &str, error: &str) -> Self {
        let located = error.split_once("--> ").and_then(|(_, rest)| {
            let (place, rest) = rest.split_once('\n')?;
            let mut parts = place.trim().rsplitn(3, ':');
            let column = parts.next()?.parse().ok()?;
            let line = parts.next()?.parse().ok()?;
            let (_, message) = rest.split_once("\nerror: ")?;
            let message = message.split("\n--> ").next()?;
            Some(((line, column), tidy(message)))
        });
        match located {
            Some((position, message)) => Self::in_text(file, text, position, message),
            None => Self::of_file(file, tidy(error)),
        }
    }
}

/// `file:line:col: message`, the source line with a caret, `hint: ...`.
impl fmt::Display for Diagnostic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.file.is_empty() {
            write!(f, "{}:", self.file)?;
            if let Some((line, column)) = self.position {
                write!(f, "{line}:{column}:")?;
            }
            f.write_str(" ")?;
        }
        f.write_str(&self.message)?;
        if let (Some((line, column)), Some(excerpt)) = (self.position, &self.excerpt) {
            let number = line.to_string();
            let gutter = " ".repeat(number.len());
            let before: String = excerpt
                .chars()
                .take(usize::try_from(column.saturating_sub(1)).unwrap_or(usize::MAX))
                .map(|c| if c == '\t' { '\t' } else { ' ' })
                .collect();
            write!(
                f,
                "\n{gutter} |\n{number} | {excerpt}\n{gutter} | {before}^"
            )?;
        }
        if let Some(hint) = &self.hint {
            write!(f, "\nhint: {hint}")?;
        }
        Ok(())
    }
}

/// House style for a foreign text: one line, no final period.
fn tidy(message: &str) -> String {
    let line = message
        .trim()
        .lines()
        .map(str::trim)
        .filter(|line| !line.is_empty())
        .collect::<Vec<_>>()
        .join(" ");
    line.trim_end_matches('.').to_owned()
}

/// The line's text, cut to a length that fits a terminal and a log line.
fn line_of(text: &str, line: u32) -> Option<String> {
    let index = usize::try_from(line).ok()?.checked_sub(1)?;
    let source = text.lines().nth(index)?;
    Some(source.chars().take(MAX_EXCERPT_CHARS).collect())
}

const MAX_EXCERPT_CHARS: usize = 240;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_regorus_error_becomes_place_message_and_excerpt() {
        let text = "package a\n\nallow if x == 1\n";
        let error = "\n--> dir/a.rego:3:10\n  |\n3 | allow if x == 1\n  |          ^\nerror: use of undefined variable `x` is unsafe";
        let diagnostic = Diagnostic::from_regorus("dir/a.rego", text, error);
        assert_eq!(
            diagnostic.to_string(),
            "dir/a.rego:3:10: use of undefined variable `x` is unsafe\n  |\n3 | allow if x == 1\n  |          ^"
        );
    }

    #[test]
    fn an_error_without_a_place_keeps_its_text() {
        let diagnostic = Diagnostic::from_regorus("a.rego", "", "a.rego exceeds something.");
        assert_eq!(diagnostic.position, None);
        assert_eq!(diagnostic.to_string(), "a.rego: a.rego exceeds something");
    }

    #[test]
    fn a_hint_stands_on_its_own_line() {
        let diagnostic = Diagnostic::of_set("no rule").hinting("set `path`");
        assert_eq!(diagnostic.to_string(), "no rule\nhint: set `path`");
    }
}
