//! How often keys are fetched, and how.

use std::{ops::RangeInclusive, time::Duration};

use crate::identity::jwt::Provider;
use crate::sources::jwks::{ClientCertificate, Http, Kind, Source};

use super::super::{
    problem::Complaint,
    section::Section,
    value::{duration, integer, path},
};

/// The times between fetches as they are given.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Refresh {
    min: Option<Duration>,
    interval: Option<Duration>,
    max: Option<Duration>,
}

impl Refresh {
    pub(super) fn read(section: &mut Section<'_>) -> Self {
        let refresh = Self {
            min: section.value(MIN, duration(MIN_RANGE)),
            interval: section.value(INTERVAL, duration(INTERVAL_RANGE)),
            max: section.value(MAX, duration(INTERVAL_RANGE)),
        };
        refresh.check(section);
        refresh
    }

    fn check(self, section: &Section<'_>) {
        let bounds = [
            (MIN, self.min, INTERVAL, self.interval),
            (INTERVAL, self.interval, MAX, self.max),
            (
                MIN,
                self.min,
                MAX,
                self.max.filter(|_| self.interval.is_none()),
            ),
        ];
        for (key, value, bound_key, bound) in bounds {
            let (Some(value), Some(bound)) = (value, bound) else {
                continue;
            };
            if value > bound {
                let message = format!("`{value:?}` must be at most `{bound_key}`, `{bound:?}`");
                section.problem(key, Complaint::new(message));
            }
        }
    }

    /// The least time between two fetches; never longer than a time that is given.
    pub(super) fn min(self) -> Duration {
        let given = [self.interval, self.max];
        self.min.unwrap_or_else(|| {
            let given = given.into_iter().flatten();
            given.fold(Provider::MIN_REFRESH, Duration::min)
        })
    }

    /// The time between two fetches, within the bounds that are given.
    fn interval(self, kind: &Kind) -> Duration {
        let default = match kind {
            Kind::File(_) => DEFAULT_FILE_INTERVAL,
            Kind::Uri(_) | Kind::Discovery { .. } | Kind::Inline(_) | Kind::Secret => {
                DEFAULT_INTERVAL
            }
        };
        self.interval.unwrap_or_else(|| {
            let most = self.max.unwrap_or(Duration::MAX);
            default.max(self.min()).min(most)
        })
    }

    /// The source of keys of this kind; reports and warns about what else is said of it.
    pub(super) fn source(self, section: &mut Section<'_>, kind: Kind) -> Source {
        warn_of_idle_keys(section, &kind);
        let refresh_interval = self.interval(&kind);
        Source {
            refresh_interval,
            max_refresh_interval: self
                .max
                .unwrap_or_else(|| DEFAULT_MAX.max(refresh_interval)),
            max_stale: section
                .value("max_stale", duration(MAX_STALE))
                .unwrap_or(DEFAULT_MAX_STALE),
            required: section.flag("required"),
            http: read_http(section),
            kind,
        }
    }
}

/// A source of keys of which nothing more is said.
pub(super) fn usual(kind: Kind, http: Http) -> Source {
    Source {
        refresh_interval: Refresh::default().interval(&kind),
        max_refresh_interval: DEFAULT_MAX,
        max_stale: DEFAULT_MAX_STALE,
        required: false,
        http,
        kind,
    }
}

fn warn_of_idle_keys(section: &mut Section<'_>, kind: &Kind) {
    let idle: &[&[&str]] = match kind {
        Kind::Uri(_) | Kind::Discovery { .. } => &[],
        Kind::File(_) => &[&HTTP_KEYS],
        Kind::Inline(_) | Kind::Secret => &[&HTTP_KEYS, &REFRESH_KEYS],
    };
    for key in section.given(&idle.concat()) {
        section.warn(
            key,
            "has no effect: these keys do not come over the network",
        );
    }
}

fn read_http(section: &mut Section<'_>) -> Http {
    let default = Http::default();
    Http {
        connect_timeout: section
            .value("connect_timeout", duration(TIMEOUT))
            .unwrap_or(default.connect_timeout),
        timeout: section
            .value("timeout", duration(TIMEOUT))
            .unwrap_or(default.timeout),
        max_response_bytes: section
            .value("max_response_bytes", integer(RESPONSE_BYTES))
            .unwrap_or(default.max_response_bytes),
        ca_file: section.value("ca_file", path),
        client: read_client(section),
    }
}

fn read_client(section: &mut Section<'_>) -> Option<ClientCertificate> {
    let cert_file = section.value(CLIENT_CERT, path);
    let key_file = section.value(CLIENT_KEY, path);
    if let [given] = section.given(&[CLIENT_CERT, CLIENT_KEY]).as_slice() {
        let missing = if *given == CLIENT_CERT {
            CLIENT_KEY
        } else {
            CLIENT_CERT
        };
        let message = format!("is missing: `{given}` is of no use alone");
        section.problem(missing, Complaint::new(message));
    }
    Some(ClientCertificate {
        cert_file: cert_file?,
        key_file: key_file?,
    })
}

const MIN: &str = "min_refresh";
const INTERVAL: &str = "refresh_interval";
const MAX: &str = "max_refresh_interval";
const CLIENT_CERT: &str = "client_cert_file";
const CLIENT_KEY: &str = "client_key_file";
const HTTP_KEYS: [&str; 6] = [
    "connect_timeout",
    "timeout",
    "max_response_bytes",
    "ca_file",
    CLIENT_CERT,
    CLIENT_KEY,
];
const REFRESH_KEYS: [&str; 5] = [MIN, INTERVAL, MAX, "max_stale", "wait_for_key"];
const DEFAULT_INTERVAL: Duration = Duration::from_mins(5);
const DEFAULT_FILE_INTERVAL: Duration = Duration::from_secs(10);
const DEFAULT_MAX: Duration = Duration::from_hours(1);
const DEFAULT_MAX_STALE: Duration = Duration::from_hours(1);
/// More often would be an attack on the issuer.
const MIN_RANGE: RangeInclusive<Duration> = Duration::from_millis(10)..=Duration::from_hours(1);
const INTERVAL_RANGE: RangeInclusive<Duration> =
    Duration::from_millis(10)..=Duration::from_hours(168);
const MAX_STALE: RangeInclusive<Duration> = Duration::ZERO..=Duration::from_hours(168);
pub(super) const TIMEOUT: RangeInclusive<Duration> =
    Duration::from_millis(1)..=Duration::from_mins(5);
const RESPONSE_BYTES: RangeInclusive<usize> = 1024..=16 * 1024 * 1024;
