//! A follower with everything around it, and the log of this process.

use std::{
    future::Future,
    io,
    path::Path,
    sync::{Arc, Mutex, Once},
    time::{Duration, Instant},
};

use portcullis::{
    clock::Clock,
    identity::{
        jose::Algorithm,
        jwt::{KeyRings, KeySet, Nudge, Refresh},
    },
    ready::Ready,
    sources::jwks::{Follower, Http, Kind, Source},
    telemetry::{
        Metrics,
        log::{Format, Level, subscriber},
    },
};
use serde_json::Value;
use tokio_util::task::AbortOnDropHandle;

pub(crate) const HOUR: Duration = Duration::from_hours(1);

/// A source that is fetched once, unless somebody asks.
pub(crate) fn source(kind: Kind) -> Source {
    Source {
        kind,
        refresh_interval: HOUR,
        max_refresh_interval: 24 * HOUR,
        max_stale: HOUR,
        required: true,
        http: Http::default(),
    }
}

/// The key set at `url`.
pub(crate) fn at(url: impl Into<String>) -> Source {
    source(Kind::Uri(url.into()))
}

/// A follower of the one provider, at work until this is dropped.
pub(crate) struct Following {
    pub(crate) keys: KeyRings,
    pub(crate) refresh: Refresh,
    pub(crate) ready: Ready,
    name: String,
    metrics: Arc<Metrics>,
    _task: Option<AbortOnDropHandle<()>>,
}

impl Following {
    /// Follows `source` as the provider `name`, which tells its log lines from those of other tests.
    pub(crate) fn start(name: &str, source: Source) -> Self {
        Self::start_with(name, source, Duration::from_millis(20), None)
    }

    pub(crate) fn start_with(
        name: &str,
        source: Source,
        min_refresh: Duration,
        persistence: Option<&Path>,
    ) -> Self {
        let refresh = Refresh::new(min_refresh);
        Self::start_asked_by(refresh, name, source, min_refresh, persistence)
    }

    pub(crate) fn start_asked_by(
        refresh: Refresh,
        name: &str,
        source: Source,
        min_refresh: Duration,
        persistence: Option<&Path>,
    ) -> Self {
        start_log();
        let keys = KeyRings::new(1);
        let (ready, metrics) = (Ready::new(), Arc::new(Metrics::new(None)));
        let follower = Follower {
            provider: 0,
            name: name.into(),
            source,
            min_refresh,
            keys: keys.clone(),
            refresh: refresh.clone(),
            ready: ready.register(format!("jwks:{name}")),
            metrics: Arc::clone(&metrics),
            clock: Clock::System,
            persistence: persistence.map(Path::to_owned),
        };
        Self {
            keys,
            refresh,
            ready,
            name: name.to_owned(),
            metrics,
            _task: follower.start(),
        }
    }

    /// Waits until `rounds` fetches have ended.
    pub(crate) async fn rounds(&self, rounds: u64) {
        let ended = async {
            loop {
                let now = self.refresh.rounds();
                if now >= rounds {
                    return;
                }
                self.refresh.after(now).await;
            }
        };
        soon(ended).await;
    }

    /// Asks for a fetch until that is granted, and waits for its end.
    pub(crate) async fn refreshed(&self) {
        let granted = async {
            let mut n = 0;
            loop {
                // Nothing runs between these two: a fetch that is under way is not counted as ours.
                let before = self.refresh.rounds();
                let kid = format!("unknown-{before}-{n}");
                if self.refresh.ask(&kid, Instant::now()) == Nudge::Accepted {
                    return before;
                }
                n += 1;
                tokio::task::yield_now().await;
            }
        };
        let before = soon(granted).await;
        self.rounds(before + 1).await;
    }

    /// Waits until this server is ready.
    pub(crate) async fn is_ready(&self) {
        let mut watch = self.ready.watch();
        let ready = async {
            while !watch.current().is_ready() {
                watch.changed().await;
            }
        };
        soon(ready).await;
    }

    /// The `kid`s among `kids` whose ES256 keys can be used in `after` from now.
    pub(crate) fn usable<'k>(&self, kids: &[&'k str], after: Duration) -> Vec<&'k str> {
        let ring = self.keys.snapshot().load_full().unwrap();
        let set = ring.usable(0, Instant::now() + after);
        let finds = |set: &KeySet, kid| set.find(Some(kid), Algorithm::Es256).is_ok();
        let usable = kids
            .iter()
            .filter(|kid| set.is_some_and(|set| finds(set, kid)));
        usable.copied().collect()
    }

    /// The same, now.
    pub(crate) fn usable_now<'k>(&self, kids: &[&'k str]) -> Vec<&'k str> {
        self.usable(kids, Duration::ZERO)
    }

    pub(crate) fn generation(&self) -> u64 {
        self.keys.snapshot().load_full().unwrap().generation()
    }

    /// The value of a metric of this provider: `{}` in `sample` stands for its label.
    pub(crate) fn metric(&self, sample: &str) -> Option<f64> {
        let sample = sample.replace("{}", &format!("provider=\"{}\"", self.name));
        let text = self.metrics.encode();
        let value = text
            .lines()
            .find_map(|line| line.strip_prefix(&sample)?.strip_prefix(' '));
        value.map(|value| value.parse().unwrap())
    }

    /// How many fetches of this cause ended so.
    pub(crate) fn fetches(&self, cause: &str, result: &str) -> u64 {
        let labels = format!("cause=\"{cause}\",result=\"{result}\"");
        let sample = format!("portcullis_jwks_fetches_total{{{{}},{labels}}}");
        let value = self.metric(&sample).expect("this series from the start");
        format!("{value}").parse().unwrap()
    }

    /// The log lines about this provider with this message.
    pub(crate) fn lines(&self, message: &str) -> Vec<Value> {
        let lines = LINES.lock().unwrap();
        let ours = lines.iter().filter(|line| {
            line["jwt.provider"] == self.name.as_str() && line["message"] == message
        });
        ours.cloned().collect()
    }

    /// The error in the last line about a failed fetch.
    pub(crate) fn error(&self) -> String {
        let lines = self.lines("keys not fetched");
        let line = lines.last().expect("a failed fetch");
        assert_eq!(line["level"], "WARN");
        line["error"].as_str().unwrap().to_owned()
    }
}

/// Fails a test that would hang.
pub(crate) async fn soon<F: Future>(future: F) -> F::Output {
    tokio::time::timeout(Duration::from_secs(20), future)
        .await
        .expect("within twenty seconds")
}

static START: Once = Once::new();
static LINES: Mutex<Vec<Value>> = Mutex::new(Vec::new());

fn start_log() {
    START.call_once(|| {
        let log = subscriber(Level::Debug, Format::Json, false, || Sink);
        tracing::subscriber::set_global_default(log).unwrap();
    });
}

struct Sink;

impl io::Write for Sink {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let text = String::from_utf8_lossy(bytes);
        let lines = text.lines().map(serde_json::from_str);
        LINES.lock().unwrap().extend(lines.filter_map(Result::ok));
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
