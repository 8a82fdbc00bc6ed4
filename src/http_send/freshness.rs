//! How long a response may be used (RFC 9111, as a private cache), and how much longer when it cannot
//! be fetched anew (RFC 5861).
//!
//! No heuristics: a response that does not say how long it is fresh is not. Whatever is wrong with what
//! it says makes it stale.

use std::time::{Duration, Instant, UNIX_EPOCH};

use http::{
    HeaderMap, HeaderName, StatusCode,
    header::{AGE, CACHE_CONTROL, DATE, ETAG, EXPIRES, LAST_MODIFIED, PRAGMA, VARY},
};

use crate::clock::Now;

/// How long a response may be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Life {
    /// Until when it is as good as a new one.
    pub(super) fresh_until: Instant,
    /// Until when it may stand in for a response that cannot be fetched.
    pub(super) usable_until: Instant,
}

impl Life {
    /// The life of a response that came at `now`; nothing if it must not be kept.
    ///
    /// `forced` replaces what it says about freshness; `stale_if_error` is the operator's word on
    /// stale responses, else theirs counts, up to [`MOST_STALE`].
    pub(super) fn of(
        status: StatusCode,
        headers: &HeaderMap,
        now: Now,
        forced: Option<Duration>,
        stale_if_error: Option<Duration>,
    ) -> Option<Self> {
        let said = Directives::of(headers);
        if !CACHEABLE.contains(&status.as_u16()) {
            return None;
        }
        let fresh_for = match forced {
            Some(forced) => forced,
            None if said.no_store || varies_always(headers) => return None,
            None if said.no_cache => Duration::ZERO,
            None => freshness(&said, headers, now.unix)
                .unwrap_or_default()
                .saturating_sub(age(headers, now.unix)),
        };
        let stale_for = if said.no_store || said.no_cache || said.must_revalidate {
            Duration::ZERO
        } else {
            match (stale_if_error, said.stale_if_error) {
                (Some(operator), Some(own)) => operator.min(own),
                (Some(operator), None) => operator,
                (None, own) => own.unwrap_or_default().min(MOST_STALE),
            }
        };
        let fresh_until = now.instant.checked_add(fresh_for.min(LONGEST))?;
        let life = Self {
            fresh_until,
            usable_until: fresh_until.checked_add(stale_for.min(LONGEST))?,
        };
        let worth_keeping = life.usable_until > now.instant || can_be_confirmed(headers);
        worth_keeping.then_some(life)
    }
}

/// What `Cache-Control` says, as far as it matters here.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is a directive of its own"
)]
pub(super) struct Directives {
    no_store: bool,
    no_cache: bool,
    must_revalidate: bool,
    /// There, but not to be understood: the response is stale.
    invalid: bool,
    max_age: Option<Duration>,
    stale_if_error: Option<Duration>,
}

impl Directives {
    pub(super) fn of(headers: &HeaderMap) -> Self {
        let mut said = Self::default();
        let mut any = false;
        for value in headers.get_all(CACHE_CONTROL) {
            any = true;
            // A byte that does not belong there takes away none of the words beside it.
            said.invalid |= value.to_str().is_err();
            let value = String::from_utf8_lossy(value.as_bytes());
            for directive in value.split(',') {
                said.add(directive);
            }
        }
        let pragma = headers.get(PRAGMA).and_then(|value| value.to_str().ok());
        if !any && pragma.is_some_and(|pragma| pragma.to_ascii_lowercase().contains("no-cache")) {
            said.no_cache = true;
        }
        said
    }

    fn add(&mut self, directive: &str) {
        let (name, value) = directive.split_once('=').unwrap_or((directive, ""));
        match name.trim().to_ascii_lowercase().as_str() {
            "no-store" => self.no_store = true,
            // With field names too: then some of it must be confirmed each time, and here all is.
            "no-cache" => self.no_cache = true,
            "must-revalidate" => self.must_revalidate = true,
            "max-age" => {
                let seconds = seconds(value);
                self.invalid |=
                    seconds.is_none() || self.max_age.is_some_and(|age| Some(age) != seconds);
                self.max_age = seconds;
            }
            "stale-if-error" => self.stale_if_error = seconds(value),
            _ => {}
        }
    }

    /// Whether a request with these wants no response that is kept.
    pub(super) fn refuse_cached(&self) -> bool {
        self.no_store || self.no_cache
    }
}

/// Delta-seconds; too many for 31 bits are as good as for ever.
fn seconds(value: &str) -> Option<Duration> {
    let value = value.trim().trim_matches('"');
    if value.is_empty() || !value.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let seconds = value.parse().unwrap_or(u64::MAX).min(MOST_SECONDS);
    Some(Duration::from_secs(seconds))
}

/// For how long it was fresh when it was made.
fn freshness(said: &Directives, headers: &HeaderMap, now: Duration) -> Option<Duration> {
    if said.invalid {
        return None;
    }
    if said.max_age.is_some() {
        return said.max_age;
    }
    let expires = date(headers, &EXPIRES)?;
    let made = date(headers, &DATE).unwrap_or(now);
    expires.checked_sub(made)
}

/// How old it was when it came.
fn age(headers: &HeaderMap, now: Duration) -> Duration {
    let apparent = date(headers, &DATE).map(|made| now.saturating_sub(made));
    let told = headers.get(AGE).map(|value| {
        let told = value.to_str().ok().and_then(seconds);
        // What cannot be understood may be any age.
        told.unwrap_or(LONGEST)
    });
    apparent.max(told).unwrap_or_default()
}

fn date(headers: &HeaderMap, name: &HeaderName) -> Option<Duration> {
    let text = headers.get(name)?.to_str().ok()?;
    let date = httpdate::parse_http_date(text).ok()?;
    date.duration_since(UNIX_EPOCH).ok()
}

fn varies_always(headers: &HeaderMap) -> bool {
    let varies = headers.get_all(VARY).iter();
    varies
        .into_iter()
        .any(|value| value.as_bytes().contains(&b'*'))
}

/// Whether the server can be asked if it is still the one.
pub(super) fn can_be_confirmed(headers: &HeaderMap) -> bool {
    headers.contains_key(ETAG) || headers.contains_key(LAST_MODIFIED)
}

/// The headers of a response that a 304 with `newer` has confirmed.
pub(super) fn confirmed(mut headers: HeaderMap, newer: &HeaderMap) -> HeaderMap {
    // They tell when it came, not what it is.
    headers.remove(AGE);
    headers.remove(DATE);
    for name in newer.keys() {
        if OF_THE_BODY.contains(&name.as_str()) {
            continue;
        }
        headers.remove(name);
        for value in newer.get_all(name) {
            headers.append(name.clone(), value.clone());
        }
    }
    headers
}

/// Statuses whose responses the reference keeps.
const CACHEABLE: [u16; 11] = [200, 203, 204, 206, 300, 301, 404, 405, 410, 414, 501];
/// What is about the body that is kept, not about the 304.
const OF_THE_BODY: [&str; 4] = [
    "content-encoding",
    "content-length",
    "content-range",
    "transfer-encoding",
];
/// As many seconds as the reference knows.
const MOST_SECONDS: u64 = 0x7fff_ffff;
const LONGEST: Duration = Duration::from_secs(MOST_SECONDS);
/// For how long a response may say that it can be used when it is stale; the operator may say more.
pub const MOST_STALE: Duration = Duration::from_mins(5);

#[cfg(test)]
mod tests;
