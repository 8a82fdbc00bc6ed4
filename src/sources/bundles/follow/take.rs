//! From an archive to an offer: read and verified on a thread that may block, compared with what there
//! is, offered.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use bytes::Bytes;

use super::{Follower, Held, round::Trouble};
use crate::{
    digest::{self, Digest},
    policy::{
        LoadError,
        bundle::{self, Bundle, Contents, Reading},
    },
    sources::{
        bundles::{
            Kind, Source,
            download::Archive,
            status::{Form, Stage, Timings},
        },
        publish::{Activated, ActivationError, Candidate},
    },
    telemetry::BundleHeard,
};

/// What became of the bytes of an archive.
enum Read {
    /// This archive was read before.
    Known,
    /// A whole bundle.
    Snapshot(Bundle),
    /// The bundle that a delta makes of the one there is.
    Patched(Bundle),
    /// A delta without the bundle that it changes.
    Baseless,
    /// It cannot be used.
    Broken(Stage, LoadError),
}

impl Follower {
    /// Makes `archive` part of the policy, if it may be.
    pub(super) async fn take(
        &mut self,
        archive: Archive,
        begun: Instant,
        downloaded: Duration,
    ) -> Result<(), Trouble> {
        let reading = self.clock.instant();
        let (digest, read) = self.read(archive.bytes.clone()).await?;
        let mut timings = Timings {
            download: Some(downloaded),
            read: Some(self.since(reading)),
            ..Timings::default()
        };
        let (bundle, form) = match read {
            Read::Known => return self.known(digest, archive.validator),
            Read::Snapshot(bundle) => (
                self.tagged(bundle, archive.validator.as_deref()),
                Form::Snapshot,
            ),
            Read::Patched(bundle) => (
                self.tagged(bundle, archive.validator.as_deref()),
                Form::Delta,
            ),
            Read::Baseless => return Err(Trouble::no_base()),
            Read::Broken(stage, error) => {
                let trouble = Trouble::of_archive(stage, &error);
                self.reject(digest, &trouble);
                return Err(trouble);
            }
        };
        let held = Held {
            bundle: Arc::new(bundle),
            archive: digest,
            digest: match (form, &self.held) {
                (Form::Delta, Some(base)) => digest::of_parts([&base.digest[..], &digest[..]]),
                (Form::Snapshot | Form::Delta, _) => digest,
            },
            validator: archive.validator,
            unwritten: match form {
                Form::Snapshot => self.store.is_some().then_some(archive.bytes),
                Form::Delta => None,
            },
        };
        let offered = self.offer(held, &mut timings).await;
        timings.total = Some(self.since(begun));
        BundleHeard {
            bundle: &self.source.name,
            timings: &timings,
            good: offered.is_ok() && self.is_active(),
        }
        .emit(&self.metrics);
        self.note(|status| {
            status.form = Some(form);
            status.timings = timings;
        });
        offered
    }

    /// Reads an archive, unless it was read before.
    async fn read(&self, bytes: Bytes) -> Result<(Digest, Read), Trouble> {
        let held = self.held.as_ref().filter(|_| self.rejected.is_none());
        let known = [
            held.map(|held| held.archive),
            self.rejected.as_ref().map(|rejected| rejected.archive),
        ];
        let last = self.held.as_ref().map(|held| Arc::clone(&held.bundle));
        let base = last.clone().filter(|_| self.is_active());
        let source = self.source.clone();
        let read = move || {
            let digest = digest::of_parts([&bytes[..]]);
            if known.contains(&Some(digest)) {
                return (digest, Read::Known);
            }
            (
                digest,
                read(&source, &bytes, last.as_deref(), base.as_deref()),
            )
        };
        let read = self.publisher.loader().run(read);
        read.await
            .map_err(|_panic| Trouble::internal("reading the bundle failed inside"))
    }

