//! Text from outside as people are shown it: cut short, with credentials masked.

use std::{borrow::Cow, error::Error};

use crate::{chain::Chain, redact};

/// Longest text from outside, in characters.
const MAX_TEXT: usize = 256;
/// Longest chain of causes, in characters.
const MAX_CHAIN: usize = 1024;

/// A text from outside as a log line may show it.
pub(crate) fn shown(text: &str) -> Cow<'_, str> {
    redact::tokens(cut(text, MAX_TEXT))
}

/// The same, if there is any.
pub(crate) fn present(text: &str) -> Option<Cow<'_, str>> {
    (!text.is_empty()).then(|| shown(text))
}

/// An error and its causes, as a log line may show them.
pub(crate) fn causes(error: &(dyn Error + 'static)) -> String {
    redact::tokens(cut(&Chain(error).to_string(), MAX_CHAIN)).into_owned()
}

/// The path of a request target, up to its first parameter: `;jsessionid=..` is a credential.
pub(crate) fn without_query(path: &str) -> &str {
    path.split(['?', '#', ';']).next().unwrap_or_default()
}

fn cut(text: &str, characters: usize) -> &str {
    let end = text.char_indices().nth(characters).map(|(end, _)| end);
    end.and_then(|end| text.get(..end)).unwrap_or(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_ends_where_its_parameters_begin() {
        for (path, shown) in [
            ("/a/b", "/a/b"),
            ("/a?x=1", "/a"),
            ("/a#x", "/a"),
            ("/a;jsessionid=S/b?x", "/a"),
            (";", ""),
            ("", ""),
        ] {
            assert_eq!(without_query(path), shown, "{path}");
        }
    }
}
