//! One round: ask, take what came, tell how it went.

use std::{sync::Arc, time::Duration};

use super::{Follower, Rejected, take::Origin};
use crate::{
    chain::Chain,
    digest::Digest,
    policy::{
        Diagnostic, LoadError,
        bundle::{OrderError, Verification},
    },
    sources::{
        bundles::{
            download::{Ask, Download, DownloadError},
            persisted::PersistedError,
            status::{Failure, Stage},
        },
        publish::ActivationError,
    },
    telemetry::{BundleDownloaded, BundleRejected, BundleUnchanged},
};

/// Why a round changed nothing.
#[derive(Clone, Debug)]
pub(super) struct Trouble {
    pub(super) failure: Failure,
    /// Everything there is to say, for the log.
    pub(super) text: Arc<str>,
}

impl Trouble {
    fn new(stage: Stage, text: &str, errors: &[Diagnostic]) -> Self {
        let short: String = text.chars().take(MOST_TEXT).collect();
        Self {
            failure: Failure {
                stage,
                message: short.into(),
                errors: errors.iter().take(Failure::MAX_ERRORS).cloned().collect(),
                http_status: None,
            },
            text: text.into(),
        }
    }

    pub(super) fn internal(text: &str) -> Self {
        Self::new(Stage::Internal, text, &[])
    }

    pub(super) fn of_archive(stage: Stage, error: &LoadError) -> Self {
        Self::new(stage, &error.to_string(), &error.0)
    }

    pub(super) fn of_delta(text: &str) -> Self {
        Self::new(Stage::Patch, text, &[])
    }

    pub(super) fn of_order(error: &OrderError) -> Self {
        Self::new(Stage::Order, &error.to_string(), &[])
    }

    pub(super) fn no_revision() -> Self {
        let text = "the bundle has no `revision`, and so is neither newer nor older than another";
        Self::new(Stage::Order, text, &[])
    }

    pub(super) fn of_activation(error: &ActivationError) -> Self {
        Self {
            failure: error.failure(),
            text: error.to_string().into(),
        }
    }

    fn of_download(error: &DownloadError) -> Self {
        let mut trouble = Self::new(Stage::Download, &Chain(error).to_string(), &[]);
        trouble.failure.http_status = error.http_status();
        trouble
    }

    pub(super) fn of_disk(stage: Stage, error: &PersistedError) -> Self {
        Self::new(stage, &Chain(error).to_string(), &[])
    }

    /// Whether what came was a bundle of the source, verified and in order.
    fn is_of_genuine(&self) -> bool {
        match self.failure.stage {
            Stage::Compile | Stage::Tests => true,
            Stage::Download | Stage::Read | Stage::Patch | Stage::Order | Stage::Internal => false,
        }
    }

    fn nothing_to_confirm(place: &str) -> Self {
        let text = format!("`{place}` says that nothing has changed, and there is no bundle yet");
        Self::new(Stage::Download, &text, &[])
    }
}

impl Follower {
    /// Asks, takes what comes, and tells how long to wait.
    pub(super) async fn round(&mut self) -> Duration {
        self.adopt();
        let begun = self.clock.now();
        self.note(|status| status.last_request = Some(begun.unix));
        let is_active = self.is_active();
        // One that waits for others is not asked for again; one that was refused is.
        let held = self.held.as_ref().filter(|_| self.rejected.is_none());
        // A delta that is signed could still be an old one.
        let signed = matches!(*self.source.verification, Verification::Signed(_));
        let delta = is_active && held.is_some() && !signed;
        let ask = Ask {
            validator: held.and_then(|held| held.validator.as_deref()),
            delta,
            wait: self.source.polling.long_polling_timeout,
        };
        match self.downloader.download(ask).await {
            Ok(Download::Unchanged { long_poll }) => self.unchanged(long_poll),
            Ok(Download::Archive(archive)) => {
                let now = self.clock.now();
                let took = now.instant.saturating_duration_since(begun.instant);
                let size = u64::try_from(archive.bytes.len()).unwrap_or(u64::MAX);
                self.note(|status| {
                    status.last_successful_request = Some(now.unix);
                    status.last_successful_download = Some(now.unix);
                    status.size = Some(size);
                });
                BundleDownloaded {
                    bundle: &self.source.name,
                    source: &self.place,
                    size,
                    took,
                    at: now.unix,
                }
                .emit(&self.metrics);
                let long_poll = archive.long_poll;
                let origin = Origin::Source { delta };
                let taken = self.take(archive, origin, begun.instant, took).await;
                if taken.as_ref().err().is_none_or(Trouble::is_of_genuine) {
                    self.note(|status| {
                        status.last_heard = Some(now.unix);
                        status.from_disk = false;
                    });
                }
                match taken {
                    Ok(()) => self.after_success(long_poll),
                    Err(trouble) => self.fail(trouble),
                }
            }
            Err(error) => self.fail(Trouble::of_download(&error)),
        }
    }

    fn unchanged(&mut self, long_poll: bool) -> Duration {
        if self.held.is_none() {
            let trouble = Trouble::nothing_to_confirm(&self.place);
            return self.fail(trouble);
        }
        let at = self.clock.now().unix;
        let good = self.is_active();
        self.note(|status| {
            status.last_successful_request = Some(at);
            status.last_heard = Some(at);
            status.from_disk = false;
            // A first set that does not fit together stays wrong until something else comes.
            let downloads = |failure: &mut Failure| failure.stage == Stage::Download;
            if good {
                status.failure = None;
            } else {
                status.failure.take_if(downloads);
            }
        });
        self.told = None;
        BundleUnchanged {
            bundle: &self.source.name,
            at,
            good,
        }
        .emit(&self.metrics);
        self.after_success(long_poll)
    }

    /// Tells why nothing changed, and how long to wait. What the source has is asked for as a whole
    /// again.
    pub(super) fn fail(&mut self, trouble: Trouble) -> Duration {
        let Trouble { failure, text } = trouble;
        if let Some(held) = &mut self.held {
            held.validator = None;
        }
        let told = Some((failure.stage, Arc::clone(&text)));
        let kept = self.statuses.of(&self.source.name);
        let kept = kept.and_then(|status| status.active_revision);
        BundleRejected {
            bundle: &self.source.name,
            source: &self.place,
            stage: failure.stage,
            error: &text,
            http_status: failure.http_status,
            kept: kept.as_deref(),
            repeated: told == self.told,
            at: self.clock.now().unix,
        }
        .emit(&self.metrics);
        self.told = told;
        self.note(|status| status.failure = Some(failure));
        self.schedule.after_failure()
    }

    /// Remembers an archive that need not be read again.
    pub(super) fn reject(&mut self, archive: Digest, trouble: &Trouble) {
        self.rejected = Some(Rejected {
            archive,
            trouble: trouble.clone(),
        });
    }
}

/// The most characters of an error that a status shows.
const MOST_TEXT: usize = 2_000;
