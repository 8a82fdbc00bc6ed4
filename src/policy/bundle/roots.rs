//! The parts of `data` that a bundle owns: nothing of it may lie outside, and no two bundles share one.

use regorus::Value;

use crate::policy::data::lookup;
use crate::policy::diagnostic::Diagnostic;
use crate::policy::refs::data_path;

/// The parts of `data` that a bundle owns.
#[derive(Clone, Debug)]
pub(in crate::policy) struct Roots(Vec<Vec<String>>);

impl Roots {
    /// The roots of the manifest of `bundle`; without any it owns everything.
    pub(super) fn new(bundle: &str, declared: Option<&[String]>) -> Result<Self, Diagnostic> {
        let everything = [String::new()];
        let declared = declared.unwrap_or(&everything);
        let roots: Vec<Vec<String>> = declared.iter().map(|root| segments(root)).collect();
        for (at, left) in roots.iter().enumerate() {
            let mut others = roots.iter().skip(at.saturating_add(1));
            let problem = if is_reserved(left) {
                format!("the root `{}` belongs to the gate itself", left.join("/"))
            } else if let Some(right) = others.find(|right| nested(left, right)) {
                let (left, right) = (left.join("/"), right.join("/"));
                format!("the roots `{left}` and `{right}` of the manifest overlap")
            } else {
                continue;
            };
            return Err(Diagnostic::of_file(bundle, problem));
        }
        Ok(Self(roots))
    }

    /// Whether these are the same roots, in whatever order.
    pub(super) fn same(&self, other: &Self) -> bool {
        let all_in = |left: &Self, right: &Self| left.0.iter().all(|root| right.0.contains(root));
        all_in(self, other) && all_in(other, self)
    }

    /// Each root with slashes between its parts, as OPA writes them.
    pub(super) fn paths(&self) -> impl Iterator<Item = String> {
        self.0.iter().map(|root| root.join("/"))
    }

    /// Whether `path` lies under a root.
    pub(in crate::policy) fn contain(&self, path: &[String]) -> bool {
        self.0.iter().any(|root| path.starts_with(root))
    }

    /// The roots as the manifest writes them.
    pub(in crate::policy) fn text(&self) -> String {
        let roots: Vec<String> = self.paths().collect();
        format!("[`{}`]", roots.join("`, `"))
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

/// How many places outside the roots are told.
const MAX_LISTED: usize = 20;
