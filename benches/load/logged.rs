//! What a decision log costs the checks that it tells of: throughput with the console log beside none, and
//! latency at a constant load while the service that records go to is healthy, slow, failing or absent.
//!
//! Sides are windows of the same load in turn. A log that loses records is no cheaper for it: every record
//! is accounted for at the end, and the console may lose none.

mod receiver;

use std::time::Duration;

use serde_json::{Value, json};

use self::receiver::{Manner, Receiver};
use crate::{
    arguments::Arguments,
    client::{recorded, runtime},
    figures::{median, spread},
    noop::SKELETON,
    open::{Call, Class, Generator, Pace, Stream, Tally, closed_loop, float},
    server::Server,
    setting::Setting,
    verdict::Verdict,
};

/// The least of the throughput without that the console log must leave.
const LEFT: f64 = 0.7;
/// The most of the p99 without a log that there may be with one.
const SLOWER: f64 = 1.2;
/// Clients on each connection that keep the server busy.
const CLIENTS: usize = 16;
/// The part of what it can do that is the constant load.
const LOAD: f64 = 0.25;

/// Prints the pairs' throughput, and whether anything was lost.
pub(crate) fn console(arguments: &Arguments) -> bool {
    let (pairs, window) = extent(arguments, 21, 2);
    let mut verdict = Verdict::new(arguments.test);
    for setting in arguments.rows() {
        println!(
            "console log beside none, {setting}, {pairs} pairs of {} s",
            window.as_secs_f64()
        );
        let config = json!({"decision_logs": {"console": true}});
        let [plain, logging] = [json!({}), config]
            .map(|config| Server::unwatched(SKELETON, &config, &lenient(&setting)));
        let call = Call::check(&recorded(), Duration::from_secs(10));
        let mut found = Vec::new();
        runtime().block_on(async {
            for _ in 0..=pairs {
                let with = busy(arguments, &logging, &call, window).await;
                let without = busy(arguments, &plain, &call, window).await;
                found.push((with, without));
            }
        });
        // The first pair warmed up.
        show(&found[1..], &mut verdict);
        let counts = Counts::of(&logging, "console");
        counts.judge("console", &mut verdict);
        verdict.in_time(
            &format!(
                "{} of {} records were lost",
                counts.dropped, counts.decisions
            ),
            counts.dropped == 0,
        );
    }
    verdict.held()
}

/// A server that is never idle.
struct Busy {
    /// Checks a second.
    throughput: f64,
    /// Microseconds of CPU for each.
    cpu: f64,
}

async fn busy(arguments: &Arguments, server: &Server, call: &Call, window: Duration) -> Busy {
    server.idle().await;
    let before = server.cpu();
    let load = (arguments.connections, CLIENTS);
    let tally = closed_loop(&server.address(), load, call, window).await;
    let checks = tally.count(Class::Allowed);
    assert_eq!(checks, tally.sent(), "everything is allowed");
    let throughput = tally.a_second(checks);
    // What is told later counts too.
    server.idle().await;
    Busy {
        throughput,
        cpu: (server.cpu() - before) * 1e6 / float(checks),
    }
}

fn show(pairs: &[(Busy, Busy)], verdict: &mut Verdict) {
    let figures: [fn(&Busy) -> f64; 2] = [|busy| busy.throughput, |busy| busy.cpu];
    let names = ["checks a second", "CPU a check, µs"];
    for (name, figure) in names.into_iter().zip(figures) {
        let with = median(pairs.iter().map(|pair| figure(&pair.0)));
        let without = median(pairs.iter().map(|pair| figure(&pair.1)));
        let ratios = pairs.iter().map(|pair| figure(&pair.0) / figure(&pair.1));
        println!(
            "  {name:<16} with {with:>9.1}   without {without:>9.1}   ratio {}",
            spread(&ratios.collect::<Vec<_>>())
        );
    }
    let ratio = median(
        pairs
            .iter()
            .map(|pair| pair.0.throughput / pair.1.throughput),
    );
    verdict.in_time(
        &format!("with the console log {ratio:.2} of the throughput without, goal {LEFT}"),
        ratio >= LEFT,
    );
}

