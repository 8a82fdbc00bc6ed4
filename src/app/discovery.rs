//! What can change without a restart: bundles, status reports, and the discovery that says which.
//!
//! A discovery bundle is followed like any other, into a publisher of its own whose policy is the
//! configuration. Promises that nothing but the sections named in [`crate::config::Discovered`]
//! changes, that a configuration which cannot be used leaves the last good one in place, also on disk,
//! with the reason in status, and that no bundle is followed before the first one is in use.

mod evaluate;

use std::{collections::BTreeMap, sync::Arc};

use tokio::sync::oneshot;
use tokio_util::task::AbortOnDropHandle;

use self::evaluate::{DiscoveryError, evaluate};
use crate::{
    chain::Chain,
    check::Active,
    clock::Clock,
    config::{Config, Discovery, PLUGIN},
    input,
    policy::Entrypoint,
    ready::{Pending, Ready},
    sources::{
        bundles::{
            Followers,
            status::{Failure, Review, Stage, Status, Statuses},
        },
        publish::Publisher,
    },
    status::{self, About, Options},
    telemetry::{ConfigurationDiscovered, ConfigurationRejected, Metrics},
};

/// Keeps bundles, reports and what is discovered, until this is dropped.
#[derive(Debug)]
pub struct Kept {
    _discovering: Option<AbortOnDropHandle<()>>,
    _now: Option<Now>,
}

/// What is needed to keep them.
#[derive(Debug)]
pub struct Keeper {
    /// The configuration of the start.
    pub config: Config,
    /// What makes bundles the active policy.
    pub publisher: Arc<Publisher>,
    /// Waits for discovery and for every bundle.
    pub ready: Ready,
    /// Where things are counted.
    pub metrics: Arc<Metrics>,
    /// The time.
    pub clock: Clock,
    /// What tells this instance from others: the label `id`.
    pub id: String,
}

impl Keeper {
    /// Follows the bundles and reports about them. Where there is discovery, this waits for the first
    /// configuration of it that can be used.
    pub async fn start(self) -> Kept {
        let discovered = Statuses::new();
        let mut now = self.now(discovered.clone());
        let Some(discovery) = self.config.discovery.clone() else {
            now.apply(&self.config).await;
            return Kept {
                _discovering: None,
                _now: Some(now),
            };
        };
        now.report(&self.config);
        let waiting = self.ready.register("discovery");
        let (first, applied) = oneshot::channel();
        let discovering = Discovering {
            publisher: self.publisher_of(&discovery),
            keeper: self,
            shown: discovered,
            now,
            first: Some((waiting, first)),
            taken: 0,
            revision: None,
            in_use: false,
            failure: None,
        };
        let task = AbortOnDropHandle::new(tokio::spawn(discovering.run(discovery)));
        if applied.await.is_err() {
            // It has ended, which it never should: without it there is no policy to wait for.
            std::future::pending::<()>().await;
        }
        Kept {
            _discovering: Some(task),
            _now: None,
        }
    }

    fn now(&self, discovery: Statuses) -> Now {
        Now {
            followers: self.followers(&self.publisher),
            about: About {
                labels: BTreeMap::new(),
                bundles: self.publisher.statuses().clone(),
                discovery,
                ready: self.ready.clone(),
                plugin: PLUGIN,
            },
            metrics: Arc::clone(&self.metrics),
            id: self.id.clone(),
            told: None,
            reports: Vec::new(),
        }
    }

    fn followers(&self, publisher: &Arc<Publisher>) -> Followers {
        Followers::new(
            Arc::clone(publisher),
            self.ready.clone(),
            Arc::clone(&self.metrics),
            self.clock,
        )
    }

    /// Makes the discovery bundle a policy of its own. It is no policy for checks, so it is counted
    /// apart from those.
    fn publisher_of(&self, discovery: &Discovery) -> Arc<Publisher> {
        let mut load = self.config.load_options();
        load.entrypoint = Entrypoint::Path(discovery.decision.clone());
        Arc::new(Publisher::new(
            load,
            input::Options::default(),
            "discovery".to_owned(),
            Arc::new(Metrics::new(None)),
            self.clock,
        ))
    }
}

/// What is kept now.
#[derive(Debug)]
struct Now {
    followers: Followers,
    about: About,
    metrics: Arc<Metrics>,
    id: String,
    /// Who is told.
    told: Option<Options>,
    reports: Vec<AbortOnDropHandle<()>>,
}

