//! What was found, beside what was wanted.

/// Collects whether everything held that has to.
pub(crate) struct Verdict {
    held: bool,
    brief: bool,
}

impl Verdict {
    /// A brief run may be beside other work, where times mean nothing.
    pub(crate) fn new(brief: bool) -> Self {
        Self { held: true, brief }
    }

    /// Something that no noise of the machine explains.
    pub(crate) fn must(&mut self, what: &str, holds: bool) {
        self.held &= holds;
        println!("  {}  {what}", if holds { "PASS" } else { "FAIL" });
    }

    /// A time that no noise of a quiet machine explains.
    pub(crate) fn in_time(&mut self, what: &str, holds: bool) {
        if self.brief {
            self.goal(what, holds);
        } else {
            self.must(what, holds);
        }
    }

    /// A goal whose figure depends on the machine: missing it ends nothing.
    #[expect(clippy::unused_self, reason = "a verdict is what says so")]
    pub(crate) fn goal(&self, what: &str, holds: bool) {
        println!("  {}  {what}", if holds { "PASS" } else { "MISS" });
    }

    /// Whether everything held that has to.
    pub(crate) fn held(&self) -> bool {
        self.held
    }
}