/// Prints a line for each kind of receiver, and what was wanted.
pub(crate) fn sinks(arguments: &Arguments) -> bool {
    // A minute for each side of each kind.
    let (pairs, window) = extent(arguments, 12, 5);
    let mut verdict = Verdict::new(arguments.test);
    for setting in arguments.rows() {
        let setting = lenient(&setting);
        for manner in Manner::ALL {
            let case = Case {
                arguments,
                setting: &setting,
                pairs,
                window,
            };
            case.run(manner, &mut verdict);
        }
    }
    verdict.held()
}

struct Case<'a> {
    arguments: &'a Arguments,
    setting: &'a Setting,
    pairs: usize,
    window: Duration,
}

impl Case<'_> {
    fn run(&self, manner: Manner, verdict: &mut Verdict) {
        let receiver = Receiver::start(manner);
        let plain = Server::unwatched(SKELETON, &json!({}), self.setting);
        let logging = Server::unwatched(SKELETON, &config(&receiver, manner), self.setting);
        let name = manner.name();
        let (pairs, sent) = runtime().block_on(self.load(&plain, &logging));
        let ratio = latencies(name, &pairs);
        let sides = pairs.iter().flat_map(|pair| [&pair.0, &pair.1]);
        let (all, allowed) = sides.fold((0, 0), |(all, allowed), tally| {
            (all + tally.sent(), allowed + tally.count(Class::Allowed))
        });
        let text = format!("{} of {all} checks were refused", all - allowed);
        verdict.must(&text, all == allowed);
        verdict.in_time(
            &format!("p99 is {ratio:.2} times that without a log, goal {SLOWER}"),
            ratio <= SLOWER,
        );
        let counts = Counts::of(&logging, "service");
        counts.judge(name, verdict);
        let text = format!("{} decisions for {sent} checks", counts.decisions);
        verdict.must(&text, counts.decisions == sent);
    }

    /// The windows with and without a log, and how many checks those with it had in all.
    async fn load(&self, plain: &Server, logging: &Server) -> (Vec<(Tally, Tally)>, u64) {
        // So long that a pause of the machine refuses nothing.
        let call = Call::check(&recorded(), Duration::from_secs(10));
        let second = Duration::from_secs(1);
        let load = (self.arguments.connections, CLIENTS);
        let capacity = closed_loop(&plain.address(), load, &call, second).await;
        let able = capacity.a_second(capacity.count(Class::Allowed));
        let rate = self.arguments.rate.unwrap_or(able * LOAD);
        println!(
            "{}, {} pairs of {} s, {rate:.0} checks a second",
            self.setting,
            self.pairs,
            self.window.as_secs_f64()
        );
        let stream = [Stream { call, rate }];
        let [mut of_logging, mut of_plain] =
            [self.generator(logging).await, self.generator(plain).await];
        let (mut found, mut sent) = (Vec::new(), 0);
        for pair in 0..=self.pairs {
            let seed = u64::try_from(pair).unwrap();
            let logged = of_logging.run(&stream, self.window, seed).await.remove(0);
            let silent = of_plain.run(&stream, self.window, seed).await.remove(0);
            sent += logged.sent();
            // The first pair warmed up.
            if pair > 0 {
                found.push((logged, silent));
            }
        }
        (found, sent)
    }

    async fn generator(&self, server: &Server) -> Generator {
        let Arguments {
            connections,
            outstanding,
            ..
        } = *self.arguments;
        let pace = Pace::of(self.arguments, self.setting);
        Generator::connect(&server.address(), connections, outstanding, pace).await
    }
}

