//! The `.manifest` of a bundle: its revision, the parts of `data` it owns, its Rego versions.

use std::collections::BTreeMap;

use regorus::Value;
use serde::Deserialize;

use crate::policy::diagnostic::Diagnostic;
use crate::policy::refs::data_path;

/// The keys of a manifest that mean something here; OPA's others are allowed and ignored.
#[derive(Clone, Debug, Default, Deserialize)]
pub struct Manifest {
    #[serde(default)]
    pub(super) revision: Option<String>,
    #[serde(default)]
    roots: Option<Vec<String>>,
    #[serde(default)]
    rego_version: Option<u8>,
    #[serde(default)]
    file_rego_versions: BTreeMap<String, u8>,
}

impl Manifest {
    /// Reads a manifest.
    pub(super) fn parse(file: &str, bytes: &[u8]) -> Result<Self, Diagnostic> {
        let mut manifest: Self = serde_json::from_slice(bytes).map_err(|error| {
            Diagnostic::of_file(file, format!("not a readable manifest: {error}"))
        })?;
        let versions = manifest.rego_version.iter();
        if let Some(version) = versions
            .chain(manifest.file_rego_versions.values())
            .find(|version| **version > 1)
        {
            let message = format!("rego version `{version}` is unknown: there are 0 and 1");
            return Err(Diagnostic::of_file(file, message));
        }
        let stars = |pattern: &&String| pattern.matches('*').count() > MAX_STARS;
        if let Some(pattern) = manifest.file_rego_versions.keys().find(stars) {
            let message = format!("the pattern `{pattern}` has more than {MAX_STARS} stars");
            return Err(Diagnostic::of_file(file, message));
        }
        manifest.revision = manifest.revision.filter(|revision| !revision.is_empty());
        Ok(manifest)
    }

    /// The declared roots, checked.
    pub(super) fn roots(&self, bundle: &str) -> Result<Roots, Diagnostic> {
        let declared: Vec<Vec<String>> = match &self.roots {
            None => vec![Vec::new()],
            Some(roots) => roots
                .iter()
                .map(|root| {
                    root.split('/')
                        .filter(|segment| !segment.is_empty())
                        .map(str::to_owned)
                        .collect()
                })
                .collect(),
        };
        for (at, left) in declared.iter().enumerate() {
            for right in declared.iter().skip(at.saturating_add(1)) {
                if nested(left, right) {
                    return Err(Diagnostic::of_file(
                        bundle,
                        format!(
                            "the roots `{}` and `{}` of the manifest overlap",
                            left.join("/"),
                            right.join("/")
                        ),
                    ));
                }
            }
        }
        Ok(Roots(declared))
    }

    /// Whether the module at `path` is Rego v0; `None` when the manifest does not say.
    pub(super) fn is_v0(&self, path: &str) -> Option<bool> {
        self.file_rego_versions
            .iter()
            .find(|(pattern, _)| glob(pattern.trim_start_matches('/').as_bytes(), path.as_bytes()))
            .map(|(_, version)| *version)
            .or(self.rego_version)
            .map(|version| version == 0)
    }
}

/// The parts of `data` that a bundle owns.
#[derive(Clone, Debug)]
pub(in crate::policy) struct Roots(Vec<Vec<String>>);

impl Roots {
    /// Whether `path` lies under a root.
    pub(in crate::policy) fn contain(&self, path: &[String]) -> bool {
        self.0.iter().any(|root| path.starts_with(root))
    }

    /// The roots as the manifest writes them.
    pub(in crate::policy) fn text(&self) -> String {
        let roots: Vec<String> = self.0.iter().map(|root| root.join("/")).collect();
        format!("[`{}`]", roots.join("`, `"))
    }

    /// The data outside all roots.
    pub(super) fn problems_of_data(&self, bundle: &str, data: &Value) -> Vec<Diagnostic> {
        let mut outside = Vec::new();
        self.collect_outside(data, &mut Vec::new(), &mut outside);
        outside
            .into_iter()
            .map(|path| {
                Diagnostic::of_file(
                    bundle,
                    format!(
                        "data at `{path}` lies outside the bundle's roots {}",
                        self.text()
                    ),
                )
            })
            .collect()
    }

    fn collect_outside(&self, node: &Value, path: &mut Vec<String>, outside: &mut Vec<String>) {
        if self.contain(path) {
            return;
        }
        match node.as_object() {
            // Only where a root may still lie below; documents are at most as deep as roots.
            Ok(object) if self.0.iter().any(|root| root.starts_with(path)) => {
                for (key, child) in object.iter() {
                    path.push(key.as_string().map(ToString::to_string).unwrap_or_default());
                    self.collect_outside(child, path, outside);
                    path.pop();
                }
            }
            _ => outside.push(data_path(path.iter().map(String::as_str))),
        }
    }
}

/// The first pair of roots that both bundles claim.
pub(in crate::policy) fn overlap(left: &Roots, right: &Roots) -> Option<(String, String)> {
    left.0
        .iter()
        .flat_map(|l| right.0.iter().map(move |r| (l, r)))
        .find(|(l, r)| nested(l, r))
        .map(|(l, r)| (l.join("/"), r.join("/")))
}

fn nested(left: &[String], right: &[String]) -> bool {
    left.starts_with(right) || right.starts_with(left)
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