    /// As OPA, tells policies the entity tag that a bundle came with.
    fn tagged(&self, bundle: Bundle, validator: Option<&str>) -> Bundle {
        match (&self.source.kind, validator) {
            (Kind::Http { .. }, Some(tag)) => bundle.with_etag(tag),
            (Kind::Http { .. }, None)
            | (Kind::File(_) | Kind::Oci { .. } | Kind::Object { .. }, _) => bundle,
        }
    }

    /// The source has served once more what it served before.
    fn known(&mut self, archive: Digest, validator: Option<String>) -> Result<(), Trouble> {
        if let Some(rejected) = self
            .rejected
            .as_ref()
            .filter(|rejected| rejected.archive == archive)
        {
            return Err(rejected.trouble.clone());
        }
        let is_active = self.is_active();
        if let Some(held) = &mut self.held {
            held.validator = validator;
        }
        self.note(|status| {
            if is_active {
                status.failure = None;
            } else {
                status
                    .failure
                    .take_if(|failure| failure.stage == Stage::Download);
            }
        });
        self.told = None;
        Ok(())
    }

    /// Offers a bundle that was read.
    pub(super) async fn offer(&mut self, held: Held, timings: &mut Timings) -> Result<(), Trouble> {
        if let Err(trouble) = self.in_order(&held.bundle) {
            self.reject(held.archive, &trouble);
            self.end([Some(held)]);
            return Err(trouble);
        }
        let candidate = Candidate {
            bundle: Arc::clone(&held.bundle),
            digest: held.digest,
            run_tests: self.source.run_tests,
            signed_by: held.bundle.signed_by().map(Into::into),
            generation: self.generation,
        };
        let publisher = Arc::clone(&self.publisher);
        let begun = self.clock.instant();
        let offer = move || publisher.offer(candidate);
        match self.publisher.loader().run(offer).await {
            Ok(Ok(Activated::Now(took))) => {
                timings.compile = took.compile;
                timings.tests = took.tests;
                self.hold(held);
                Ok(())
            }
            // The publisher has told that nothing is wrong: something may be by now.
            Ok(Ok(Activated::Same | Activated::Waiting(_))) => {
                self.hold(held);
                Ok(())
            }
            Ok(Err(error)) => {
                let trouble = Trouble::of_activation(&error);
                timings.compile = Some(self.since(begun));
                match error {
                    ActivationError::Load(_) | ActivationError::Tests(_) => {
                        self.reject(held.archive, &trouble);
                        let refused = self.refused.replace(held);
                        self.end([refused]);
                    }
                    ActivationError::Unexpected(_) => {}
                }
                Err(trouble)
            }
            Err(_panic) => Err(Trouble::internal("compiling the policy failed inside")),
        }
    }

    /// Whether `bundle` may follow the active one.
    fn in_order(&self, bundle: &Bundle) -> Result<(), Trouble> {
        let Some(order) = self.source.monotonic else {
            return Ok(());
        };
        let to = bundle.revision().ok_or_else(Trouble::no_revision)?;
        // The first is compared with itself: it must have a place in the order.
        let active = self.publisher.active_bundle(&self.source.name);
        let from = active.as_deref().and_then(Bundle::revision).unwrap_or(to);
        order
            .allows(from, to)
            .map_err(|error| Trouble::of_order(&error))
    }

    pub(super) fn since(&self, begun: Instant) -> Duration {
        self.clock.instant().saturating_duration_since(begun)
    }
}

fn read(source: &Source, archive: &[u8], last: Option<&Bundle>, base: Option<&Bundle>) -> Read {
    let reading = Reading {
        limits: &source.limits,
        verification: &source.verification,
        last,
    };
    match (bundle::read(&source.name, archive, reading), base) {
        (Ok(Contents::Snapshot(bundle)), _) => Read::Snapshot(bundle),
        (Ok(Contents::Delta(_)), None) => Read::Baseless,
        (Ok(Contents::Delta(delta)), Some(base)) => match base.patched(&delta) {
            Ok(bundle) => Read::Patched(bundle),
            Err(error) => Read::Broken(Stage::Patch, error),
        },
        (Err(error), _) => Read::Broken(Stage::Read, error),
    }
}
