//! What was tried in vain: the same is not compiled, and its tests are not run, a second time.

use std::collections::VecDeque;

use super::{ActivationError, parts::Content};

/// What has failed, the oldest first.
#[derive(Debug, Default)]
pub(super) struct Failed(VecDeque<(Content, ActivationError)>);

impl Failed {
    /// Why exactly this has failed; `None` when it was not tried, or too long ago.
    pub(super) fn of(&self, content: &Content) -> Option<ActivationError> {
        let mut known = self.0.iter();
        let found = known.find(|(failed, _)| failed == content);
        found.map(|(_, error)| error.clone())
    }

    /// Remembers that this has failed.
    pub(super) fn add(&mut self, content: &Content, error: &ActivationError) {
        if self.0.len() >= MOST_FAILED {
            self.0.pop_front();
        }
        self.0.push_back((content.clone(), error.clone()));
    }
}

/// The most that is remembered.
const MOST_FAILED: usize = 64;