/// Prints the percentiles, and gives the middle of what the pairs' p99 are to one another: a pause of the
/// machine spoils one pair.
fn latencies(name: &str, pairs: &[(Tally, Tally)]) -> f64 {
    let at = |tally: &Tally, percentile: f64| {
        float(tally.of(Class::Allowed).value_at_percentile(percentile))
    };
    for percentile in [50.0, 99.0] {
        let with = median(pairs.iter().map(|pair| at(&pair.0, percentile)));
        let without = median(pairs.iter().map(|pair| at(&pair.1, percentile)));
        println!("  {name:<8} p{percentile} {with:>8.0} beside {without:>8.0} µs");
    }
    let ratios = pairs
        .iter()
        .map(|pair| at(&pair.0, 99.0) / at(&pair.1, 99.0).max(1.0));
    let ratios: Vec<f64> = ratios.collect();
    println!("  {name:<8} ratio of p99 {}", spread(&ratios));
    median(ratios)
}

/// Little may wait where the receiver is in trouble, so that this costs records.
fn config(receiver: &Receiver, manner: Manner) -> Value {
    let limit = match manner {
        Manner::Healthy => 64 << 20,
        Manner::Slow | Manner::Failing | Manner::Absent => 1 << 20,
    };
    json!({
        "services": {"logs": {"url": receiver.url(), "response_header_timeout_seconds": 5}},
        "decision_logs": {
            "service": "logs",
            "reporting": {
                "buffer_type": "size",
                "buffer_size_limit_bytes": limit,
                "min_delay_seconds": 1,
                "max_delay_seconds": 2,
            },
        },
    })
}

/// So much time that a busy machine changes no answer.
fn lenient(setting: &Setting) -> Setting {
    let mut setting = setting.clone();
    setting.set.push("portcullis.budget=10s".to_owned());
    setting
}

/// How many pairs, and how long a window of each is, in seconds.
fn extent(arguments: &Arguments, pairs: usize, window: u64) -> (usize, Duration) {
    let (pairs, window) = if arguments.test {
        (1, Duration::from_millis(400))
    } else {
        (pairs, Duration::from_secs(window))
    };
    let pairs = arguments.rounds.unwrap_or(pairs);
    (pairs, arguments.duration.unwrap_or(window))
}

/// What a server tells of its decision log.
struct Counts {
    decisions: u64,
    skipped: u64,
    sent: u64,
    dropped: u64,
    waiting: u64,
}

impl Counts {
    fn of(server: &Server, sink: &str) -> Self {
        let text = server.metrics();
        let sum = |name: &str, labels: &[String]| -> u64 {
            let start = format!("portcullis_decision_log_{name}");
            let of_name = text.lines().filter_map(|line| {
                let (labelled, value) = line.strip_prefix(&start)?.rsplit_once(' ')?;
                let whole = labelled.is_empty() || labelled.starts_with('{');
                let wanted = labels.is_empty() || labels.iter().any(|l| labelled.contains(l));
                (whole && wanted).then(|| value.parse::<u64>().unwrap())
            });
            of_name.sum()
        };
        let own = format!("sink=\"{sink}\"");
        let all = "sink=\"all\"".to_owned();
        Self {
            decisions: sum("decisions_total", &[]),
            skipped: sum("skipped_total", &[]),
            sent: sum("sent_total", std::slice::from_ref(&own)),
            dropped: sum("dropped_total", &[own.clone(), all]),
            waiting: sum("queue_records", &[]) + sum("buffered_records", &[own]),
        }
    }

    fn judge(&self, name: &str, verdict: &mut Verdict) {
        let Self {
            decisions,
            skipped,
            sent,
            dropped,
            waiting,
        } = self;
        verdict.must(
            &format!(
                "{name}: {decisions} decisions = {skipped} skipped + {sent} sent + {dropped} dropped + {waiting} waiting"
            ),
            *decisions == skipped + sent + dropped + waiting && *decisions > 0,
        );
    }
}
