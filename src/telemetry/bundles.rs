//! The events of bundles: asked for, downloaded, activated, rejected, kept on disk, grown old. No line
//! shows the content of a bundle beyond the problems in it, nor the user info or query of a URL.

use std::{error::Error, time::Duration};

use super::{
    metrics::Metrics,
    text::{causes, shown},
};

/// The steps from a source to the active policy.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Stage {
    /// Asking the source.
    Download,
    /// Reading the archive, its signature and its files.
    Read,
    /// Patching the bundle before.
    Patch,
    /// Comparing the revision with the one before (`monotonic`).
    Order,
    /// Compiling all bundles together.
    Compile,
    /// The bundle's own tests.
    Tests,
    /// A panic inside.
    Internal,
}

impl Stage {
    /// Every stage, in order.
    pub const ALL: [Self; 7] = [
        Self::Download,
        Self::Read,
        Self::Patch,
        Self::Order,
        Self::Compile,
        Self::Tests,
        Self::Internal,
    ];

    /// The label and log value.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Download => "download",
            Self::Read => "read",
            Self::Patch => "patch",
            Self::Order => "order",
            Self::Compile => "compile",
            Self::Tests => "tests",
            Self::Internal => "internal",
        }
    }
}

/// How long the steps of the last archive took; `None`: a step that was not reached.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Timings {
    /// From the request to the last byte.
    pub download: Option<Duration>,
    /// Reading and verifying.
    pub read: Option<Duration>,
    /// Compiling all bundles together.
    pub compile: Option<Duration>,
    /// The bundle's own tests.
    pub tests: Option<Duration>,
    /// From the request to the activation, or to where it ended.
    pub total: Option<Duration>,
}

impl Timings {
    /// Each step by the name that metrics have for it.
    pub(super) fn steps(&self) -> [(&'static str, Option<Duration>); 5] {
        let Self {
            download,
            read,
            compile,
            tests,
            total,
        } = *self;
        [
            ("download", download),
            ("read", read),
            ("compile", compile),
            ("tests", tests),
            ("total", total),
        ]
    }
}

/// How a source answers, as metrics tell it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    /// With an archive.
    Downloaded,
    /// That there is no other.
    Unchanged,
    /// Not at all, or with an error.
    Failed,
}

impl Answer {
    /// Every answer.
    pub const ALL: [Self; 3] = [Self::Downloaded, Self::Unchanged, Self::Failed];

    /// The label value.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Downloaded => "downloaded",
            Self::Unchanged => "unchanged",
            Self::Failed => "failed",
        }
    }
}

/// A bundle will be asked for, from now on.
#[derive(Clone, Copy, Debug)]
pub struct BundleFollowed<'a> {
    /// Its name in the configuration, as in all events.
    pub bundle: &'a str,
    /// From where.
    pub source: &'a str,
    /// When, since the Unix epoch, as all times here.
    pub at: Duration,
}

impl BundleFollowed<'_> {
    /// Shows its metrics and logs it.
    pub fn emit(&self, metrics: &Metrics) {
        metrics.bundles.expect(self.bundle, self.at);
        tracing::info!(
            bundle.name = self.bundle,
            bundle.source = self.source,
            "bundle followed"
        );
    }
}

/// A bundle is not configured any more.
#[derive(Clone, Copy, Debug)]
pub struct BundleForgotten<'a> {
    /// The bundle.
    pub bundle: &'a str,
}

impl BundleForgotten<'_> {
    /// Takes its metrics away and logs it.
    pub fn emit(&self, metrics: &Metrics) {
        metrics.bundles.forget(self.bundle);
        tracing::info!(bundle.name = self.bundle, "bundle forgotten");
    }
}

/// The source says that it has no other bundle than the last.
#[derive(Clone, Copy, Debug)]
pub struct BundleUnchanged<'a> {
    /// The bundle.
    pub bundle: &'a str,
    /// When.
    pub at: Duration,
    /// Whether the last one is the active one.
    pub good: bool,
}

impl BundleUnchanged<'_> {
    /// Counts and logs it.
    pub fn emit(&self, metrics: &Metrics) {
        metrics
            .bundles
            .answered(self.bundle, Answer::Unchanged, self.at);
        if self.good {
            metrics.bundles.good(self.bundle);
        }
        tracing::debug!(bundle.name = self.bundle, "bundle unchanged");
    }
}

/// An archive came, which nobody has looked into yet.
#[derive(Clone, Copy, Debug)]
pub struct BundleDownloaded<'a> {
    /// The bundle.
    pub bundle: &'a str,
    /// From where.
    pub source: &'a str,
    /// Its length in bytes.
    pub size: u64,
    /// How long it took.
    pub took: Duration,
    /// When.
    pub at: Duration,
}

impl BundleDownloaded<'_> {
    /// Counts and logs it.
    pub fn emit(&self, metrics: &Metrics) {
        metrics
            .bundles
            .answered(self.bundle, Answer::Downloaded, self.at);
        metrics.bundles.size(self.bundle, self.size);
        tracing::debug!(
            bundle.name = self.bundle,
            bundle.source = self.source,
            bundle.size = self.size,
            took_ms = milliseconds(self.took),
            "bundle downloaded"
        );
    }
}

/// A bundle is part of the active policy from now on.
#[derive(Clone, Copy, Debug)]
pub struct BundleActivated<'a> {
    /// The bundle.
    pub bundle: &'a str,
    /// Its revision, which may be missing.
    pub revision: Option<&'a str>,
    /// The key that verified it.
    pub signed_by: Option<&'a str>,
    /// When.
    pub at: Duration,
}

