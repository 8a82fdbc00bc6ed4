//! One round: fetch, judge, publish, tell.

use std::{sync::Arc, time::Duration};

use super::{Good, Task};
use crate::{
    clock::Now,
    identity::jwt::{KeySet, ProviderKeys},
    sources::jwks::{FetchError, fetch::Fetched},
    telemetry::{
        KeySkipped, KeysFetched,
        jwks::{self, FetchCause},
    },
};

/// The most lines about keys that cannot be used, a change of the set.
const MAX_SKIPPED_LINES: usize = 20;
/// The longest time anything is planned ahead, so that no clock overflows.
const CENTURY: Duration = Duration::from_hours(24 * 365 * 100);

impl Task {
    /// Fetches, publishes, and tells how long to wait for the next time.
    pub(super) async fn round(&mut self, cause: FetchCause) -> Duration {
        let last = self.last.as_ref();
        let validator = last.and_then(|last| last.keys.validator.as_ref());
        let fetched = self.fetcher.fetch(validator).await;
        let now = self.clock.now();
        match fetched.and_then(|fetched| self.accept(fetched, now)) {
            Ok((outcome, wait)) => {
                self.tell(cause, outcome, now);
                self.tell_skipped();
                self.done_if_usable();
                // Keys that were taken back by mistake shall not be missed for long.
                let none = self
                    .last
                    .as_ref()
                    .is_none_or(|last| last.keys.set.is_empty());
                if none {
                    self.schedule.after_failure()
                } else {
                    wait
                }
            }
            Err(error) => {
                let usable_for = self
                    .until
                    .map(|at| at.saturating_duration_since(now.instant));
                let failed = jwks::Fetched::Failed {
                    error: &error,
                    usable_for: usable_for.unwrap_or_default(),
                };
                self.tell(cause, failed, now);
                if !self.source.required {
                    self.done();
                }
                self.schedule.after_failure()
            }
        }
    }

    /// Publishes what came, or once more what there was.
    fn accept(
        &mut self,
        fetched: Fetched,
        now: Now,
    ) -> Result<(jwks::Fetched<'static>, Duration), FetchError> {
        let last = self.last.take().map(|last| last.keys);
        let (keys, max_age, outcome) = match (fetched, last) {
            (Fetched::NotModified { max_age }, Some(last)) => {
                let keys = last.set.len();
                (last, max_age, jwks::Fetched::NotModified { keys })
            }
            (Fetched::NotModified { .. }, None) => return Err(FetchError::NothingToConfirm),
            (Fetched::Keys { keys, max_age }, last) => {
                if last.as_ref() != Some(&keys)
                    && let Some(disk) = &mut self.disk
                {
                    disk.outdated();
                }
                let outcome = compared(&keys.set, last.map(|last| last.set).as_deref());
                (keys, max_age, outcome)
            }
        };
        let interval = self.schedule.after_success(max_age);
        self.publish(
            &keys.set,
            interval.saturating_add(self.source.max_stale),
            now,
        );
        self.last = Some(Good {
            keys,
            fetched_at: now.unix,
            interval,
        });
        Ok((outcome, interval))
    }

    pub(super) fn publish(&mut self, set: &Arc<KeySet>, usable_for: Duration, now: Now) {
        let until = now.instant.checked_add(usable_for.min(CENTURY));
        let until = until.unwrap_or(now.instant);
        self.until = Some(until);
        let keys = ProviderKeys {
            set: Some(Arc::clone(set)),
            usable_until: Some(until),
        };
        self.keys.set(self.provider, keys);
    }

    /// Readiness waits for keys, unless the source is not required.
    pub(super) fn done_if_usable(&mut self) {
        let last = self.last.as_ref();
        if !self.source.required || last.is_some_and(|last| !last.keys.set.is_empty()) {
            self.done();
        }
    }

    fn done(&mut self) {
        if let Some(ready) = self.ready.take() {
            ready.done();
        }
    }

    fn tell(&self, cause: FetchCause, outcome: jwks::Fetched<'_>, now: Now) {
        KeysFetched {
            provider: &self.name,
            source: &self.place,
            cause,
            outcome,
            at: now.unix,
        }
        .emit(&self.metrics);
    }

    /// Tells about keys that cannot be used, when they are others than before.
    pub(super) fn tell_skipped(&mut self) {
        let skipped = self.last.as_ref().map(|last| last.keys.set.skipped());
        let skipped = skipped.unwrap_or_default();
        if skipped == self.skipped {
            return;
        }
        for key in skipped.iter().take(MAX_SKIPPED_LINES) {
            KeySkipped {
                provider: &self.name,
                at: key.at,
                kid: key.kid.as_deref(),
                why: &key.why,
            }
            .emit(&self.metrics);
        }
        self.skipped = skipped.to_vec();
    }
}

fn compared(set: &KeySet, last: Option<&KeySet>) -> jwks::Fetched<'static> {
    let keys = set.len();
    if last == Some(set) {
        return jwks::Fetched::Same { keys };
    }
    let skipped = set.skipped().len();
    jwks::Fetched::Changed { keys, skipped }
}
