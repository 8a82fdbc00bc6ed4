//! Status reports: what OPA's status API tells, to a service and to the log.
//!
//! Each receiver has a task of its own that looks at the status when it is ready for the next report,
//! so that nothing waits for a slow one, and what came in between is told with the newest. Nothing is
//! queued. A report that fails is sent again, as things stand then.

mod document;
mod send;

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use tokio_util::task::AbortOnDropHandle;

use crate::{
    ready::{self, Ready},
    services::Service,
    sources::bundles::status::{Changes, Statuses},
    telemetry::{Metrics, ReportLogged},
};

/// The section `status`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Options {
    /// `service`: reports are posted to its `/status`.
    pub service: Option<Arc<Service>>,
    /// `partition_name`: the path below `/status`; empty: none.
    pub partition: String,
    /// `console`: reports are logged.
    pub console: bool,
    /// `prometheus`: OPA's own metrics of bundles beside ours
    /// ([`Metrics::with_status_of_opa`]); reports have nothing to do with it.
    pub prometheus: bool,
}

/// What is reported about.
#[derive(Clone, Debug)]
pub struct About {
    /// [`labels`] of this instance.
    pub labels: BTreeMap<String, String>,
    /// Every bundle.
    pub bundles: Statuses,
    /// The discovery bundle; nothing where there is none.
    pub discovery: Statuses,
    /// Whether this gate is ready.
    pub ready: Ready,
    /// What this gate is called among the plugins.
    pub plugin: &'static str,
}

/// The labels of an instance: those that are configured, and as in OPA its ID and version.
pub fn labels(configured: &BTreeMap<String, String>, id: &str) -> BTreeMap<String, String> {
    let own = [("id", id), ("version", crate::version::VERSION)];
    let own = own.map(|(key, value)| (key.to_owned(), value.to_owned()));
    configured.clone().into_iter().chain(own).collect()
}

/// Reports from now on, until these are dropped: how things stand, and every change.
pub fn start(
    options: &Options,
    about: &About,
    metrics: &Arc<Metrics>,
) -> Vec<AbortOnDropHandle<()>> {
    let console = options.console.then(|| tokio::spawn(log(about.clone())));
    let service = options.service.clone().map(|service| {
        let receiver = send::Receiver::new(service, &options.partition);
        tokio::spawn(send::run(receiver, about.clone(), Arc::clone(metrics)))
    });
    let tasks = console.into_iter().chain(service);
    tasks.map(AbortOnDropHandle::new).collect()
}

async fn log(about: About) {
    let mut changes = about.watch();
    loop {
        ReportLogged {
            report: &changes.report().await,
        }
        .emit();
        changes.wait().await;
    }
}

impl About {
    fn watch(&self) -> Watch<'_> {
        Watch {
            about: self,
            bundles: self.bundles.watch(),
            discovery: self.discovery.watch(),
            ready: self.ready.watch(),
        }
    }
}

/// Follows everything that is reported about.
struct Watch<'a> {
    about: &'a About,
    bundles: Changes,
    discovery: Changes,
    ready: ready::Watch,
}

impl Watch<'_> {
    /// The newest report, once things have settled; [`wait`](Self::wait) waits for something newer.
    async fn report(&mut self) -> serde_json::Value {
        tokio::time::sleep(SETTLE).await;
        let (bundles, discovery) = (self.bundles.current(), self.discovery.current());
        let ready = self.ready.current().is_ready();
        document::report(self.about, &bundles, &discovery, ready)
    }

    /// Waits for a change. Those of `about` never end: it holds them.
    async fn wait(&mut self) {
        tokio::select! {
            _ = self.bundles.changed() => {}
            _ = self.discovery.changed() => {}
            _ = self.ready.changed() => {}
        }
    }
}

/// One event changes a status several times; they are reported together.
const SETTLE: Duration = Duration::from_millis(100);

#[cfg(test)]
mod tests;
