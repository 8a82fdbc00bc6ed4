//! How other threads stand behind those that answer checks.

use std::{
    cell::Cell,
    thread,
    time::{Duration, Instant},
};

/// What a thread does that answers no checks. The order is that of what may wait the longest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Priority {
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
            Self::Loading => 10,
            Self::Lane => 19,
        }
    }
}

/// To be called between two pieces of work of a thread that tells of checks: one that waits for this core
/// goes first. A thread that runs keeps its core to the end of its slice, which is longer than many checks.
/// Low priority would not help there, and where the core is never free it would lose most of what is to
/// be told. So who has waited for as long as it has worked waits no more for a while.
pub(crate) fn give_way() {
    let mut turn = TURN.get().unwrap_or_else(Turn::begin);
    if turn.may_wait(Instant::now()) {
        thread::yield_now();
        turn.waited_until(Instant::now());
    }
    TURN.set(Some(turn));
}

/// How long this thread has worked and waited, of late.
#[derive(Clone, Copy, Debug)]
struct Turn {
    since: Instant,
    worked: Duration,
    waited: Duration,
}

impl Turn {
    fn begin() -> Self {
        Self {
            since: Instant::now(),
            worked: Duration::ZERO,
            waited: Duration::ZERO,
        }
    }

    /// Whether it should let others go first, after it has worked until `now`.
    fn may_wait(&mut self, now: Instant) -> bool {
        self.worked = self.worked.saturating_add(now.duration_since(self.since));
        self.since = now;
        if self.worked.saturating_add(self.waited) > OF_LATE {
            self.worked = self.worked.mul_f64(0.5);
            self.waited = self.waited.mul_f64(0.5);
        }
        self.waited <= self.worked
    }

    fn waited_until(&mut self, now: Instant) {
        self.waited = self.waited.saturating_add(now.duration_since(self.since));
        self.since = now;
    }
}

thread_local! {
    static TURN: Cell<Option<Turn>> = const { Cell::new(None) };
}

/// What was longer ago counts less and less.
const OF_LATE: Duration = Duration::from_millis(100);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thread_and_those_it_starts_take_the_priority_and_no_other_thread_does() {
        let nice = || rustix::process::getpriority_process(None).unwrap();
        let before = nice();
        let lowered = thread::spawn(move || {
            Priority::Loading.take();
            (nice(), thread::spawn(nice).join().unwrap())
        });
        let want = Priority::Loading.nice().max(before);
        assert_eq!(lowered.join().unwrap(), (want, want));
        assert_eq!(nice(), before);
    }

    #[test]
    fn who_was_kept_waiting_for_half_of_the_time_waits_no_more() {
        let start = Instant::now();
        let at = |ms| start.checked_add(Duration::from_millis(ms)).unwrap();
        let mut turn = Turn {
            since: start,
            worked: Duration::ZERO,
            waited: Duration::ZERO,
        };
        assert!(turn.may_wait(at(1)));
        turn.waited_until(at(2));
        assert!(turn.may_wait(at(2)), "one for one");
        turn.waited_until(at(3));
        assert!(!turn.may_wait(at(3)), "two for one");
        assert!(turn.may_wait(at(4)), "two for two");
    }

    #[test]
    fn what_was_long_ago_counts_less() {
        let start = Instant::now();
        let mut turn = Turn {
            since: start,
            worked: Duration::from_millis(1),
            waited: Duration::from_secs(1),
        };
        let after = |ms| start.checked_add(Duration::from_millis(ms)).unwrap();
        // It would be a second otherwise.
        let working = (0..100).take_while(|ms| !turn.may_wait(after(*ms))).count();
        assert!((1..60).contains(&working), "{working} ms");
    }
}
