//! Which threads come after those that answer checks, and how far after.

/// What a thread does that answers no checks. The order is that of what may wait the longest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Priority {
    /// Tells of checks that are decided. Where every core is busy with checks it gets a quarter of one,
    /// about what telling of them takes; what finds no time is dropped and counted.
    Telling,
    /// Makes a policy ready. It gets a tenth of a busy core: a load comes to its end under overload too.
    Loading,
    /// Decides the checks that take long, behind all others.
    Lane,
}

impl Priority {
    /// Gives the calling thread this priority, and those it starts from now on. Where the system does not
    /// let it, the thread is as good as any.
    pub(crate) fn take(self) {
        let _unchanged = rustix::process::setpriority_process(None, self.nice());
    }

    /// As `setpriority(2)` counts it: each step up is a tenth less of a contended core.
    const fn nice(self) -> i32 {
        match self {
            Self::Telling => 5,
            Self::Loading => 10,
            Self::Lane => 19,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::thread;

    use super::*;

    #[test]
    fn a_thread_and_those_it_starts_take_the_priority_and_no_other_thread_does() {
        let nice = || rustix::process::getpriority_process(None).unwrap();
        let before = nice();
        let lowered = thread::spawn(move || {
            Priority::Telling.take();
            (nice(), thread::spawn(nice).join().unwrap())
        });
        let want = Priority::Telling.nice().max(before);
        assert_eq!(lowered.join().unwrap(), (want, want));
        assert_eq!(nice(), before);
    }
}
