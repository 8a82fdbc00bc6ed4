//! Clocks that jump: the budget holds at every border between stages, tokens are judged by the time
//! there is, and a check that is dropped leaves nothing behind.

use std::{
    cell::Cell,
    collections::BTreeSet,
    sync::Arc,
    time::{Duration, Instant},
};

use bytes::Bytes;
use envoy_types::pb::envoy::service::auth::v3::CheckResponse;
use futures_util::FutureExt as _;
use http::HeaderMap;
use portcullis::{
    app::build::check_options,
    check::{Active, Call, Callers, CheckService, Knowledge, Tokens},
    clock::{Clock, Now, Reading},
    identity::jwt::{KeySet, Options, Provider, ProviderKeys},
    input,
    outcome::Stage,
    policy::{Policy, PolicyFile},
    snapshot::Snapshot,
    telemetry::{Metrics, recorder::Recording},
};
use prost::Message as _;
use serde_json::json;

use crate::{
    failures::{code, decision_id},
    key_server::keys::{Signer, key_set},
    log,
    requests::{self, GET},
    server::{config, knowledge},
};

/// Allows the path `/open` and every token that verifies.
const POLICY: &str = r#"package envoy.authz

default allow := {"allowed": false, "reason": "closed"}

allow := true if input.parsed_path[0] == "open"

allow := true if input.jwt.subject == "alice"
"#;

const ISSUER: &str = "https://id.example";
const BUDGET: Duration = Duration::from_secs(30);
const HOUR: i64 = 3600;

thread_local! {
    /// Readings until the monotonic clock jumps past every budget.
    static JUMPS_AT: Cell<usize> = const { Cell::new(usize::MAX) };
    static READINGS: Cell<usize> = const { Cell::new(0) };
    /// Seconds by which the wall clock is wrong, and how that changes with every reading.
    static WRONG: Cell<(i64, bool)> = const { Cell::new((0, false)) };
}

/// The clock of this test's thread.
fn reading() -> Now {
    let readings = READINGS.get() + 1;
    READINGS.set(readings);
    let (wrong, flips) = WRONG.get();
    if flips {
        WRONG.set((-wrong, true));
    }
    let now = Clock::System.now();
    let jump = if readings >= JUMPS_AT.get() {
        BUDGET * 2
    } else {
        Duration::ZERO
    };
    Now {
        unix: moved(now.unix, wrong),
        instant: now.instant + jump,
    }
}

/// `unix`, so many seconds later or earlier.
fn moved(unix: Duration, seconds: i64) -> Duration {
    let by = Duration::from_secs(seconds.unsigned_abs());
    if seconds < 0 {
        unix.saturating_sub(by)
    } else {
        unix.saturating_add(by)
    }
}

/// A service in this test's time, and what it is made of.
struct Judge {
    service: CheckService,
    callers: Arc<Callers>,
    metrics: Arc<Metrics>,
    _recording: Recording,
}

impl Judge {
    /// Trusts one provider, whose keys checks may wait for.
    fn new() -> Self {
        log::start();
        let mut provider = Provider::new("main", ISSUER);
        provider.wait_for_key = Duration::from_millis(1);
        let options = Options {
            providers: vec![provider],
            ..Options::default()
        };
        let callers = Arc::new(Callers {
            tokens: Tokens::new(options),
            ..Callers::default()
        });
        let config = config(&["portcullis.budget=30s", "portcullis.isolation.slice=30s"]);
        let policy = PolicyFile {
            name: "policy.rego".to_owned(),
            data_path: Vec::new(),
            bytes: POLICY.as_bytes().to_vec(),
        };
        let policy = Policy::load(&[policy], &config.load_options()).unwrap();
        let metrics = Arc::new(Metrics::new(None));
        let active = Snapshot::of(Active::new(policy, &input::Options::default()));
        let knowledge = Knowledge {
            callers: Arc::clone(&callers),
            ..knowledge(active, &metrics)
        };
        let (telemetry, recording) = log::told(Arc::clone(&metrics));
        let clock = Clock::By(Reading(&reading));
        let service = CheckService::new(knowledge, check_options(&config), telemetry, clock);
        Self {
            service,
            callers,
            metrics,
            _recording: recording,
        }
    }

