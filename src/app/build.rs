//! From a configuration to a running server: everything is made here and handed to its user.

use std::{
    fs,
    path::{Path, PathBuf},
    sync::Arc,
};

use prost_reflect::DescriptorPool;
use serde_json::json;
use tokio_util::task::AbortOnDropHandle;

use super::{App, Bound, ServerOptions, StartError, Stopped, listen::Address, tls};
use crate::{
    admin::{Health, Views},
    check::{self, CheckService, budget},
    clock::Clock,
    config::{self, Config, ListenAddr},
    input,
    policy::{LoadError, PolicyFile},
    ready::Ready,
    response,
    shutdown,
    sources::{
        embedded,
        file::{Digest, Files, SourceError},
        publish::Publisher,
        watch::watch,
    },
    telemetry::{Metrics, ServerStarted, ServerStopped},
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
    Policy(#[from] LoadError),
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
}

/// Why a descriptor file is of no use.
#[derive(Debug, thiserror::Error)]
pub enum DescriptorError {
    /// The file.
    #[error(transparent)]
    Io(#[from] std::io::Error),
    /// Its content.
    #[error("not a serialized FileDescriptorSet with all its imports")]
    Content(#[from] prost_reflect::DescriptorError),
}

/// A server that answers, with what keeps its policy fresh.
#[derive(Debug)]
pub struct Running {
    bound: Bound,
    _watch: Option<AbortOnDropHandle<()>>,
}

/// Starts a server: reads and compiles the policy, then opens the ports. Without any path in
/// `files` it serves the embedded default.
pub async fn build(config: &Config, files: Files) -> Result<Running, BuildError> {
    let clock = Clock::System;
    let metrics = Arc::new(Metrics::new(performance_buckets(config)));
    let publisher = Arc::new(publisher(config, &files, &metrics, clock)?);
    let ready = Ready::new();
    let policy_active = ready.register("policy");
    let views = views(config, &ready, &metrics, &publisher);
    let app = App::start(server_options(config), views).await?;
    let (initial, digest) = read(&files)?;
    publisher.publish(&initial)?;
    policy_active.done();
    let active = publisher.active().clone();
    let service = CheckService::new(active, check_options(config), metrics, clock);
    let bound = app.listen(service).await?;
    let watching = config.portcullis.watch && !files.is_empty();
    Ok(Running {
        bound,
        _watch: watching.then(|| follow(files, digest, publisher)),
    })
}

impl Running {
    /// The ports.
    pub fn bound(&self) -> &Bound {
        &self.bound
    }

    /// Says where it serves, serves until a stop is asked for, and drains.
    pub async fn run(self, stop: shutdown::Watch) -> Stopped {
        let admin = self.bound.admin().map(ToString::to_string);
        ServerStarted {
            grpc: &self.bound.grpc().to_string(),
            admin: admin.as_deref(),
        }
        .emit();
        let stopped = self.bound.run(stop).await;
        ServerStopped.emit();
        stopped
    }
}

fn read(files: &Files) -> Result<(Vec<PolicyFile>, Digest), SourceError> {
    let initial = if files.is_empty() {
        embedded::quickstart()
    } else {
        files.read()?.files
    };
    let digest = Digest::of(&initial);
    Ok((initial, digest))
}

fn follow(files: Files, digest: Digest, publisher: Arc<Publisher>) -> AbortOnDropHandle<()> {
    let on_change = move |read: Result<Vec<PolicyFile>, SourceError>| match read {
        // The publisher has counted, logged and kept what went wrong.
        Ok(files) => drop(publisher.publish(&files)),
        Err(error) => publisher.reject(&crate::outcome::Chain(&error)),
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
    metrics: &Arc<Metrics>,
    clock: Clock,
) -> Result<Publisher, BuildError> {
    let input = input_options(config)?;
    let source = if files.is_empty() {
        "the embedded default policy".to_owned()
    } else {
        files.to_string()
    };
    let metrics = Arc::clone(metrics);
    Ok(Publisher::new(config.load_options(), input, source, metrics, clock))
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

fn performance_buckets(config: &Config) -> Option<&[f64]> {
    let plugin = &config.plugin;
    plugin
        .enable_performance_metrics
        .then_some(plugin.request_duration_buckets.as_slice())
}

/// How the configuration wants checks to be answered.
pub fn check_options(config: &Config) -> check::Options {
    let ours = &config.portcullis;
    check::Options {
        budget: budget::Options {
            budget: ours.budget,
            reply_margin: ours.reply_margin,
            instructions: ours.limits.instructions,
        },
        response: response::Options {
            on_error: ours.on_error,
            dry_run: config.plugin.dry_run,
            expose_reason: ours.reason_header.clone(),
            decision_id_header: ours.decision_id_header.clone(),
            retry_after: ours.admission.retry_after.as_secs(),
        },
        max_in_flight: ours.admission.max_in_flight,
    }
}

fn server_options(config: &Config) -> ServerOptions {
    let ours = &config.portcullis;
    ServerOptions {
        listen: address(&config.plugin.addr),
        tls: ours.tls.as_ref().map(tls_options),
        http2: http2(&ours.http2),
        max_request_bytes: u32::try_from(config.plugin.max_recv_msg_size).unwrap_or(u32::MAX),
        reflection: config.plugin.enable_reflection,
        admin: Some(address(&ours.admin.addr)),
        grace: ours.shutdown.grace,
        drain_timeout: ours.shutdown.drain_timeout,
    }
}

fn views(
    config: &Config,
    ready: &Ready,
    metrics: &Arc<Metrics>,
    publisher: &Arc<Publisher>,
) -> Views {
    let (metrics, policy) = (Arc::clone(metrics), Arc::clone(publisher));
    let (health_ready, health_policy) = (ready.clone(), Arc::clone(publisher));
    Views {
        ready: ready.clone(),
        health: Arc::new(move || Health {
            bundles_activated: health_policy.active().load().is_some(),
            plugins: [(PLUGIN.to_owned(), health_ready.current().is_ready())].into(),
        }),
        metrics: Arc::new(move || metrics.encode()),
        policy: Arc::new(move || policy.status()),
        config: config.redacted(),
        version: json!({"version": version::VERSION, "commit": version::COMMIT}),
    }
}

/// The name under which OPA's health endpoint knows the plugin.
const PLUGIN: &str = "envoy_ext_authz_grpc";

fn address(address: &ListenAddr) -> Address {
    match address {
        ListenAddr::Tcp { host, port } => Address::Tcp {
            host: host.clone(),
            port: *port,
        },
        ListenAddr::Unix(path) => Address::Unix(path.clone()),
        ListenAddr::Abstract(name) => Address::Abstract(name.clone()),
    }
}
fn http2(h: &config::Http2) -> super::serve::Http2 {
    super::serve::Http2 { max_concurrent_streams: h.max_concurrent_streams, ..Default::default() }
}
fn tls_options(t: &config::Tls) -> tls::Options {
    todo!()
}
