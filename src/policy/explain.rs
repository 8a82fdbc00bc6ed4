//! Why a policy decided as it did: which rules gave the answer, and where the others stopped.
//!
//! Off the line of a check, on the interpreter and under limits. Everything here is found out by
//! evaluating rules that are written beside those of the policy, out of the same text; so what is told
//! follows what is evaluated and not what somebody believes of Rego.

mod addition;
mod decided;
mod operands;
mod plan;
mod probes;
mod scope;
mod shown;
mod tell;
mod text;
mod told;

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

pub(super) use decided::Deciders;
pub use decided::Location;
pub use told::{
    BodyTold, Condition, DefaultTold, Element, Explanation, Outcome, Place, RuleTold, Stop,
};

use super::entrypoint::{self, Target};
use super::load::{self, ModuleSource};
use super::{Externals, Limits, LoadError, LoadOptions, Policy, PolicySet, modules};
use crate::input::Value;
use crate::redact::credentials::{self, Redactor};
use probes::Probes;
use shown::Shown;
use tell::{Sought, Teller};

/// A policy that can be asked why.
#[derive(Debug)]
pub struct Explainer {
    policy: Policy,
    sources: Vec<ModuleSource>,
    probes: Probes,
    /// The rules of the entrypoint.
    asked: Vec<Vec<String>>,
    redactor: Redactor,
}

/// How far one explanation may go.
#[derive(Clone, Copy, Debug)]
pub struct Reach {
    /// Limits of each evaluation.
    pub each: Limits,
    /// Time of all of them together.
    pub all: Duration,
}

impl Explainer {
    /// Compiles `set` as [`Policy::load_set`] does, and once more with questions about its insides.
    pub fn new(set: &PolicySet<'_>, options: &LoadOptions) -> Result<Self, LoadError> {
        let policy = Policy::load_set(set, options)?;
        let load::Collected {
            modules: sources,
            data,
            mut problems,
            ..
        } = load::collect(set, options);
        let parsed = modules::parse(sources, &mut problems);
        if !problems.is_empty() {
            return Err(LoadError(problems));
        }
        let target = entrypoint::resolve(&options.entrypoint, &parsed.index, &data)
            .map_err(|problem| LoadError(vec![problem]))?;
        let probes = Probes::new(&parsed.sources, &parsed.index, &data, &target, options)?;
        let reachable = target.reachable(&parsed.index);
        let mut asked = BTreeSet::new();
        match &target {
            Target::Rule { path, .. } | Target::Document { path, .. } => {
                let touching = parsed.index.touching(path);
                asked.extend(touching.filter_map(|id| parsed.index.path_of(id)));
            }
            // What nobody else names.
            Target::Query { .. } => {
                let named = reachable.iter().flat_map(|id| parsed.index.named_by(*id));
                let named: BTreeSet<_> = named.collect();
                let top = reachable.difference(&named);
                asked.extend(top.filter_map(|id| parsed.index.path_of(*id)));
            }
        }
        Ok(Self {
            policy,
            sources: parsed.sources,
            probes,
            asked: asked.into_iter().collect(),
            redactor: Redactor::masking(&credentials::Options::default()),
        })
    }

    /// Hides what `options` name beside what is hidden anyway.
    #[must_use]
    pub fn hiding(self, options: &credentials::Options) -> Self {
        Self {
            redactor: Redactor::masking(options),
            ..self
        }
    }

    /// A text about the request of `input` without its credentials.
    pub fn shown(&self, input: Option<&Value>, text: &str) -> String {
        Shown::of(input.unwrap_or(&Value::Undefined), &self.redactor).without_secrets(text)
    }

    /// The policy itself.
    pub fn policy(&self) -> &Policy {
        &self.policy
    }

    /// Tells why the entrypoint has the value that it has for `input`, of which what `hidden` names,
    /// as paths below `input`, was taken out before.
    pub fn explain(&self, input: &Value, hidden: &[Vec<String>], reach: Reach) -> Explanation {
        let decided = self
            .policy
            .decided_by(input.clone(), reach.each, &mut Externals::default());
        let mut teller = Teller {
            policy: &self.policy,
            probes: &self.probes,
            sources: &self.sources,
            input,
            hidden,
            shown: Shown::of(input, &self.redactor),
            limits: reach.each,
            begun: Instant::now(),
            time: reach.all,
            told: BTreeSet::new(),
            cut_short: None,
        };
        let rules = self.asked.iter();
        let rules = rules
            .map(|path| teller.rule(path, None, (0, Sought::ToHold)))
            .collect();
        let place = |at: &Location| Place {
            rule: at.rule.to_string(),
            file: at.file.to_string(),
            row: at.row,
            default: at.default,
        };
        Explanation {
            decided_by: decided.unwrap_or_default().iter().map(place).collect(),
            rules,
            cut_short: teller.cut_short,
        }
    }
}

#[cfg(test)]
mod tests;