impl Now {
    /// Keeps what `config` says from now on; what it says again goes on undisturbed.
    async fn apply(&mut self, config: &Config) {
        self.followers.follow(config.bundles.clone()).await;
        self.report(config);
    }

    fn report(&mut self, config: &Config) {
        let labels = status::labels(&config.labels, &self.id);
        if self.told == config.status && self.about.labels == labels {
            return;
        }
        self.about.labels = labels;
        self.told.clone_from(&config.status);
        let start = |options| status::start(options, &self.about, &self.metrics);
        self.reports = config.status.as_ref().map(start).unwrap_or_default();
    }
}

/// Follows the discovery bundle and does what it says.
struct Discovering {
    keeper: Keeper,
    publisher: Arc<Publisher>,
    /// The status of the discovery bundle, with what became of its configuration.
    shown: Statuses,
    now: Now,
    /// Who waits for the first configuration.
    first: Option<(Pending, oneshot::Sender<()>)>,
    /// The number of the activation that was looked at last.
    taken: u64,
    /// The revision of the configuration in use.
    revision: Option<Arc<str>>,
    in_use: bool,
    /// Why the configuration found last is not in use.
    failure: Option<Failure>,
}

impl Discovering {
    async fn run(mut self, discovery: Discovery) {
        let mut activations = self.publisher.activations();
        let mut statuses = self.publisher.statuses().watch();
        let mut followers = self.keeper.followers(&self.publisher);
        let name = Arc::clone(&discovery.source.name);
        self.publisher.statuses().add(&name, "");
        self.reviewed(&name);
        followers.follow(vec![discovery.source]).await;
        loop {
            let number = *activations.borrow_and_update();
            if let Some(active) = self.publisher.active().load_full()
                && number != self.taken
            {
                self.taken = number;
                self.take(active, &discovery.decision).await;
                self.reviewed(&name);
            }
            self.show(statuses.current());
            tokio::select! {
                Ok(()) = activations.changed() => {}
                Some(_) = statuses.changed() => {}
                // Nobody is there any more to tell anything.
                else => return,
            }
        }
    }

    /// Tells what came of the last configuration: only one that is in use is kept on disk.
    fn reviewed(&self, name: &str) {
        let review = Review {
            activation: self.taken,
            good: self.in_use && self.failure.is_none(),
        };
        let statuses = self.publisher.statuses();
        statuses.change(name, |status| status.review = Some(review));
    }

    async fn take(&mut self, active: Arc<Active>, decision: &[String]) {
        let found = self.publisher.statuses().current();
        let revision = found.into_iter().find_map(|status| status.active_revision);
        match self.use_found(active, decision, revision.as_deref()).await {
            Ok(()) => {
                self.revision = revision;
                self.in_use = true;
                self.failure = None;
                if let Some((waiting, first)) = self.first.take() {
                    waiting.done();
                    // Whoever waited may be gone.
                    let _gone = first.send(());
                }
            }
            Err(error) => {
                ConfigurationRejected {
                    revision: revision.as_deref(),
                    error: &error,
                }
                .emit(&self.keeper.metrics);
                self.failure = Some(Failure {
                    stage: Stage::Read,
                    message: Chain(&error).to_string().into(),
                    errors: [].into(),
                    http_status: None,
                });
            }
        }
    }

    async fn use_found(
        &mut self,
        active: Arc<Active>,
        decision: &[String],
        revision: Option<&str>,
    ) -> Result<(), DiscoveryError> {
        let found = evaluate(active, decision, &self.now.about.labels).await?;
        let discovered = self.keeper.config.discovered(&found)?;
        self.now.apply(&discovered.config).await;
        ConfigurationDiscovered {
            revision,
            bundles: discovered.config.bundles.len(),
            overridden: &discovered.overridden,
            not_applied: &discovered.not_applied,
        }
        .emit(&self.keeper.metrics);
        Ok(())
    }

    /// Shows how the discovery bundle is, and that its configuration is not in use.
    fn show(&self, statuses: Vec<Status>) {
        for mut status in statuses {
            if let Some(failure) = &self.failure {
                status.active = self.in_use;
                status.active_revision.clone_from(&self.revision);
                status.failure.get_or_insert_with(|| failure.clone());
            }
            self.shown.add(&status.name, &status.place);
            self.shown
                .change(&Arc::clone(&status.name), |shown| *shown = status);
        }
    }
}
