//! Minutes at half of what the server can do, with a new policy every second: every check allowed, p99.9
//! steady, memory flat.

mod memory;

use std::{
    sync::mpsc::{self, Receiver, RecvTimeoutError},
    thread,
    time::{Duration, Instant},
};

use serde_json::json;

use self::memory::Memory;
use crate::{
    arguments::Arguments,
    client::{recorded, runtime},
    figures::median,
    open::{Call, Class, Generator, Pace, Stream, Tally, closed_loop, float},
    server::Server,
    setting::Setting,
    verdict::Verdict,
};

const SWAP: Duration = Duration::from_secs(1);
/// What the worst window's p99.9 may be of the middle one's.
const STEADY: f64 = 2.0;

/// Two policies that differ and both allow what was recorded.
const POLICIES: [&str; 2] = [
    r#"package envoy.authz
default allow := false
allow if input.attributes.request.http.method == "GET"
"#,
    r#"package envoy.authz
default allow := false
allow if {
  input.attributes.source.principal == "spiffe://cluster.local/ns/foo/sa/sleep"
  startswith(input.attributes.request.http.path, "/api/")
}
"#,
];

/// Prints a line for each minute, and what was wanted.
pub(crate) fn measure(arguments: &Arguments) -> bool {
    let minutes = arguments.minutes.unwrap_or(10);
    let (windows, window) = if arguments.test {
        (3, Duration::from_millis(1_500))
    } else {
        (minutes, Duration::from_mins(1))
    };
    let mut verdict = Verdict::new(arguments.test);
    for mut setting in arguments.rows() {
        if arguments.test {
            setting.set.push("portcullis.budget=10s".to_owned());
        }
        println!("{setting}, {windows} windows of {} s", window.as_secs_f64());
        soak(arguments, &setting, windows, window, &mut verdict);
    }
    verdict.held()
}

fn soak(
    arguments: &Arguments,
    setting: &Setting,
    windows: u64,
    window: Duration,
    verdict: &mut Verdict,
) {
    let config = json!({"portcullis": {"watch": true}});
    let server = Server::with(POLICIES[0], &config, setting);
    let (stop, stopped) = mpsc::channel();
    let began = Instant::now();
    let (tallies, (memory, swaps)) = thread::scope(|scope| {
        let server = &server;
        let swapper = scope.spawn(move || swap(server, began, &stopped));
        let tallies = runtime().block_on(async {
            let load = Load::new(arguments, setting, server).await;
            load.run(windows, window, began).await
        });
        drop::<mpsc::Sender<()>>(stop);
        (tallies, swapper.join().unwrap())
    });
    show(&tallies, &memory);
    judge(&tallies, verdict);
    memory.judge(verdict);
    judge_swaps(&server, swaps, verdict);
}

/// A new policy and a look at the memory every second, until `stopped`.
fn swap(server: &Server, began: Instant, stopped: &Receiver<()>) -> (Memory, usize) {
    let mut memory = Memory::default();
    let mut swaps = 0;
    let mut next = began;
    loop {
        next += SWAP;
        let pause = next.saturating_duration_since(Instant::now());
        if stopped.recv_timeout(pause) != Err(RecvTimeoutError::Timeout) {
            return (memory, swaps);
        }
        swaps += 1;
        server.swap(POLICIES[swaps % POLICIES.len()]);
        memory.sample(began.elapsed(), server.resident());
    }
}

/// Half of what the server can do.
struct Load {
    generator: Generator,
    stream: [Stream; 1],
}

impl Load {
    async fn new(arguments: &Arguments, setting: &Setting, server: &Server) -> Self {
        let call = Call::check(&recorded(), arguments.patience());
        let (address, connections) = (server.address(), arguments.connections);
        let busy = closed_loop(&address, (connections, 16), &call, Duration::from_secs(1)).await;
        let capacity = busy.a_second(busy.count(Class::Allowed));
        let rate = capacity / 2.0;
        println!("capacity {capacity:.0}/s, load {rate:.0}/s");
        let pace = Pace::of(arguments, setting);
        let outstanding = arguments.outstanding;
        Self {
            generator: Generator::connect(&address, connections, outstanding, pace).await,
            stream: [Stream { call, rate }],
        }
    }

    /// One window after the other: when each began, and what it showed.
    async fn run(
        mut self,
        windows: u64,
        window: Duration,
        began: Instant,
    ) -> Vec<(Duration, Tally)> {
        let mut tallies = Vec::new();
        for seed in 0..windows {
            let at = began.elapsed();
            let tally = self.generator.run(&self.stream, window, seed).await.pop();
            tallies.push((at, tally.unwrap()));
        }
        tallies
    }
}

fn show(tallies: &[(Duration, Tally)], memory: &Memory) {
    println!(
        "  {:>6}{:>10}{:>9}{:>9}{:>9}{:>9}{:>13}{:>10}{:>10}{:>15}",
        "window",
        "sent/s",
        "p50",
        "p99",
        "p99.9",
        "max",
        "not allowed",
        "not sent",
        "MiB",
        "KiB a minute"
    );
    for (number, (at, tally)) in (1..).zip(tallies) {
        let latencies = tally.of(Class::Allowed);
        let percentile = |percent| latencies.value_at_percentile(percent);
        let within = memory.between(*at, *at + tally.window);
        println!(
            "  {number:>6}{:>10.0}{:>9}{:>9}{:>9}{:>9}{:>13}{:>10}{:>10.2}{:>15.0}",
            tally.a_second(tally.sent()),
            percentile(50.0),
            percentile(99.0),
            percentile(99.9),
            latencies.max(),
            tally.sent() - tally.count(Class::Allowed),
            tally.full + tally.late,
            within.mean(),
            within.slope(),
        );
    }
}

fn judge(tallies: &[(Duration, Tally)], verdict: &mut Verdict) {
    let all = tallies.iter().map(|(_, tally)| tally);
    let refused: u64 = all
        .clone()
        .map(|t| t.sent() - t.count(Class::Allowed))
        .sum();
    verdict.must(&format!("{refused} checks were not allowed"), refused == 0);
    if refused > 0 {
        all.clone().for_each(Tally::print);
    }
    let unsent: u64 = all.clone().map(|t| t.full + t.late).sum();
    verdict.goal(&format!("{unsent} checks were not sent"), unsent == 0);
    let tails = all.map(|t| float(t.of(Class::Allowed).value_at_percentile(99.9)));
    let worst = tails.clone().fold(0.0, f64::max) / median(tails);
    verdict.goal(
        &format!("the worst p99.9 of a window is {worst:.2} times the middle one, goal {STEADY}"),
        worst <= STEADY,
    );
}

fn judge_swaps(server: &Server, swaps: usize, verdict: &mut Verdict) {
    let log = server.log(0);
    let count = |what| log.lines().filter(|line| line.contains(what)).count();
    let activated = count("\"policy activated\"");
    verdict.goal(
        &format!("{activated} policies were activated after {swaps} swaps"),
        activated >= swaps * 9 / 10,
    );
    verdict.must("policies were swapped", activated > 1);
    let rejected = count("\"policy rejected\"");
    verdict.must(&format!("{rejected} policies were rejected"), rejected == 0);
}