impl BundleActivated<'_> {
    /// Counts and logs it.
    pub fn emit(&self, metrics: &Metrics) {
        let revision = shown(self.revision.unwrap_or_default());
        metrics.bundles.activated(self.bundle, &revision, self.at);
        tracing::info!(
            bundle.name = self.bundle,
            bundle.revision = &*revision,
            bundle.signed_by = self.signed_by,
            "bundle activated"
        );
    }
}

/// How long the steps to an activation took.
#[derive(Clone, Copy, Debug)]
pub struct BundleHeard<'a> {
    /// The bundle.
    pub bundle: &'a str,
    /// How long each step took.
    pub timings: &'a Timings,
    /// Whether it is the active one now.
    pub good: bool,
}

impl BundleHeard<'_> {
    /// Counts it.
    pub fn emit(&self, metrics: &Metrics) {
        metrics.bundles.took(self.bundle, self.timings);
        if self.good {
            metrics.bundles.good(self.bundle);
        }
    }
}

/// An attempt ended without a change; the last good bundle stays.
#[derive(Clone, Copy, Debug)]
pub struct BundleRejected<'a> {
    /// The bundle.
    pub bundle: &'a str,
    /// From where.
    pub source: &'a str,
    /// Where it ended.
    pub stage: Stage,
    /// Why, with causes and places.
    pub error: &'a str,
    /// The HTTP status that the source answered with.
    pub http_status: Option<u16>,
    /// The revision that stays active.
    pub kept: Option<&'a str>,
    /// Whether the log says so already.
    pub repeated: bool,
    /// When.
    pub at: Duration,
}

impl BundleRejected<'_> {
    /// Counts and logs it; the same trouble again is no warning again.
    pub fn emit(&self, metrics: &Metrics) {
        if self.stage == Stage::Download {
            metrics
                .bundles
                .answered(self.bundle, Answer::Failed, self.at);
        }
        metrics
            .bundles
            .failed(self.bundle, self.stage, self.http_status);
        let error = shown(self.error);
        if self.repeated {
            tracing::debug!(
                bundle.name = self.bundle,
                bundle.source = self.source,
                stage = self.stage.as_str(),
                error = &*error,
                "bundle rejected again"
            );
        } else {
            tracing::warn!(
                bundle.name = self.bundle,
                bundle.source = self.source,
                bundle.kept_revision = self.kept.map(shown).as_deref(),
                stage = self.stage.as_str(),
                error = &*error,
                "bundle rejected"
            );
        }
    }
}

/// A bundle was written to disk.
#[derive(Clone, Copy, Debug)]
pub struct BundlePersisted<'a> {
    /// The bundle.
    pub bundle: &'a str,
    /// Its revision.
    pub revision: Option<&'a str>,
}

impl BundlePersisted<'_> {
    /// Logs it.
    pub fn emit(&self, _metrics: &Metrics) {
        tracing::info!(
            bundle.name = self.bundle,
            bundle.revision = self.revision.map(shown).as_deref(),
            "bundle persisted"
        );
    }
}

/// A bundle could not be written to disk: a restart has to download it.
#[derive(Clone, Copy, Debug)]
pub struct BundleNotPersisted<'a> {
    /// The bundle.
    pub bundle: &'a str,
    /// Why not.
    pub error: &'a (dyn Error + 'static),
}

impl BundleNotPersisted<'_> {
    /// Counts and logs it.
    pub fn emit(&self, metrics: &Metrics) {
        metrics.bundles.not_persisted(self.bundle);
        tracing::warn!(
            bundle.name = self.bundle,
            error = causes(self.error),
            "bundle not persisted"
        );
    }
}

/// A bundle that an earlier process has left on disk was read and verified.
#[derive(Clone, Copy, Debug)]
pub struct BundleRestored<'a> {
    /// The bundle.
    pub bundle: &'a str,
    /// Its revision.
    pub revision: Option<&'a str>,
}

impl BundleRestored<'_> {
    /// Logs it.
    pub fn emit(&self, _metrics: &Metrics) {
        tracing::info!(
            bundle.name = self.bundle,
            bundle.revision = self.revision.map(shown).as_deref(),
            "bundle restored from disk"
        );
    }
}

/// A bundle on disk is not used.
#[derive(Clone, Copy, Debug)]
pub struct BundleNotRestored<'a> {
    /// The bundle.
    pub bundle: &'a str,
    /// Why not.
    pub error: &'a (dyn Error + 'static),
}

impl BundleNotRestored<'_> {
    /// Logs it.
    pub fn emit(&self, _metrics: &Metrics) {
        tracing::warn!(
            bundle.name = self.bundle,
            error = causes(self.error),
            "bundle on disk ignored"
        );
    }
}

/// The source has not been heard from for longer than `max_age`, or has been again.
#[derive(Clone, Copy, Debug)]
pub struct BundleOld<'a> {
    /// The bundle.
    pub bundle: &'a str,
    /// Whether it is old now.
    pub old: bool,
    /// How long ago the source was last heard from.
    pub age: Duration,
    /// `max_age`.
    pub max_age: Duration,
    /// Whether the gate is not ready for it.
    pub unready: bool,
}

impl BundleOld<'_> {
    /// Shows and logs it.
    pub fn emit(&self, metrics: &Metrics) {
        metrics.bundles.old(self.bundle, self.old);
        if self.old {
            tracing::warn!(
                bundle.name = self.bundle,
                bundle.age_seconds = self.age.as_secs(),
                bundle.max_age_seconds = self.max_age.as_secs(),
                unready = self.unready,
                "bundle old: its source is silent"
            );
        } else {
            tracing::info!(bundle.name = self.bundle, "bundle fresh again");
        }
    }
}

fn milliseconds(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}
