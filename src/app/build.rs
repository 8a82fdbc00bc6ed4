//! From a configuration to a running server: everything is made here and handed to its user.

use std::{
    fs, io,
    path::{Path, PathBuf},
    sync::Arc,
};

use prost_reflect::DescriptorPool;
use serde_json::json;
use tokio_util::task::AbortOnDropHandle;
use uuid::Uuid;

use super::{
    App, Bound, StartError, Stopped,
    discovery::{Keeper, Kept},
    listen, memory,
    observe::{self, Observing},
    told::{self, Told},
};
use crate::{
    admin::{Health, Views},
    chain::Chain,
    check::{self, Callers, CheckService, Knowledge, Tokens, admission, budget, lane},
    clock::Clock,
    config::{Config, PLUGIN},
    http_send, input,
    policy::{self, PolicyFile},
    ready::Ready,
    response, shutdown,
    sources::{
        self,
        file::{Digest, Files, SourceError},
        jwks::Follower,
        publish::{self, ActivationError, Publisher},
        watch::watch,
    },
    status,
    telemetry::{
        Metrics, Telemetry,
        recorder::{Consumer, Interest, Recording},
    },
    version,
};

/// Why a server does not start.
#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    /// The policy files cannot be read.
    #[error(transparent)]
    Source(#[from] SourceError),
    /// The policy does not compile.
    #[error(transparent)]
    Policy(#[from] ActivationError),
    /// `proto-descriptor` cannot be read.
    #[error("cannot read `proto-descriptor` `{}`", path.display())]
    Descriptor {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: DescriptorError,
    },
    /// A port or a certificate.
    #[error(transparent)]
    Start(#[from] StartError),
    /// No thread for what is told of checks.
    #[error("the recorder's thread cannot be started")]
    Recorder(#[source] io::Error),
    /// The compiler panicked.
    #[error("the policy compiler failed")]
    Compiler(#[from] tokio::sync::oneshot::error::RecvError),
}

/// Why a descriptor file is of no use.
#[derive(Debug, thiserror::Error)]
pub enum DescriptorError {
    /// The file.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// Its content.
    #[error("not a serialized FileDescriptorSet with all its imports")]
    Content(#[from] prost_reflect::DescriptorError),
}

/// A server that answers, with what keeps its policy and its keys fresh.
#[derive(Debug)]
pub struct Running {
    bound: Bound,
    recording: Recording,
    observing: Option<Observing>,
    _keys: Vec<AbortOnDropHandle<()>>,
    _bundles: Kept,
    _watch: Option<AbortOnDropHandle<()>>,
}

/// Starts a server: opens the admin port, waits until the policy is active, then opens the gRPC port.
/// A bundle whose source is away is waited for; without any bundle and any path in `files` the server
/// serves the embedded default.
pub async fn build(config: &Config, files: Files) -> Result<Running, BuildError> {
    policy::limit_process_memory(memory::limit(config.portcullis.limits.process_memory));
    let clock = Clock::System;
    let metrics = Arc::new(metrics(config));
    let input = input_options(config)?;
    let publisher = publisher(config, &files, input.clone(), &metrics, clock);
    let publisher = Arc::new(publisher);
    let ready = Ready::new();
    let policy = ready.register("policy");
    let id = Uuid::new_v4().to_string();
    let views = views(config, &id, &ready, &metrics, &publisher);
    let callers = Arc::new(callers(config));
    let keys = follow_keys(config, &callers.tokens, &ready, &metrics, clock);
    let app = App::start(config, views, Arc::clone(&metrics)).await?;
    let instance = id.clone();
    // What cannot be read ends this before anything is asked for.
    let first = read_first(config, &files, &publisher).await?;
    let keeper = Keeper {
        config: config.clone(),
        publisher: Arc::clone(&publisher),
        ready: ready.clone(),
        metrics: Arc::clone(&metrics),
        clock,
        id,
    };
    // It is large, and this should not be as large too.
    let bundles = Box::pin(keeper.start()).await;
    let digest = publish_first(config, first, &publisher).await?;
    let watching = config.portcullis.watch && !files.is_empty();
    // From now on: files that do not fit the bundles may be mended before anything is active.
    let watch = digest
        .filter(|_| watching)
        .map(|digest| follow(files, digest, Arc::clone(&publisher)));
    publisher.activated().await;
    policy.done();
    let sends = config.portcullis.http_send.clone();
    let knowledge = Knowledge {
        active: publisher.active().clone(),
        callers,
        sends: http_send::Client::new(sends, clock, Arc::clone(&metrics)),
    };
    let interest = Interest::default();
    let (ring, observing) = open_observer(config, &interest, &metrics).await?;
    let told = Told {
        config,
        id: &instance,
        input: &input,
        active: &knowledge.active,
        metrics: &metrics,
        interest,
    };
    let (telemetry, recording) = telemetry(&told, ring)?;
    let service = CheckService::new(knowledge, check_options(config), telemetry, clock);
    let bound = app.listen(service).await?;
    Ok(Running {
        bound,
        recording,
        observing,
        _keys: keys,
        _bundles: bundles,
        _watch: watch,
    })
}

/// Starts telling of checks.
fn telemetry(
    told: &Told<'_>,
    ring: Option<Box<dyn Consumer>>,
) -> Result<(Telemetry, Recording), BuildError> {
    let (recorder, recording) = told::start(told, ring).map_err(BuildError::Recorder)?;
    let telemetry = Telemetry {
        metrics: Arc::clone(told.metrics),
        recorder,
        tracing: told::tracing(told.config),
    };
    Ok((telemetry, recording))
}

impl Running {
    /// The ports.
    pub fn bound(&self) -> &Bound {
        &self.bound
    }

    /// Where decisions are shown, if they are.
    pub fn observe(&self) -> Option<&listen::Bound> {
        self.observing.as_ref().map(Observing::bound)
    }

    /// Serves until a stop is asked for, drains, and has everything told that was decided.
    pub async fn run(self, stop: shutdown::Watch) -> Stopped {
        let at_once = stop.clone();
        let stopped = self.bound.run(stop).await;
        told::finish(self.recording, at_once).await;
        if let Some(observing) = self.observing {
            observing.finish().await;
        }
        stopped
    }
}

/// Reads the plain files on the loader's thread: the admin port answers meanwhile. `None`: there are
/// none. Files that are broken in themselves are an error, whatever else there is.
async fn read_first(
    config: &Config,
    files: &Files,
    publisher: &Arc<Publisher>,
) -> Result<Option<Vec<PolicyFile>>, BuildError> {
    if !has_files(config, files) {
        return Ok(None);
    }
    let (files, reading) = (files.clone(), Arc::clone(publisher));
    let read = move || {
        let first = sources::read(&files)?;
        reading.read_files(&first)?;
        Ok(Some(first))
    };
    publisher.loader().run(read).await?
}

/// Makes these the first plain files, on the loader's thread. Beside bundles, files that do not fit
/// together with them are no reason to give up: nothing is active until another bundle, or another
/// file, fits.
async fn publish_first(
    config: &Config,
    first: Option<Vec<PolicyFile>>,
    publisher: &Arc<Publisher>,
) -> Result<Option<Digest>, BuildError> {
    let Some(first) = first else {
        return Ok(None);
    };
    let bundles = has_bundles(config);
    let setting = Arc::clone(publisher);
    let publish = move || {
        let digest = Digest::of(&first);
        match setting.set_files(first) {
            Ok(_) => Ok(Some(digest)),
            // The publisher has counted, logged and kept what went wrong.
            Err(_) if bundles => Ok(Some(digest)),
            Err(error) => Err(error.into()),
        }
    };
    publisher.loader().run(publish).await?
}

/// Whether policy comes from plain files too: those that are given, or the embedded default.
fn has_files(config: &Config, files: &Files) -> bool {
    !files.is_empty() || !has_bundles(config)
}

/// Whether policy comes, or may come, from bundles.
fn has_bundles(config: &Config) -> bool {
    !config.bundles.is_empty() || config.discovery.is_some()
}

/// The port that shows decisions, and the consumer behind it, if they are to be shown.
async fn open_observer(
    config: &Config,
    interest: &Interest,
    metrics: &Metrics,
) -> Result<(Option<Box<dyn Consumer>>, Option<Observing>), StartError> {
    let opened = observe::open(config, interest, metrics).await?;
    Ok(opened.unzip())
}

/// Keeps the keys of every provider fresh, from now on.
fn follow_keys(
    config: &Config,
    tokens: &Tokens,
    ready: &Ready,
    metrics: &Arc<Metrics>,
    clock: Clock,
) -> Vec<AbortOnDropHandle<()>> {
    let sources = config.portcullis.jwt.sources.iter().enumerate();
    let providers = tokens.providers().iter().zip(tokens.refreshes());
    let followers = sources
        .zip(providers)
        .filter_map(|((at, source), (provider, refresh))| {
            let follower = Follower {
                provider: at,
                name: Arc::clone(&provider.name),
                source: source.clone(),
                min_refresh: provider.min_refresh,
                keys: tokens.keys().clone(),
                refresh: refresh.clone(),
                ready: ready.register(format!("jwks:{}", provider.name)),
                metrics: Arc::clone(metrics),
                clock,
                persistence: config.persistence_directory.clone(),
            };
            follower.start()
        });
    followers.collect()
}

/// Publishes every change of the files.
fn follow(files: Files, digest: Digest, publisher: Arc<Publisher>) -> AbortOnDropHandle<()> {
    let on_change = move |read: Result<Vec<PolicyFile>, SourceError>| match read {
        // The publisher has counted, logged and kept what went wrong.
        Ok(files) => {
            let setting = Arc::clone(&publisher);
            let set = move || setting.set_files(files);
            drop(publisher.loader().run(set).blocking_recv());
        }
        Err(error) => publisher.reject(&Chain(&error)),
    };
    AbortOnDropHandle::new(tokio::spawn(watch(
        files,
        digest,
        std::future::pending(),
        on_change,
    )))
}

fn publisher(
    config: &Config,
    files: &Files,
    input: input::Options,
    metrics: &Arc<Metrics>,
    clock: Clock,
) -> Publisher {
    let source = if !files.is_empty() {
        files.to_string()
    } else if has_bundles(config) {
        "bundles".to_owned()
    } else {
        "the embedded default policy".to_owned()
    };
    let metrics = Arc::clone(metrics);
    let publisher = Publisher::new(config.load_options(), input, source, metrics, clock)
        .verifying_files(Arc::clone(files.verification()));
    if has_files(config, files) {
        publisher.expecting_files()
    } else {
        publisher
    }
}

/// How the configuration wants the input document, with the descriptors it names.
pub fn input_options(config: &Config) -> Result<input::Options, BuildError> {
    let mut input = config.input_options();
    if let Some(path) = &config.plugin.proto_descriptor {
        let pool = descriptors(path).map_err(|source| BuildError::Descriptor {
            path: path.clone(),
            source,
        })?;
        input.descriptors = Some(pool);
    }
    Ok(input)
}

fn descriptors(path: &Path) -> Result<DescriptorPool, DescriptorError> {
    Ok(DescriptorPool::decode(fs::read(path)?.as_slice())?)
}

fn metrics(config: &Config) -> Metrics {
    let mut metrics =
        Metrics::new(performance_buckets(config)).with_budget(config.portcullis.budget);
    if let Some(logs) = &config.decision_logs {
        metrics = metrics.with_decision_log(&logs.sinks());
    }
    let status = config.status.as_ref();
    if status.is_some_and(|status| status.prometheus) {
        metrics = metrics.with_status_of_opa();
    }
    metrics
}

fn performance_buckets(config: &Config) -> Option<&[f64]> {
    let plugin = &config.plugin;
    plugin
        .enable_performance_metrics
        .then_some(plugin.request_duration_buckets.as_slice())
}

/// Whom the configuration trusts to say who calls, without any keys yet.
pub fn callers(config: &Config) -> Callers {
    Callers {
        tokens: Tokens::new(config.portcullis.jwt.verifier.clone()),
        xfcc: config.portcullis.identity.xfcc,
    }
}

/// How the configuration wants checks to be answered.
pub fn check_options(config: &Config) -> check::Options {
    let ours = &config.portcullis;
    check::Options {
        budget: budget::Options {
            budget: ours.budget,
            reply_margin: ours.reply_margin,
            instructions: ours.limits.instructions,
            memory: ours.limits.memory,
        },
        response: response::Options {
            on_error: ours.on_error,
            dry_run: config.plugin.dry_run,
            expose_reason: ours.reason_header.clone(),
            decision_id_header: ours.decision_id_header.clone(),
            retry_after: ours.admission.retry_after.as_secs(),
        },
        admission: admission::Options {
            max_in_flight: ours.admission.max_in_flight,
        },
        isolation: lane::Options {
            slice: ours.isolation.slice,
            threads: ours.isolation.threads,
            queue: ours.isolation.queue,
        },
    }
}

fn views(
    config: &Config,
    id: &str,
    ready: &Ready,
    metrics: &Arc<Metrics>,
    publisher: &Arc<Publisher>,
) -> Views {
    let (metrics, policy) = (Arc::clone(metrics), Arc::clone(publisher));
    let (health_ready, health_policy) = (ready.clone(), Arc::clone(publisher));
    let (short, whole) = (publisher.statuses().clone(), publisher.statuses().clone());
    let labels = status::labels(&config.labels, id);
    Views {
        ready: ready.clone(),
        health: Arc::new(move || Health {
            bundles_activated: health_policy.is_complete(),
            plugins: [(PLUGIN.to_owned(), health_ready.current().is_ready())].into(),
        }),
        metrics: Arc::new(move || metrics.encode()),
        policy: Arc::new(move || policy.status()),
        bundles: Arc::new(move || publish::bundles(&short.current())),
        status: Arc::new(move || json!({"labels": labels, "bundles": whole.report()})),
        config: config.redacted(),
        version: json!({"version": version::VERSION, "commit": version::COMMIT}),
    }
}
