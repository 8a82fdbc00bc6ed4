//! What became of the calls of one window: how many of each kind, and how long they took.

use std::{collections::BTreeMap, time::Duration};

use hdrhistogram::Histogram;

use super::answer::{Answer, Class};

/// Different texts of failures that are kept.
const DETAILS: usize = 8;

/// How long a call took, by three clocks.
#[derive(Clone, Copy)]
pub(crate) struct Took {
    /// Since it was due.
    pub(crate) latency: Duration,
    /// Since it was sent.
    pub(crate) on_the_way: Duration,
    /// Since the window began.
    pub(crate) into_window: Duration,
}

/// Counts, and histograms in microseconds from when a call was due.
pub(crate) struct Tally {
    /// How long calls arrived.
    pub(crate) window: Duration,
    classes: Vec<Histogram<u64>>,
    /// Those allowed that were answered before the window was over.
    within: Histogram<u64>,
    /// How late calls were sent.
    lag: Histogram<u64>,
    /// Not sent, because every connection was full or lost.
    pub(crate) full: u64,
    /// Not sent, because the generator was too late.
    pub(crate) late: u64,
    /// The slowest that was allowed, from when it was really sent.
    pub(crate) slowest_allowed: Duration,
    details: BTreeMap<String, u64>,
}

impl Tally {
    pub(crate) fn new(window: Duration) -> Self {
        Self {
            window,
            classes: Class::ALL.iter().map(|_| histogram()).collect(),
            within: histogram(),
            lag: histogram(),
            full: 0,
            late: 0,
            slowest_allowed: Duration::ZERO,
            details: BTreeMap::new(),
        }
    }

    pub(super) fn arrived(&mut self, late: Duration) {
        self.lag.saturating_record(microseconds(late));
    }

    /// A call ended so.
    pub(crate) fn answered(&mut self, answer: &Answer, took: Took) {
        let latency = microseconds(took.latency);
        self.classes[place(answer.class)].saturating_record(latency);
        if answer.class == Class::Allowed {
            self.slowest_allowed = self.slowest_allowed.max(took.on_the_way);
            if took.into_window <= self.window {
                self.within.saturating_record(latency);
            }
        }
        if let Some(detail) = &answer.detail
            && (self.details.len() < DETAILS || self.details.contains_key(detail))
        {
            *self.details.entry(detail.clone()).or_default() += 1;
        }
    }

    /// Adds what another window showed.
    pub(crate) fn add(&mut self, other: &Self) {
        self.window += other.window;
        for (own, others) in self.classes.iter_mut().zip(&other.classes) {
            own.add(others).unwrap();
        }
        self.within.add(&other.within).unwrap();
        self.lag.add(&other.lag).unwrap();
        self.full += other.full;
        self.late += other.late;
        self.slowest_allowed = self.slowest_allowed.max(other.slowest_allowed);
        for (detail, count) in &other.details {
            *self.details.entry(detail.clone()).or_default() += count;
        }
    }

    /// The latencies of one kind.
    pub(crate) fn of(&self, class: Class) -> &Histogram<u64> {
        &self.classes[place(class)]
    }

    /// The latencies of all that were sent, however they ended.
    pub(crate) fn all(&self) -> Histogram<u64> {
        let mut all = histogram();
        for class in &self.classes {
            all.add(class).unwrap();
        }
        all
    }

    /// How many ended so.
    pub(crate) fn count(&self, class: Class) -> u64 {
        self.of(class).len()
    }

    /// How many were sent and ended.
    pub(crate) fn sent(&self) -> u64 {
        Class::ALL.into_iter().map(|class| self.count(class)).sum()
    }

    /// How many were due.
    pub(crate) fn due(&self) -> u64 {
        self.sent() + self.full + self.late
    }

    /// How many got an answer of any kind from the server.
    pub(crate) fn replies(&self) -> u64 {
        self.sent() - self.count(Class::Broken) - self.count(Class::TimedOut)
    }

    /// How many were allowed within `limit` of when they were due, a second. What is answered after the
    /// window does not count, for then there is no load any more.
    pub(crate) fn goodput(&self, limit: Duration) -> f64 {
        let good = self.within.count_between(0, microseconds(limit));
        self.a_second(good)
    }

    /// This many in the window, a second.
    pub(crate) fn a_second(&self, count: u64) -> f64 {
        float(count) / self.window.as_secs_f64()
    }

    /// How late calls were sent, in microseconds.
    pub(crate) fn lag(&self, percent: f64) -> u64 {
        self.lag.value_at_percentile(percent)
    }

    /// A line for each kind there is, and what is wrong.
    pub(crate) fn print(&self) {
        println!(
            "  due {:.0}/s, sent {:.0}/s; not sent: {} no room, {} generator late; sent late p50 {} µs, p99 {} µs, max {} µs",
            self.a_second(self.due()),
            self.a_second(self.sent()),
            self.full,
            self.late,
            self.lag(50.0),
            self.lag(99.0),
            self.lag(100.0),
        );
        println!(
            "  {:<11}{:>10}{:>10}{:>10}{:>10}{:>10}{:>10}{:>10}  (µs)",
            "", "count", "a second", "p50", "p90", "p99", "p99.9", "max"
        );
        for class in Class::ALL {
            let latencies = self.of(class);
            if !latencies.is_empty() {
                let at = |percent| latencies.value_at_percentile(percent);
                println!(
                    "  {:<11}{:>10}{:>10.0}{:>10}{:>10}{:>10}{:>10}{:>10}",
                    class.name(),
                    latencies.len(),
                    self.a_second(latencies.len()),
                    at(50.0),
                    at(90.0),
                    at(99.0),
                    at(99.9),
                    latencies.max(),
                );
            }
        }
        for (detail, count) in &self.details {
            println!("  {count} times: {detail}");
        }
    }
}

/// Up to a minute, three digits.
fn histogram() -> Histogram<u64> {
    Histogram::new_with_max(60_000_000, 3).unwrap()
}

fn place(class: Class) -> usize {
    Class::ALL.iter().position(|known| *known == class).unwrap()
}

fn microseconds(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX)
}

/// Exact for all counts that can occur here.
pub(crate) fn float(count: u64) -> f64 {
    f64::from(u32::try_from(count).unwrap_or(u32::MAX))
}
