//! When to fetch next: what the server says within bounds, backing off while fetches fail, and never
//! at the same time as everybody else.

use std::time::Duration;

use reqwest::header::{AGE, CACHE_CONTROL, HeaderMap};

/// The times between the fetches of one provider.
#[derive(Debug)]
pub(super) struct Schedule {
    least: Duration,
    usual: Duration,
    most: Duration,
    /// Fetches that failed since the last that did not.
    failures: u32,
}

impl Schedule {
    /// `least` holds whatever the others say.
    pub(super) fn new(least: Duration, usual: Duration, most: Duration) -> Self {
        Self {
            least,
            usual: usual.max(least),
            most: most.max(least),
            failures: 0,
        }
    }

    /// How long to wait after a success, when the server says that its answer is good for `max_age`.
    pub(super) fn after_success(&mut self, max_age: Option<Duration>) -> Duration {
        self.failures = 0;
        let wait = varied(max_age.unwrap_or(self.usual).min(self.most));
        // What is above the longest time is taken off it, so that those times differ too.
        let above = wait.saturating_sub(self.most);
        let wait = wait.min(self.most).saturating_sub(above);
        wait.max(self.least)
    }

    /// How long to wait after a failure: twice as long each time, up to the usual.
    pub(super) fn after_failure(&mut self) -> Duration {
        let factor = 1_u32.checked_shl(self.failures).unwrap_or(u32::MAX);
        self.failures = self.failures.saturating_add(1);
        let wait = self.least.saturating_mul(factor).min(self.usual);
        varied(wait).max(self.least)
    }

    /// The longest time that [`after_success`](Self::after_success) answers.
    pub(super) fn longest(&self) -> Duration {
        self.most
    }
}

/// Up to a tenth more or less.
fn varied(wait: Duration) -> Duration {
    let tenth = tenth(wait);
    let span = u64::try_from(tenth.as_nanos().saturating_mul(2)).unwrap_or(u64::MAX);
    let more = Duration::from_nanos(fastrand::u64(0..=span));
    wait.saturating_sub(tenth).saturating_add(more)
}

fn tenth(wait: Duration) -> Duration {
    wait.checked_div(10).unwrap_or_default()
}

/// How long an answer is good for (RFC 9111, section 5.2.2): its `max-age` less its `Age`; `None` when
/// it does not say, or says that it is not to be kept, which is no wish to be asked all the time.
pub(super) fn max_age(headers: &HeaderMap) -> Option<Duration> {
    let mut shortest: Option<u64> = None;
    let values = headers.get_all(CACHE_CONTROL).iter();
    for directive in values
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
    {
        let (name, value) = directive.split_once('=').unwrap_or((directive, ""));
        match name.trim().to_ascii_lowercase().as_str() {
            "no-store" | "no-cache" => return None,
            "max-age" => {
                let seconds = seconds(value.trim().trim_matches('"'))?;
                shortest = Some(shortest.map_or(seconds, |shortest| shortest.min(seconds)));
            }
            _ => {}
        }
    }
    let age = headers.get(AGE).and_then(|value| value.to_str().ok());
    let age = age.and_then(seconds).unwrap_or(0);
    Some(Duration::from_secs(shortest?.saturating_sub(age)))
}

/// Digits; more than fit count as the most that does.
fn seconds(text: &str) -> Option<u64> {
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    digits.then(|| text.parse().unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests;
