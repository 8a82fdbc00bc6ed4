//! What one window showed.

use std::time::Duration;

use hdrhistogram::Histogram;

use super::BUDGET;
use crate::{
    open::{Class, Tally, float},
    verdict::Verdict,
};

/// What an allowed answer may take over the budget, from sending to reading, before it is a defect: more
/// than this machine stands still.
const MARGIN: Duration = Duration::from_millis(50);
/// What resident memory may grow in the three windows, in MiB.
const GROWTH: f64 = 32.0;

/// One multiple of the capacity.
pub(super) struct Row {
    pub(super) factor: f64,
    /// Allowed a second in a closed loop just before.
    pub(super) capacity: f64,
    pub(super) tally: Tally,
    /// CPU of each check that was not allowed, in microseconds: what was used less the allowed ones' cost
    /// in the closed loop.
    pub(super) others_cpu: Option<f64>,
    /// The server's own times of what it shed.
    pub(super) shed: Histogram<u64>,
    pub(super) health: Tally,
    /// Before and after, in MiB.
    pub(super) resident: [f64; 2],
    pub(super) peak: f64,
}

impl Row {
    fn goodput(&self) -> f64 {
        self.tally.goodput(BUDGET)
    }

    fn health_unanswered(&self) -> u64 {
        self.health.due() - self.health.count(Class::Allowed)
    }

    /// Everything of every window.
    pub(super) fn print(rows: &[Self]) {
        for row in rows {
            println!(
                " {} x capacity of {:.0}/s: goodput {:.0}/s, {:.1} % of it",
                row.factor,
                row.capacity,
                row.goodput(),
                row.goodput() / row.capacity * 100.0,
            );
            row.tally.print();
            let shed = float(row.tally.count(Class::Shed));
            println!(
                "  shed {:.1} % of what was sent; by the server's log arrival to answer {}; CPU of each not allowed {}",
                shed / float(row.tally.sent().max(1)) * 100.0,
                row.shed_times(),
                row.others_cpu
                    .map_or_else(|| "-".to_owned(), |cpu| format!("{cpu:.0} µs")),
            );
            let health = row.health.of(Class::Allowed);
            println!(
                "  health checks {} serving, {} not, p50 {} µs, max {} µs; resident {:.1} MiB before, {:.1} after, {:.1} at most",
                health.len(),
                row.health_unanswered(),
                health.value_at_percentile(50.0),
                health.max(),
                row.resident[0],
                row.resident[1],
                row.peak,
            );
        }
    }

    fn shed_times(&self) -> String {
        if self.shed.is_empty() {
            return "-".to_owned();
        }
        let at = |percent| self.shed.value_at_percentile(percent);
        format!(
            "p50 {} µs, p99 {} µs, max {} µs",
            at(50.0),
            at(99.0),
            at(100.0)
        )
    }

    /// Goals are said, and what cannot be noise ends the run.
    pub(super) fn judge(rows: &[Self], verdict: &mut Verdict) {
        for row in rows {
            row.judge_one(verdict);
        }
        let [before, after] = [&rows[0].resident[0], &rows[rows.len() - 1].resident[1]];
        let grown = after - before;
        verdict.must(
            &format!("resident memory grew by {grown:.1} MiB, at most {GROWTH}"),
            grown <= GROWTH,
        );
    }

    fn judge_one(&self, verdict: &mut Verdict) {
        let (factor, tally) = (self.factor, &self.tally);
        let ratio = self.goodput() / self.capacity * 100.0;
        // Random arrivals leave gaps at the capacity itself, in which there is nothing to do.
        verdict.goal(
            &format!("{factor} x: goodput is {ratio:.1} % of the peak, goal 95 %"),
            ratio >= 95.0,
        );
        let p99 = tally.of(Class::Allowed).value_at_percentile(99.0);
        verdict.goal(
            &format!("{factor} x: p99 of the allowed is {p99} µs, goal the budget"),
            u128::from(p99) <= BUDGET.as_micros(),
        );
        // Each is more than the service of one that was shed: waiting is in the log's time, and in the CPU
        // whatever else the allowed ones cost under load.
        let logged = (!self.shed.is_empty()).then(|| float(self.shed.value_at_percentile(99.0)));
        let service = [logged, self.others_cpu].into_iter().flatten();
        let service = service.fold(f64::INFINITY, f64::min);
        if tally.count(Class::Shed) > 0 {
            verdict.goal(
                &format!(
                    "{factor} x: the service of one shed is at most {service:.0} µs, goal 1000 µs"
                ),
                service < 1000.0,
            );
        }
        let slowest = tally.slowest_allowed;
        verdict.in_time(
            &format!(
                "{factor} x: the slowest allowed took {slowest:.1?}, at most {:?}",
                BUDGET + MARGIN
            ),
            slowest <= BUDGET + MARGIN,
        );
        let errors = tally.count(Class::Grpc) + tally.count(Class::Broken);
        verdict.must(
            &format!("{factor} x: {errors} gRPC errors or broken streams"),
            errors == 0,
        );
        let unanswered = self.health_unanswered();
        verdict.must(
            &format!("{factor} x: {unanswered} health checks without an answer"),
            unanswered == 0,
        );
    }
}
