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
        bundle::{self, Bundle, Contents, Delta, Reading, Verification},
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

/// Where an archive comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Origin {
    /// An earlier process has left it on disk.
    Disk,
    /// The source has answered with it.
    Source {
        /// Whether a delta was asked for.
        delta: bool,
    },
}

/// What became of the bytes of an archive.
enum Read {
    /// This archive was read before.
    Known,
    /// A whole bundle.
    Snapshot(Bundle),
    /// The bundle that a delta makes of the one there is.
    Patched(Bundle),
    /// A delta where a signature is needed: what is signed are its files, not the bundle it changes, so
    /// that an old one could be served again and again.
    Unprovable,
    /// A delta without the bundle that it changes.
    Baseless,
    /// A delta that nobody has asked for.
    Unasked,
    /// It cannot be used.
    Broken(Stage, LoadError),
}

impl Follower {
    /// Makes `archive` part of the policy, if it may be.
    pub(super) async fn take(
        &mut self,
        archive: Archive,
        origin: Origin,
        begun: Instant,
        downloaded: Duration,
    ) -> Result<(), Trouble> {
        let reading = self.clock.instant();
        let (digest, read) = self.read(archive.bytes.clone(), origin).await?;
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
            Read::Unprovable => return Err(Trouble::of_delta(UNPROVABLE)),
            Read::Baseless => return Err(Trouble::of_delta(BASELESS)),
            Read::Unasked => return Err(Trouble::of_delta(UNASKED)),
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
        let held = self.ordered(held, form, origin)?;
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
    async fn read(&self, bytes: Bytes, origin: Origin) -> Result<(Digest, Read), Trouble> {
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
            let read = match read(&source, &bytes, last.as_deref()) {
                Ok(Contents::Snapshot(bundle)) => Read::Snapshot(bundle),
                Ok(Contents::Delta(delta)) => patch(&source, origin, base.as_deref(), &delta),
                Err(error) => Read::Broken(Stage::Read, error),
            };
            (digest, read)
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
    async fn offer(&mut self, held: Held, timings: &mut Timings) -> Result<(), Trouble> {
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

    /// `held`, if it is in order.
    fn ordered(&mut self, held: Held, form: Form, origin: Origin) -> Result<Held, Trouble> {
        if let Err(trouble) = self.in_order(&held.bundle, form) {
            self.reject(held.archive, &trouble);
            self.end([Some(held)]);
            return Err(trouble);
        }
        if origin == Origin::Disk {
            self.on_disk = held.bundle.revision().map(Into::into);
        }
        Ok(held)
    }

    /// Whether `bundle` may follow every one that was there before: what is active, what waits for
    /// other bundles, and what an earlier process has left on disk, also if that is of no use now.
    fn in_order(&self, bundle: &Bundle, form: Form) -> Result<(), Trouble> {
        let Some(order) = self.source.monotonic else {
            return Ok(());
        };
        let to = bundle.revision().ok_or_else(Trouble::no_revision)?;
        let active = self.publisher.active_bundle(&self.source.name);
        let held = self.held.as_ref().map(|held| &*held.bundle);
        let before = [active.as_deref(), held].into_iter().flatten();
        let before = before.filter_map(Bundle::revision);
        // The first is compared with itself: it must have a place in the order.
        let mut before = before.chain(self.on_disk.as_deref()).peekable();
        if before.peek().is_none() {
            return order
                .allows(to, to)
                .map_err(|error| Trouble::of_order(&error));
        }
        let allowed = before.try_for_each(|from| match form {
            Form::Snapshot => order.allows(from, to),
            Form::Delta => order.allows_delta(from, to),
        });
        allowed.map_err(|error| Trouble::of_order(&error))
    }

    pub(super) fn since(&self, begun: Instant) -> Duration {
        self.clock.instant().saturating_duration_since(begun)
    }
}

fn read(source: &Source, archive: &[u8], last: Option<&Bundle>) -> Result<Contents, LoadError> {
    let reading = Reading {
        limits: &source.limits,
        verification: &source.verification,
        last,
    };
    bundle::read(&source.name, archive, reading)
}

/// What `delta` makes of `base`, if it may change it.
fn patch(source: &Source, origin: Origin, base: Option<&Bundle>, delta: &Delta) -> Read {
    match (&*source.verification, base, origin) {
        (Verification::Signed(_), _, _) => Read::Unprovable,
        (Verification::None | Verification::Skip, None, _) => Read::Baseless,
        (
            Verification::None | Verification::Skip,
            Some(_),
            Origin::Disk | Origin::Source { delta: false },
        ) => Read::Unasked,
        (Verification::None | Verification::Skip, Some(base), Origin::Source { delta: true }) => {
            match base.patched(delta) {
                Ok(bundle) => Read::Patched(bundle),
                Err(error) => Read::Broken(Stage::Patch, error),
            }
        }
    }
}

const UNPROVABLE: &str =
    "a delta came for a bundle that must be signed, and a delta cannot prove what it follows";
const BASELESS: &str = "a delta came, and the bundle that it changes is not active";
const UNASKED: &str = "a delta came, and a whole bundle was asked for";
