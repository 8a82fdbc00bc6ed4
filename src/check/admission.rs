//! How many checks may be in flight at once; what is above that is shed at once, never queued.

use std::sync::atomic::{AtomicUsize, Ordering};

/// Counts the checks in flight against a fixed limit.
#[derive(Debug)]
pub struct Admission {
    limit: usize,
    in_flight: AtomicUsize,
}

impl Admission {
    /// Admits up to `limit` checks at a time.
    pub fn new(limit: usize) -> Self {
        Self {
            limit,
            in_flight: AtomicUsize::new(0),
        }
    }

    /// Enters one check, or `None` when the limit is reached.
    pub fn enter(&self) -> Option<InFlight<'_>> {
        self.in_flight
            .fetch_update(Ordering::AcqRel, Ordering::Acquire, |current| {
                current.checked_add(1).filter(|next| *next <= self.limit)
            })
            .ok()?;
        Some(InFlight { admission: self })
    }

    /// Checks in flight now.
    pub fn in_flight(&self) -> usize {
        self.in_flight.load(Ordering::Relaxed)
    }
}

/// One admitted check; leaves when dropped, also by a panic.
#[derive(Debug)]
pub struct InFlight<'a> {
    admission: &'a Admission,
}

impl Drop for InFlight<'_> {
    fn drop(&mut self) {
        self.admission.in_flight.fetch_sub(1, Ordering::AcqRel);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_check_above_the_limit_is_shed_until_one_leaves() {
        let admission = Admission::new(2);
        let first = admission.enter().unwrap();
        let _second = admission.enter().unwrap();
        assert!(admission.enter().is_none());
        assert_eq!(admission.in_flight(), 2);
        drop(first);
        assert!(admission.enter().is_some());
    }

    #[test]
    fn a_panic_leaves_like_a_return() {
        let admission = Admission::new(1);
        let panicked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            let _in_flight = admission.enter().unwrap();
            panic!("inside a check");
        }));
        assert!(panicked.is_err());
        assert_eq!(admission.in_flight(), 0);
    }
}
