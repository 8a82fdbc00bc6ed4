//! Whether tokens with unknown keys disturb valid traffic: its latency alone, beside a thousand checks a
//! second more of the same kind, and beside as many whose tokens have random `kid`s.
//!
//! The load is open: checks arrive at random times, the same in the three windows of a round, and each is
//! timed from when it was due, so that waiting is not left out. The sender never sleeps, for timers are
//! too coarse.

use std::{
    iter,
    time::{Duration, Instant},
};

use bytes::Bytes;
use tokio::task::{JoinSet, yield_now};
use tonic::transport::Channel;

use crate::{
    client::{ALLOWED, check, connect, runtime},
    figures::{latency, median, spread},
    issuer::{Issuer, known, request, unknown_kid},
    server::Server,
};

/// Valid checks a second; about a third of what one core can do.
const VALID: f64 = 8_000.0;
/// Those beside, a second.
const BESIDE: f64 = 1_000.0;
const TOKENS: usize = 100;

const POLICY: &str = r#"package envoy.authz
default allow := {"allowed": false, "http_status": 401}
allow if input.jwt.claims.tier == "premium"
"#;
/// The policy's word: no other denial has this status.
const UNKNOWN_KEY: i32 = 401;

/// How much is measured.
struct Scale {
    rounds: u64,
    window: Duration,
    min_refresh: Duration,
}

/// Short windows, because a machine that stands still for some milliseconds spoils the p99 of one; the
/// default `min_refresh`.
const FULL: Scale = Scale {
    rounds: 80,
    window: Duration::from_millis(250),
    min_refresh: Duration::from_secs(10),
};
const BRIEF: Scale = Scale {
    rounds: 1,
    window: Duration::from_millis(200),
    min_refresh: Duration::from_millis(50),
};

/// What arrives beside the valid traffic.
#[derive(Clone, Copy)]
enum Beside {
    Nothing,
    Remembered,
    Unknown,
}

const KINDS: [(Beside, &str); 3] = [
    (Beside::Nothing, "alone"),
    (Beside::Remembered, "beside remembered tokens"),
    (Beside::Unknown, "beside unknown kids"),
];

/// What one window showed.
#[derive(Clone, Copy)]
struct Window {
    /// In microseconds.
    p50: f64,
    /// In microseconds.
    p99: f64,
    /// The part of the time in which the server was at work.
    busy: f64,
}

/// Prints medians of the windows and of the ratios, and how often keys were fetched.
pub(crate) fn measure(brief: bool) {
    let scale = if brief { BRIEF } else { FULL };
    println!(
        "{VALID} checks a second with {TOKENS} remembered tokens, and {BESIDE} a second beside; {} rounds of {} ms each",
        scale.rounds,
        scale.window.as_millis()
    );
    let issuer = Issuer::start();
    let began = Instant::now();
    let server = Server::portcullis(POLICY, &issuer.config(scale.min_refresh));
    let rounds = runtime().block_on(async {
        let load = Load::new(&issuer, &server).await;
        let mut rounds = Vec::new();
        for round in 0..=scale.rounds {
            rounds.push(load.round(round, scale.window).await);
        }
        // The first round warmed up.
        rounds.split_off(1)
    });
    show(&rounds);
    let fetches = issuer.fetches();
    let took = began.elapsed();
    println!(
        "  {fetches} fetches of keys in {:.1} s, `min_refresh` is {} ms",
        took.as_secs_f64(),
        scale.min_refresh.as_millis()
    );
    // The first begins at once, each other `min_refresh` or more after the one before.
    let most = took.as_millis() / scale.min_refresh.as_millis() + 1;
    assert!(u128::try_from(fetches).unwrap() <= most, "too many fetches");
    // Unknown keys are asked for, at the latest in the round after it may be.
    let latest = scale.min_refresh + 4 * scale.window;
    let least = took.as_millis() / latest.as_millis();
    assert!(u128::try_from(fetches).unwrap() >= least, "too few fetches");
}

