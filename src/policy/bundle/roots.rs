//! The parts of `data` that a bundle owns: nothing of it may lie outside, and no two bundles share one.

use regorus::Value;

use crate::policy::data::lookup;
use crate::policy::diagnostic::Diagnostic;
use crate::policy::refs::data_path;

/// The parts of `data` that a bundle owns; none lies in another.
#[derive(Clone, Debug)]
pub(in crate::policy) struct Roots {
    /// As the manifest has them, without slashes around them.
    declared: Vec<String>,
    /// In order: whatever lies in a root comes behind it and before the next one.
    sorted: Vec<Vec<String>>,
}

impl Roots {
    /// The roots of the manifest of `bundle`; without any it owns everything.
    pub(super) fn new(bundle: &str, declared: Option<&[String]>) -> Result<Self, Diagnostic> {
        let everything = [String::new()];
        let declared = declared.unwrap_or(&everything);
        let mut sorted: Vec<Vec<String>> = declared.iter().map(|root| segments(root)).collect();
        sorted.sort_unstable();
        let neighbours = sorted.iter().zip(sorted.iter().skip(1));
        let reserved = sorted.iter().find(|root| is_reserved(root));
        let problem = if let Some(root) = reserved {
            format!("the root `{}` belongs to the gate itself", root.join("/"))
        } else if let Some((left, right)) = first_nested(neighbours) {
            format!("the roots `{left}` and `{right}` of the manifest overlap")
        } else {
            let declared = declared
                .iter()
                .map(|root| root.trim_matches('/').to_owned());
            return Ok(Self {
                declared: declared.collect(),
                sorted,
            });
        };
        Err(Diagnostic::of_file(bundle, problem))
    }

    /// Whether these are the same roots, in whatever order.
    pub(super) fn same(&self, other: &Self) -> bool {
        self.sorted == other.sorted
    }

    /// Each root with slashes between its parts, as OPA writes them.
    pub(super) fn paths(&self) -> impl Iterator<Item = &str> {
        self.declared.iter().map(String::as_str)
    }

    /// Whether `path` lies under a root.
    pub(in crate::policy) fn contain(&self, path: &[String]) -> bool {
        self.before(path).is_some_and(|root| path.starts_with(root))
    }

    /// The roots as the manifest writes them, not all of many.
    pub(in crate::policy) fn text(&self) -> String {
        let shown: Vec<&str> = self.paths().take(MAX_LISTED).collect();
        let more = self.declared.len().saturating_sub(shown.len());
        let shown = shown.join("`, `");
        match more {
            0 => format!("[`{shown}`]"),
            more => format!("[`{shown}` and {more} more]"),
        }
    }

    /// The last root that is `path` or stands before it: the only one that `path` can lie in.
    fn before(&self, path: &[String]) -> Option<&[String]> {
        let behind = self.sorted.partition_point(|root| root.as_slice() <= path);
        let before = behind.checked_sub(1)?;
        self.sorted.get(before).map(Vec::as_slice)
    }

    /// The first root that is `path` or stands behind it: if none lies in `path` this one does not.
    fn behind(&self, path: &[String]) -> Option<&[String]> {
        let from = self.sorted.partition_point(|root| root.as_slice() < path);
        self.sorted.get(from).map(Vec::as_slice)
    }

    /// The data outside all roots, and where the gate itself has data.
    pub(super) fn problems_of_data(&self, bundle: &str, data: &Value) -> Vec<Diagnostic> {
        let mut outside = Vec::new();
        self.collect_outside(data, &mut Vec::new(), &mut outside);
        let text = self.text();
        let outside = outside
            .into_iter()
            .take(MAX_LISTED)
            .map(|path| format!("data at `{path}` lies outside the bundle's roots {text}"));
        let reserved = RESERVED.map(Value::from);
        let reserved = lookup(data, &reserved)
            .map(|_| "data at `data.system.bundles` is written by the gate itself".to_owned());
        outside
            .chain(reserved)
            .map(|problem| Diagnostic::of_file(bundle, problem))
            .collect()
    }

    fn collect_outside(&self, node: &Value, path: &mut Vec<String>, outside: &mut Vec<String>) {
        if self.contain(path) || outside.len() > MAX_LISTED {
            return;
        }
        match node.as_object() {
            // Only where a root may still lie below; documents are at most as deep as roots.
            Ok(object) if self.behind(path).is_some_and(|root| root.starts_with(path)) => {
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
    if right.sorted.len() < left.sorted.len() {
        return overlap(right, left).map(|(right, left)| (left, right));
    }
    let near = |root: &Vec<String>| [right.before(root), right.behind(root)];
    let pairs = left.sorted.iter().flat_map(|root| {
        let near = near(root).into_iter().flatten();
        near.map(move |other| (root, other))
    });
    first_nested(pairs)
}

/// The first pair of which one lies in the other.
fn first_nested<'r, L, R>(pairs: impl Iterator<Item = (&'r L, &'r R)>) -> Option<(String, String)>
where
    L: AsRef<[String]> + ?Sized + 'r,
    R: AsRef<[String]> + ?Sized + 'r,
{
    pairs
        .map(|(left, right)| (left.as_ref(), right.as_ref()))
        .find(|(left, right)| left.starts_with(right) || right.starts_with(left))
        .map(|(left, right)| (left.join("/"), right.join("/")))
}

/// Whether `path` lies at or below `data.system.bundles`, where the manifests are.
pub(in crate::policy) fn is_reserved(path: &[String]) -> bool {
    path.get(..RESERVED.len())
        .is_some_and(|start| start == RESERVED)
}

/// The parts of a path with slashes; slashes around it mean nothing.
fn segments(path: &str) -> Vec<String> {
    match path.trim_matches('/') {
        "" => Vec::new(),
        path => path.split('/').map(str::to_owned).collect(),
    }
}

/// Where the manifests are, below `data`.
pub(in crate::policy) const RESERVED: [&str; 2] = ["system", "bundles"];

/// How many places outside the roots, and how many roots, are told.
const MAX_LISTED: usize = 20;

#[cfg(test)]
mod tests;
