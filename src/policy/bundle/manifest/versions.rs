//! Which Rego version a file of a bundle is written in: `file_rego_versions` before `rego_version`.

use std::collections::BTreeMap;

/// The version of the file at `path`, by the first pattern that fits; an exact path goes first.
pub(super) fn of_file(versions: &BTreeMap<String, u8>, path: &str) -> Option<u8> {
    let exact = versions
        .get(path)
        .or_else(|| versions.get(&format!("/{path}")));
    exact.copied().or_else(|| {
        let fits = |pattern: &str| {
            pattern.contains(['*', '?'])
                && glob(pattern.trim_start_matches('/').as_bytes(), path.as_bytes())
        };
        let mut versions = versions.iter();
        versions
            .find(|(pattern, _)| fits(pattern))
            .map(|(_, version)| *version)
    })
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
fn glob(pattern: &[u8], text: &[u8]) -> bool {
    match pattern {
        [] => text.is_empty(),
        [b'*', b'*', rest @ ..] => {
            let mut tails = (0..=text.len()).filter_map(|at| text.get(at..));
            tails.any(|tail| glob(rest, tail))
        }
        [b'*', rest @ ..] => {
            let end = text.iter().position(|byte| *byte == b'/');
            let mut tails = (0..=end.unwrap_or(text.len())).filter_map(|at| text.get(at..));
            tails.any(|tail| glob(rest, tail))
        }
        [b'?', rest @ ..] => match text {
            [byte, tail @ ..] if *byte != b'/' => glob(rest, tail),
            _ => false,
        },
        [expected, rest @ ..] => match text {
            [byte, tail @ ..] if byte == expected => glob(rest, tail),
            _ => false,
        },
    }
}

/// Matching tries every way to share a path out among the stars of a pattern.
const MAX_STARS: usize = 4;

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
        ] {
            assert_eq!(
                glob(pattern.as_bytes(), text.as_bytes()),
                matches,
                "{pattern} {text}"
            );
        }
    }
}
