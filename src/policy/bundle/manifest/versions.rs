//! Which Rego version a file of a bundle is written in: `file_rego_versions` before `rego_version`.

use std::collections::BTreeMap;

/// What a manifest says about the versions of its modules.
pub(in crate::policy::bundle) struct Versions<'m> {
    files: &'m BTreeMap<String, u8>,
    /// Those of `files` that are patterns, in its order.
    patterns: Vec<(&'m str, u8)>,
    otherwise: Option<u8>,
}

impl<'m> Versions<'m> {
    pub(super) fn new(files: &'m BTreeMap<String, u8>, otherwise: Option<u8>) -> Self {
        let patterns = files.iter().filter(|(path, _)| path.contains(['*', '?']));
        let patterns = patterns.map(|(path, version)| (path.trim_start_matches('/'), *version));
        Self {
            files,
            patterns: patterns.collect(),
            otherwise,
        }
    }

    /// Whether the patterns are too much for paths of so many bytes in all.
    pub(in crate::policy::bundle) fn are_too_much_for(&self, bytes: usize) -> bool {
        let patterns: usize = self.patterns.iter().map(|(it, _)| it.len()).sum();
        patterns.saturating_mul(bytes) > MAX_WORK
    }

    /// Whether the module at `path` is Rego v0, by the first pattern that fits; an exact path goes
    /// first. `None` when the manifest does not say.
    pub(in crate::policy::bundle) fn is_v0(&self, path: &str) -> Option<bool> {
        let exact = self.files.get(path);
        let exact = exact
            .or_else(|| self.files.get(&format!("/{path}")))
            .copied();
        let fitting = || {
            let mut patterns = self.patterns.iter();
            let fits = |pattern: &str| glob(pattern.as_bytes(), path.as_bytes());
            patterns.find_map(|(pattern, version)| fits(pattern).then_some(*version))
        };
        let version = exact.or_else(fitting).or(self.otherwise);
        version.map(|version| version == 0)
    }
}

/// Why a pattern is refused.
pub(super) fn problem(pattern: &str) -> Option<String> {
    if pattern.contains(['[', ']', '{', '}', '\\']) {
        return Some(format!(
            "the pattern `{pattern}` has more than `*`, `**` and `?`"
        ));
    }
    let stars = pattern.matches('*').count();
    (stars > MAX_STARS).then(|| format!("the pattern `{pattern}` has more than {MAX_STARS} stars"))
}

/// `*` and `?` stay inside a path segment, `**` crosses them.
///
/// Takes the length of the pattern times that of the text: all ways to share the text out among the
/// stars are followed at once.
fn glob(mut pattern: &[u8], text: &[u8]) -> bool {
    // For each place in the text whether the pattern so far fits what is before it.
    let mut reached: Vec<bool> = std::iter::once(true)
        .chain(text.iter().map(|_| false))
        .collect();
    loop {
        pattern = match pattern {
            [] => return reached.last() == Some(&true),
            [b'*', b'*', rest @ ..] => {
                stretch(&mut reached, text, |_| true);
                rest
            }
            [b'*', rest @ ..] => {
                stretch(&mut reached, text, |byte| byte != b'/');
                rest
            }
            [expected, rest @ ..] => {
                let fits = |byte: u8| byte == *expected || (*expected == b'?' && byte != b'/');
                let steps = reached.iter().zip(text);
                let steps = steps.map(|(reached, byte)| *reached && fits(*byte));
                reached = std::iter::once(false).chain(steps).collect();
                rest
            }
        };
        if !reached.contains(&true) {
            return false;
        }
    }
}

/// Reaches from each place the next ones, as far as the bytes between may be passed.
fn stretch(reached: &mut [bool], text: &[u8], passes: impl Fn(u8) -> bool) {
    let mut here = false;
    let bytes = std::iter::once(None).chain(text.iter().copied().map(Some));
    for (place, byte) in reached.iter_mut().zip(bytes) {
        here = *place || (here && byte.is_some_and(&passes));
        *place = here;
    }
}

/// The most stars of a pattern.
const MAX_STARS: usize = 4;

/// Bytes of all patterns times bytes of all modules' paths: a few seconds.
const MAX_WORK: usize = 1 << 31;

#[cfg(test)]
mod tests {
    use super::glob;

    #[test]
    fn globs_cross_segments_only_with_two_stars() {
        for (pattern, text, matches) in [
            ("a.rego", "a.rego", true),
            ("*.rego", "a.rego", true),
            ("*.rego", "x/a.rego", false),
            ("**.rego", "x/y/a.rego", true),
            ("x/**/a.rego", "x/y/z/a.rego", true),
            ("?.rego", "ab.rego", false),
            ("*/a.rego", "x/a.rego", true),
            ("**/*.rego", "x/y/a.rego", true),
            ("x/*/**b", "x/y/z/ab", true),
            ("x/*b", "x/y/b", false),
            ("a?", "a?", true),
            ("a?", "a/", false),
            ("", "", true),
            ("*", "", true),
            ("?", "", false),
        ] {
            assert_eq!(
                glob(pattern.as_bytes(), text.as_bytes()),
                matches,
                "{pattern} {text}"
            );
        }
    }

    /// Sharing 1,000 letters out among four stars one way after the other takes minutes.
    #[test]
    fn a_pattern_is_matched_in_time_however_many_ways_there_are() {
        let text = "a".repeat(1000);
        for (pattern, matches) in [("*a*a*a*b", false), ("*a*a*a*a", true), ("**a**b", false)] {
            assert_eq!(
                glob(pattern.as_bytes(), text.as_bytes()),
                matches,
                "{pattern}"
            );
        }
    }
}
