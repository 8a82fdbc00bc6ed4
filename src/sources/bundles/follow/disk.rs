//! The bundle on disk: offered at the start like any other, written after it became active.

use super::{Follower, round::Trouble, take::Origin};
use crate::{
    sources::bundles::{download::Archive, persisted::PersistedError, status::Stage},
    telemetry::{BundleNotPersisted, BundleNotRestored, BundlePersisted, BundleRestored},
};

impl Follower {
    /// Offers the bundle that an earlier process has left on disk.
    pub(super) async fn restore(&mut self) {
        let Some(store) = &self.store else { return };
        let path = store.path().to_owned();
        let archive = match store.load(self.source.limits.archive_bytes).await {
            Ok(None) => return,
            Ok(Some(bytes)) => Archive {
                bytes,
                validator: None,
                long_poll: false,
            },
            Err(error) => return self.not_restored(&error, Stage::Read),
        };
        let begun = self.clock.instant();
        let nothing = std::time::Duration::ZERO;
        let taken = self.take(archive, Origin::Disk, begun, nothing).await;
        match taken {
            Ok(()) => self.restored(),
            Err(trouble) => {
                let stage = trouble.failure.stage;
                let source = trouble.text.to_string().into();
                self.not_restored(&PersistedError::Unusable { path, source }, stage);
            }
        }
    }

    fn restored(&mut self) {
        if let (Some(store), Some(held)) = (&mut self.store, &mut self.held) {
            store.holds(held.digest);
            held.unwritten = None;
            self.statuses
                .change(&self.source.name, |status| status.from_disk = true);
            BundleRestored {
                bundle: &self.source.name,
                revision: held.bundle.revision(),
            }
            .emit(&self.metrics);
        }
    }

    fn not_restored(&mut self, error: &PersistedError, stage: Stage) {
        BundleNotRestored {
            bundle: &self.source.name,
            error,
        }
        .emit(&self.metrics);
        let failure = Trouble::of_disk(stage, error).failure;
        self.note(|status| status.failure = Some(failure));
    }

    /// Whether what is active is made use of; waits until whoever looks at it has seen it.
    async fn is_in_use(&self) -> bool {
        let activation = *self.activations.borrow();
        let mut changes = self.statuses.watch();
        loop {
            let status = self.statuses.of(&self.source.name);
            match status.and_then(|status| status.review) {
                None => return true,
                Some(review) if review.activation >= activation => return review.good,
                Some(_) => {}
            }
            if changes.changed().await.is_none() {
                return false;
            }
        }
    }

    /// Leaves the active bundle on disk for the next process, if it is good for one.
    pub(super) async fn persist(&mut self) {
        let held = self.held.as_ref();
        let is_new = self.store.is_some() && held.is_some_and(|held| held.unwritten.is_some());
        if !is_new || !self.is_active() || !self.is_in_use().await {
            return;
        }
        let (Some(store), Some(held)) = (&mut self.store, &mut self.held) else {
            return;
        };
        let Some(archive) = &held.unwritten else {
            return;
        };
        match store.save(archive, held.digest).await {
            Ok(written) => {
                held.unwritten = None;
                if written {
                    BundlePersisted {
                        bundle: &self.source.name,
                        revision: held.bundle.revision(),
                    }
                    .emit(&self.metrics);
                }
            }
            Err(error) => BundleNotPersisted {
                bundle: &self.source.name,
                error: &error,
            }
            .emit(&self.metrics),
        }
    }
}
