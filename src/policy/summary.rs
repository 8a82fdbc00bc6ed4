//! What is in a policy set, told to people: `inspect`, logs and the admin pages read it.

use super::builtins;
use super::entrypoint::Target;
use super::index::Index;

/// What is in a policy set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Summary {
    /// The packages, such as `data.envoy.authz`, in order and each once.
    pub packages: Vec<String>,
    /// The number of modules.
    pub modules: usize,
    /// The number of rule definitions in all of them.
    pub rules: usize,
    /// What a check evaluates, as Rego: `data.envoy.authz.allow` or a query.
    pub entrypoint: String,
    /// Whether a rule of it calls `http.send`.
    pub sends: bool,
    /// The functions that its modules call and whose answers depend on more than their arguments, such
    /// as `time.now_ns`, in order and each once.
    pub nondeterministic: Vec<String>,
}

impl Summary {
    /// A summary of all that is in `index`.
    pub(super) fn new(index: &Index, target: &Target) -> Self {
        Self {
            packages: index.packages(),
            modules: index.modules.len(),
            rules: index.rules.values().map(Vec::len).sum(),
            sends: builtins::sends(index, target.query()),
            nondeterministic: builtins::nondeterministic(index, target.query()),
            entrypoint: target.text().to_owned(),
        }
    }
}
