//! The parts of `data` that a bundle owns: nothing of it may lie outside, and no two bundles share one.

use std::collections::BTreeSet;
use std::ops::Bound;

use regorus::Value;

use crate::policy::data::lookup;
use crate::policy::diagnostic::Diagnostic;
use crate::policy::refs::data_path;

/// The parts of `data` that a bundle owns. None lies in another, so that the neighbours of a path
/// in their order tell whether it lies in one.
#[derive(Clone, Debug)]
pub(in crate::policy) struct Roots {
    /// As the manifest has them.
    declared: Vec<Vec<String>>,
    sorted: BTreeSet<Vec<String>>,
}

impl Roots {
    /// The roots of the manifest of `bundle`; without any it owns everything.
    pub(super) fn new(bundle: &str, declared: Option<&[String]>) -> Result<Self, Diagnostic> {
        let refuse = |problem: String| Diagnostic::of_file(bundle, problem);
        let everything = [String::new()];
        let declared = declared.unwrap_or(&everything);
        if declared.len() > MAX_ROOTS {
            return Err(refuse(format!("a manifest has at most {MAX_ROOTS} roots")));
        }
        let mut roots = Self {
            declared: Vec::new(),
            sorted: BTreeSet::new(),
        };
        for root in declared {
            let root = segments(root)
                .ok_or_else(|| refuse(format!("a root has at most {MAX_SEGMENTS} parts")))?;
            if is_reserved(&root) {
                let root = root.join("/");
                return Err(refuse(format!(
                    "the root `{root}` belongs to the gate itself"
                )));
            }
            if let Some(other) = roots.nested(&root) {
                let (left, right) = (other.join("/"), root.join("/"));
                return Err(refuse(format!(
                    "the roots `{left}` and `{right}` of the manifest overlap"
                )));
            }
            roots.declared.push(root.clone());
            roots.sorted.insert(root);
        }
        Ok(roots)
    }

    /// Whether these are the same roots, in whatever order.
    pub(super) fn same(&self, other: &Self) -> bool {
        self.sorted == other.sorted
    }

    /// Each root with slashes between its parts, as OPA writes them.
    pub(super) fn paths(&self) -> impl Iterator<Item = String> {
        self.declared.iter().map(|root| root.join("/"))
    }

    /// Whether `path` lies under a root.
    pub(in crate::policy) fn contain(&self, path: &[String]) -> bool {
        self.above(path).is_some()
    }

    /// The root that `path` lies under.
    fn above(&self, path: &[String]) -> Option<&Vec<String>> {
        let until = (Bound::Unbounded, Bound::Included(path));
        let last = self.sorted.range::<[String], _>(until).next_back();
        last.filter(|root| path.starts_with(root))
    }

    /// A root that lies under `path`.
    fn below(&self, path: &[String]) -> Option<&Vec<String>> {
        let from = (Bound::Included(path), Bound::Unbounded);
        let first = self.sorted.range::<[String], _>(from).next();
        first.filter(|root| root.starts_with(path))
    }

    /// A root that has `path` in it, or lies in it.
    fn nested(&self, path: &[String]) -> Option<&Vec<String>> {
        self.above(path).or_else(|| self.below(path))
    }

    /// The roots as the manifest writes them, the first of many.
    pub(in crate::policy) fn text(&self) -> String {
        let roots: Vec<String> = self.paths().take(MAX_LISTED).collect();
        let more = match self.declared.len().saturating_sub(MAX_LISTED) {
            0 => String::new(),
            more => format!(" and {more} more"),
        };
        format!("[`{}`{more}]", roots.join("`, `"))
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
            Ok(object) if self.below(path).is_some() => {
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
    left.declared.iter().find_map(|root| {
        let other = right.nested(root)?;
        Some((root.join("/"), other.join("/")))
    })
}

/// Whether `path` lies at or below `data.system.bundles`, where the manifests are.
pub(in crate::policy) fn is_reserved(path: &[String]) -> bool {
    path.get(..RESERVED.len())
        .is_some_and(|start| start == RESERVED)
}

/// The parts of a path with slashes; slashes around it mean nothing.
fn segments(path: &str) -> Option<Vec<String>> {
    let segments: Vec<String> = match path.trim_matches('/') {
        "" => Vec::new(),
        path => {
            let segments = path.split('/').map(str::to_owned);
            segments.take(MAX_SEGMENTS.saturating_add(1)).collect()
        }
    };
    (segments.len() <= MAX_SEGMENTS).then_some(segments)
}

/// Where the manifests are, below `data`.
pub(in crate::policy) const RESERVED: [&str; 2] = ["system", "bundles"];

/// How many places outside the roots, and how many roots, are told.
const MAX_LISTED: usize = 20;

/// How many roots a manifest has.
const MAX_ROOTS: usize = 10_000;

/// Parts of a root: as many as folders around a data file.
const MAX_SEGMENTS: usize = 64;

#[cfg(test)]
mod tests;