    fn trust(&self, signer: &Signer, usable_until: Option<Instant>) {
        let set = KeySet::parse(key_set(&[signer]).to_string().as_bytes()).unwrap();
        let keys = ProviderKeys {
            set: Some(Arc::new(set)),
            usable_until,
        };
        self.callers.tokens.keys().set(0, keys);
    }

    async fn check(&self, request: &[u8]) -> CheckResponse {
        let now = self.service.now();
        let call = Call {
            metadata: &HeaderMap::new(),
            called: now,
            request: Bytes::copy_from_slice(request),
            arrived: now,
        };
        let answer = self.service.check(call).await;
        CheckResponse::decode(answer.unwrap()).unwrap()
    }

    /// What the log says of a token in this check: `verified`, or the code. An allow is never told of
    /// another one.
    async fn token(&self, request: &[u8]) -> String {
        let answer = self.check(request).await;
        let line = log::of_check(&decision_id(&answer));
        let error = line["token.error"].as_str();
        assert_eq!(code(&answer) == 0, error.is_none(), "{line}");
        assert_ne!(line["reason"], "budget", "{line}");
        error.unwrap_or("verified").to_owned()
    }

    /// The value of a series.
    fn count(&self, series: &str) -> u64 {
        let text = self.metrics.encode();
        let mut lines = text.lines();
        let value = lines.find_map(|line| line.strip_prefix(series)?.strip_prefix(' '));
        value.expect(series).parse().unwrap()
    }

    /// All checks that were counted.
    fn checks(&self) -> u64 {
        let text = self.metrics.encode();
        let counts = text
            .lines()
            .filter(|line| line.starts_with("portcullis_checks_total{"));
        counts
            .map(|line| line.rsplit_once(' ').unwrap().1.parse::<u64>().unwrap())
            .sum()
    }
}

/// A GET of `path` with a token.
fn bearing(path: &str, token: &str) -> Vec<u8> {
    requests::http(GET, |http| {
        path.clone_into(&mut http.path);
        let value = format!("Bearer {token}");
        http.headers.insert("authorization".to_owned(), value);
    })
}

/// A new token that is good from ten minutes ago until in ten minutes.
fn token(signer: &Signer) -> String {
    let now = Clock::System.now().unix.as_secs();
    let (from, until, id) = (now - 600, now + 600, fastrand::u64(..));
    let claims = json!({"iss": ISSUER, "sub": "alice", "nbf": from, "exp": until, "jti": id});
    signer.token(&claims)
}

/// How a check ends whose time is over at the `n`-th reading of the clock: the stage that used up the
/// budget, or that it was allowed; and how often the clock was read.
async fn over_at(n: usize, judge: &Judge, request: &[u8]) -> (Option<String>, usize) {
    READINGS.set(0);
    JUMPS_AT.set(n);
    let answer = judge.check(request).await;
    JUMPS_AT.set(usize::MAX);
    let readings = READINGS.get();
    let line = log::of_check(&decision_id(&answer));
    if code(&answer) == 0 {
        assert_eq!(line["outcome"], "allowed", "{line}");
        return (None, readings);
    }
    assert_eq!(code(&answer), 14, "{line}");
    assert_eq!(line["outcome"], "error", "{line}");
    assert_eq!(line["reason"], "budget", "{line}");
    (
        Some(line["budget.stage"].as_str().unwrap().to_owned()),
        readings,
    )
}

#[tokio::test]
async fn time_that_is_over_at_any_reading_of_the_clock_is_a_denial_that_names_the_stage() {
    let judge = Judge::new();
    let (stranger, without_token) = (Signer::es256("unknown"), requests::path("/open"));
    let awaited = bearing("/open", &token(&stranger));
    // A fetch is under way, so that the second request waits for its key.
    judge.trust(&Signer::es256("known"), None);
    judge.callers.tokens.refreshes()[0].began(Instant::now());
    for request in [without_token, awaited] {
        let (mut stages, mut n, mut allowed) = (BTreeSet::new(), 1, 0);
        loop {
            n += 1;
            let (stage, readings) = over_at(n, &judge, &request).await;
            match stage {
                Some(stage) => {
                    assert_eq!(allowed, 0, "denied in `{stage}` after all stages were done");
                    stages.insert(stage);
                }
                None => allowed += 1,
            }
            if readings < n {
                break;
            }
        }
        let expected = Stage::ALL.map(|stage| stage.as_str().to_owned());
        assert_eq!(stages, expected.into());
        assert!(allowed > 0, "the twin whose time is not over");
        // A clock that jumps before the check arrives takes nothing away.
        assert_eq!(over_at(1, &judge, &request).await.0, None);
    }
}