fn show(rounds: &[[Window; 3]]) {
    for (kind, (_, name)) in KINDS.into_iter().enumerate() {
        let of =
            |figure: fn(&Window) -> f64| median(rounds.iter().map(|round| figure(&round[kind])));
        println!(
            "  {name:<25} p50 {:>6.0} µs   p99 {:>6.0} µs   server busy {:>3.0} %",
            of(|window| window.p50),
            of(|window| window.p99),
            of(|window| window.busy) * 100.0,
        );
    }
    for (with, without) in [(2, 0), (1, 0), (2, 1)] {
        let ratios = |figure: fn(&Window) -> f64| {
            let ratio = |round: &[Window; 3]| figure(&round[with]) / figure(&round[without]);
            spread(&rounds.iter().map(ratio).collect::<Vec<_>>())
        };
        println!(
            "  {} / {}: p99 ratio {}, p50 ratio {}",
            KINDS[with].1,
            KINDS[without].1,
            ratios(|window| window.p99),
            ratios(|window| window.p50),
        );
    }
}

/// Both kinds of traffic, each on its own connections.
struct Load<'a> {
    server: &'a Server,
    valid: Vec<Channel>,
    beside: Vec<Channel>,
    remembered: Vec<Bytes>,
}

impl<'a> Load<'a> {
    async fn new(issuer: &Issuer, server: &'a Server) -> Self {
        let valid = connect(server.port()).await;
        let remembered: Vec<Bytes> = (0..TOKENS)
            .map(|number| request("GET", Some(&issuer.token(number))))
            .collect();
        for request in &remembered {
            known(&valid[0], request).await;
        }
        Self {
            server,
            valid,
            beside: connect(server.port()).await,
            remembered,
        }
    }

    /// A window of each kind, in the order of [`KINDS`]; which is first changes from round to round.
    async fn round(&self, round: u64, window: Duration) -> [Window; 3] {
        let mut random = fastrand::Rng::with_seed(round);
        let valid = arrivals(&mut random, VALID, window);
        let beside = arrivals(&mut random, BESIDE, window);
        let unknown: Vec<Bytes> = iter::repeat_with(|| unknown_kid(&mut random))
            .take(beside.len())
            .map(|token| request("GET", Some(&token)))
            .collect();
        let mut windows = [None; 3];
        for turn in 0..KINDS.len() {
            let kind = (usize::try_from(round).unwrap() + turn) % KINDS.len();
            let none: &[Duration] = &[];
            let (beside, requests, status) = match KINDS[kind].0 {
                Beside::Nothing => (none, &self.remembered, ALLOWED),
                Beside::Remembered => (beside.as_slice(), &self.remembered, ALLOWED),
                Beside::Unknown => (beside.as_slice(), &unknown, UNKNOWN_KEY),
            };
            let (before, began) = (self.server.cpu(), Instant::now());
            let (latencies, _) = tokio::join!(
                send(&self.valid, &self.remembered, &valid, began, ALLOWED),
                send(&self.beside, requests, beside, began, status),
            );
            let busy = (self.server.cpu() - before) / began.elapsed().as_secs_f64();
            windows[kind] = Some(Window {
                p50: latency(&latencies, 50),
                p99: latency(&latencies, 99),
                busy,
            });
        }
        windows.map(Option::unwrap)
    }
}

/// When checks arrive that know nothing of each other, `rate` of them a second on average.
fn arrivals(random: &mut fastrand::Rng, rate: f64, window: Duration) -> Vec<Duration> {
    let mut at = 0.0;
    let next = iter::repeat_with(|| {
        at -= (1.0 - random.f64()).ln() / rate;
        Duration::from_secs_f64(at)
    });
    next.take_while(|at| *at < window).collect()
}

/// Sends each check when it is due, whatever became of those before, and returns how long after that
/// it was answered.
async fn send(
    connections: &[Channel],
    requests: &[Bytes],
    arrivals: &[Duration],
    began: Instant,
    status: i32,
) -> Vec<Duration> {
    let mut answers = JoinSet::new();
    for (number, arrival) in arrivals.iter().enumerate() {
        let due = began + *arrival;
        yield_now().await;
        while Instant::now() < due {
            yield_now().await;
        }
        let channel = connections[number % connections.len()].clone();
        let check = check(channel, requests[number % requests.len()].clone());
        answers.spawn(async move {
            let answer = check.await;
            let took = due.elapsed();
            assert_eq!(answer, status, "the status of a check");
            took
        });
    }
    answers.join_all().await
}
