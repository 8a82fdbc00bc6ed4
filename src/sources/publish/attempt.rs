//! What is tried for one offer, one selection after the other, until one becomes active.

use std::{num::NonZero, sync::Arc, thread};

use super::{
    Activated, ActivationError, Publisher, Took,
    parts::{Key, Selection},
};
use crate::{
    check::Active,
    policy::{
        Policy, PolicySet,
        testing::{self, TestResult},
    },
};

impl Publisher {
    /// Compiles what there is with what was offered, `of` last, and makes it active.
    pub(super) fn attempt(&self, of: Option<&Key>) -> Result<Activated, ActivationError> {
        let attempted = self.try_for(of);
        self.show_waiting();
        attempted
    }

    fn try_for(&self, of: Option<&Key>) -> Result<Activated, ActivationError> {
        if self.parts().must_wait() {
            return Ok(self.waiting());
        }
        let mut left = MOST_TRIED;
        match self.try_one(of, &mut left) {
            Tried::Active(took) => {
                // What was refused before may fit what is active now.
                while let Tried::Active(_) = self.try_one(None, &mut left) {}
                Ok(Activated::Now(took))
            }
            Tried::Failed(error) => {
                self.refuse(of, &error);
                Err(error)
            }
            Tried::Nothing => match of.and_then(Key::bundle) {
                // Its source has ended meanwhile.
                Some(name) => Err(ActivationError::Unexpected(Arc::clone(name))),
                None => Ok(Activated::Same),
            },
        }
    }

    /// Makes the first selection active that can be, and compiles at most as many as are `left`.
    pub(super) fn try_one(&self, of: Option<&Key>, left: &mut u8) -> Tried {
        let selections = self.parts().selections(of);
        let mut first = None;
        for selection in selections {
            let wanted = {
                let parts = self.parts();
                parts.have(&selection) && !parts.is_active(&selection)
            };
            if !wanted {
                continue;
            }
            // A statement of its own: the lock is not held any longer.
            let known = self.failed().of(&selection.content);
            let error = if let Some(error) = known {
                error
            } else {
                let Some(fewer) = left.checked_sub(1) else {
                    break;
                };
                *left = fewer;
                match self.make(&selection) {
                    Ok((next, took)) => {
                        if self.publish(next, &selection) {
                            return Tried::Active(took);
                        }
                        continue;
                    }
                    Err(error) => {
                        self.failed().add(&selection.content, &error);
                        error
                    }
                }
            };
            // What is wrong with it alone says most.
            first.get_or_insert(error);
        }
        first.map_or(Tried::Nothing, Tried::Failed)
    }

    pub(super) fn make(&self, selection: &Selection) -> Result<(Active, Took), ActivationError> {
        let begun = self.clock.instant();
        let set = PolicySet {
            files: &selection.files,
            bundles: &selection.bundles,
            verification: Some(&self.verification),
        };
        let policy = Policy::load_set(&set, &self.load)?;
        let active = Active::new(policy, &self.input);
        let compiled = self.clock.instant();
        let mut took = Took {
            compile: Some(compiled.saturating_duration_since(begun)),
            tests: None,
        };
        if !selection.tested.is_empty() {
            self.test(&set, &selection.tested)?;
            took.tests = Some(self.clock.instant().saturating_duration_since(compiled));
        }
        Ok((active.warmed(workers()), took))
    }

    /// Runs the tests of these bundles.
    fn test(&self, set: &PolicySet<'_>, bundles: &[Arc<str>]) -> Result<(), ActivationError> {
        let names: Vec<&str> = bundles.iter().map(|name| &**name).collect();
        let bounds = testing::Bounds::default();
        let mut results = testing::run(set, &self.load, testing::Of::Bundles(&names), bounds)?;
        results.retain(TestResult::is_bad);
        if results.is_empty() {
            Ok(())
        } else {
            Err(ActivationError::Tests(results))
        }
    }
}

/// What came of trying selections one after the other.
pub(super) enum Tried {
    Active(Took),
    Failed(ActivationError),
    Nothing,
}

/// The most that is compiled for one offer.
pub(super) const MOST_TRIED: u8 = 8;

/// How many threads answer checks, as tokio counts them.
fn workers() -> usize {
    thread::available_parallelism().map_or(1, NonZero::get)
}