#[tokio::test]
async fn tokens_are_judged_by_the_time_there_is_and_budgets_by_the_time_that_passes() {
    let (judge, signer) = (Judge::new(), Signer::es256("a"));
    judge.trust(&signer, None);
    let lasting = bearing("/", &token(&signer));
    for (wrong, expected) in [
        (0, "verified"),
        (HOUR, "expired"),
        (0, "verified"),
        (-HOUR, "not_yet_valid"),
        (HOUR, "expired"),
        (0, "verified"),
        // Before 1970, and as late as it gets.
        (i64::MIN, "not_yet_valid"),
        (i64::MAX, "expired"),
        (0, "verified"),
    ] {
        WRONG.set((wrong, false));
        let new = bearing("/", &token(&signer));
        // The second time from what is remembered.
        for _ in 0..2 {
            assert_eq!(judge.token(&new).await, expected, "{wrong} s");
        }
        // That one has expired may be remembered for `failure_ttl`, whatever the clock does; never that
        // one has not.
        let told = judge.token(&lasting).await;
        assert_eq!(
            told == "verified",
            expected == "verified",
            "{wrong} s: {told}"
        );
    }
    // Back and forth with every reading.
    for first in [HOUR, -HOUR] {
        WRONG.set((first, true));
        for _ in 0..100 {
            let told = judge.token(&lasting).await;
            assert!(
                ["expired", "not_yet_valid"].contains(&told.as_str()),
                "{told}"
            );
            assert_eq!(code(&judge.check(&requests::path("/open")).await), 0);
            assert_ne!(code(&judge.check(&requests::path("/closed")).await), 0);
        }
    }
    WRONG.set((0, false));
    assert_eq!(judge.token(&lasting).await, "verified");
    assert_eq!(judge.count("portcullis_panics_total"), 0);
}

#[tokio::test]
async fn the_age_of_keys_does_not_depend_on_the_wall_clock() {
    let (judge, signer) = (Judge::new(), Signer::es256("a"));
    let request = bearing("/", &token(&signer));
    for (until, expected) in [
        (Instant::now() + BUDGET * 10, "verified"),
        (Instant::now(), "keys_unavailable"),
    ] {
        judge.trust(&signer, Some(until));
        assert_eq!(judge.token(&request).await, expected);
        for wrong in [HOUR, -HOUR] {
            WRONG.set((wrong, false));
            let told = judge.token(&request).await;
            WRONG.set((0, false));
            assert_eq!(
                told == "keys_unavailable",
                expected == "keys_unavailable",
                "{told}"
            );
            assert_ne!(told, "verified");
        }
        assert_eq!(judge.token(&request).await, expected);
    }
}

#[tokio::test]
async fn a_check_that_is_dropped_while_it_waits_is_no_decision_and_leaves_nothing_behind() {
    let (judge, signer) = (Judge::new(), Signer::es256("a"));
    judge.callers.tokens.refreshes()[0].began(Instant::now());
    let request = bearing("/", &token(&signer));
    let (metadata, request) = (HeaderMap::new(), Bytes::from(request));
    for _ in 0..1000 {
        let check = judge.service.check(Call {
            metadata: &metadata,
            request: request.clone(),
            called: judge.service.now(),
            arrived: judge.service.now(),
        });
        // Polled once, and dropped.
        assert!(check.now_or_never().is_none(), "it did not wait");
    }
    assert_eq!(judge.count("portcullis_in_flight"), 0);
    assert_eq!(judge.count("portcullis_abandoned_total"), 1000);
    assert_eq!(judge.checks(), 0);

    judge.trust(&signer, None);
    assert_eq!(judge.token(&request).await, "verified");
    assert_eq!(judge.checks(), 1);
}
