//! What the windows of one row showed.

use std::time::Duration;

use super::Window;
use crate::{
    figures::spread,
    open::{Class, Tally, float},
    server::Server,
    verdict::Verdict,
};

/// The default.
const BUDGET: Duration = Duration::from_millis(100);
/// What an answer may take over it.
const OVER: Duration = Duration::from_millis(5);
/// What the p99 of cheap checks may become.
const RATIO: f64 = 2.0;
/// What resident memory may grow over all rounds, in MiB.
const GROWTH: f64 = 64.0;

/// All windows of each kind as one, and the ratio of every round.
#[derive(Default)]
pub(super) struct Found {
    windows: Option<Window>,
    ratios: Vec<f64>,
    /// In MiB: after warming up, at the end, and the most between.
    memory: [f64; 3],
}

impl Found {
    /// Everything from now on counts.
    pub(super) fn begin(&mut self, server: &Server) {
        server.forget_peak();
        self.memory[0] = server.resident();
    }

    /// Nothing counts any more.
    pub(super) fn end(&mut self, server: &Server) {
        self.memory[1] = server.resident();
        self.memory[2] = server.peak();
    }

    pub(super) fn add(&mut self, window: &Window) {
        self.ratios.push(ratio(window));
        let windows = self
            .windows
            .get_or_insert_with(|| [0; 3].map(|_| Tally::new(Duration::ZERO)));
        for (own, other) in windows.iter_mut().zip(window) {
            own.add(other);
        }
    }

    fn windows(&self) -> &Window {
        self.windows.as_ref().unwrap()
    }

    pub(super) fn print(&self) {
        let names = ["cheap, alone", "cheap, beside", "hostile"];
        for (name, tally) in names.into_iter().zip(self.windows()) {
            println!(" {name}");
            tally.print();
        }
        println!(
            " p99 of the cheap beside / alone: {:.2} over all rounds, median of rounds {}",
            ratio(self.windows()),
            spread(&self.ratios)
        );
        let [before, after, most] = self.memory;
        println!(" resident {before:.1} MiB before, {after:.1} after, {most:.1} at most");
    }

    pub(super) fn judge(&self, verdict: &mut Verdict) {
        let [alone, cheap, hostile] = self.windows();
        let ratio = ratio(self.windows());
        verdict.goal(
            &format!("p99 of the cheap is {ratio:.2} times what it is alone, goal {RATIO}"),
            ratio <= RATIO,
        );
        let refused = cheap.due() - cheap.count(Class::Allowed);
        verdict.goal(
            &format!(
                "{refused} of {} cheap checks beside were not allowed",
                cheap.due()
            ),
            refused == 0,
        );
        let stopped = [Class::Budget, Class::Shed, Class::Failed].map(|class| hostile.count(class));
        let stopped: u64 = stopped.into_iter().sum();
        verdict.goal(
            &format!(
                "{stopped} of {} hostile checks were stopped or shed with an answer",
                hostile.due()
            ),
            stopped == hostile.due(),
        );
        let slowest = Duration::from_micros(hostile.of(Class::Budget).max());
        verdict.goal(
            &format!(
                "the last `budget` came {slowest:.1?} after it was due, goal {:?}",
                BUDGET + OVER
            ),
            slowest <= BUDGET + OVER,
        );
        verdict.must(
            &format!(
                "{} hostile checks were allowed",
                hostile.count(Class::Allowed)
            ),
            hostile.count(Class::Allowed) == 0,
        );
        let all = [alone, cheap, hostile].map(|t| t.count(Class::Grpc) + t.count(Class::Broken));
        let errors: u64 = all.into_iter().sum();
        verdict.must(
            &format!("{errors} gRPC errors or broken streams"),
            errors == 0,
        );
        let grown = self.memory[1] - self.memory[0];
        verdict.must(
            &format!("resident memory grew by {grown:.1} MiB, at most {GROWTH}"),
            grown <= GROWTH,
        );
    }
}

/// Of the p99 of the cheap checks, beside the others to alone. Those that were not answered count too:
/// for their callers they took as long.
fn ratio([alone, beside, _]: &Window) -> f64 {
    let [alone, beside] = [alone, beside].map(|tally| float(tally.all().value_at_percentile(99.0)));
    beside / alone.max(1.0)
}
