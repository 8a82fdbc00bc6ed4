//! Where we answer differently from OPA.

use crate::generate::Case;

/// A question with both answers.
#[derive(Clone, Debug)]
pub(crate) struct Difference {
    pub(crate) case: Case,
    pub(crate) ours: &'static str,
    pub(crate) theirs: &'static str,
}
