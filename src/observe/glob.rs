//! Patterns with `*` for any run of characters. Promises that matching takes time in proportion to the
//! text: each part between stars is searched for once, from where the one before it ended.

/// A pattern; without a star it matches itself alone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Glob {
    /// What stands before the first star.
    first: Box<str>,
    /// What stands after each star.
    after: Vec<Box<str>>,
}

impl Glob {
    pub(super) fn new(pattern: &str) -> Self {
        let mut parts = pattern.split('*').map(Box::from);
        Self {
            first: parts.next().unwrap_or_default(),
            after: parts.collect(),
        }
    }

    pub(super) fn matches(&self, text: &str) -> bool {
        let Some(mut rest) = text.strip_prefix(&*self.first) else {
            return false;
        };
        let Some((last, between)) = self.after.split_last() else {
            return rest.is_empty();
        };
        for part in between {
            // The leftmost place leaves most for those that follow.
            let Some((_, after)) = rest.split_once(&**part) else {
                return false;
            };
            rest = after;
        }
        rest.ends_with(&**last)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_star_is_any_run_of_characters_and_everything_else_is_itself() {
        for (pattern, text, want) in [
            ("", "", true),
            ("", "a", false),
            ("*", "", true),
            ("*", "a/b", true),
            ("/a", "/a", true),
            ("/a", "/a/", false),
            ("/a", "x/a", false),
            ("/a*", "/a/b", true),
            ("/a*", "/b", false),
            ("*.b", "a.b", true),
            ("*.b", "a.bc", false),
            ("a*b*c", "a-b-b-c", true),
            ("a*b*c", "a-c-b", false),
            ("a*a", "a", false),
            ("a**b", "ab", true),
            ("ab*ba", "aba", false),
            ("?", "?", true),
            ("?", "x", false),
            ("[a]", "a", false),
        ] {
            assert_eq!(Glob::new(pattern).matches(text), want, "{pattern} {text}");
        }
    }

    /// The definition, which takes exponential time.
    fn by_definition(pattern: &[u8], text: &[u8]) -> bool {
        match (pattern, text) {
            ([], _) => text.is_empty(),
            ([b'*', rest @ ..], _) => {
                (0..=text.len()).any(|taken| by_definition(rest, &text[taken..]))
            }
            ([p, pattern @ ..], [t, text @ ..]) => p == t && by_definition(pattern, text),
            ([_, ..], []) => false,
        }
    }

    proptest! {
        #[test]
        fn it_matches_what_the_definition_says(pattern in "[ab*]{0,6}", text in "[ab]{0,8}") {
            let want = by_definition(pattern.as_bytes(), text.as_bytes());
            prop_assert_eq!(Glob::new(&pattern).matches(&text), want);
        }
    }
}
