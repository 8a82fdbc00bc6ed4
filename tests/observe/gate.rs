//! A gate as `portcullis run` builds it, on free ports, and who watches it.

use std::{fs, net::SocketAddr, time::Duration};

use envoy_types::pb::envoy::service::auth::v3::{
    AttributeContext, CheckRequest,
    attribute_context::{HttpRequest, Peer, Request},
    authorization_client::AuthorizationClient,
};
use portcullis::{
    app::{
        Stopped,
        build::{BuildError, Running, build},
        listen::Bound,
    },
    config::{Config, ListenAddr, ObserveAddr},
    observe::proto::{
        Decision, Filter, ObserveRequest, ObserveResponse, observe_response::Event,
        observer_client::ObserverClient,
    },
    shutdown::{self, Trigger},
    sources::file::Files,
};
use tempfile::TempDir;
use tokio::task::JoinHandle;
use tonic::{
    Status, Streaming,
    transport::{Channel, Endpoint},
};

/// Lets through what is asked of `/open`.
const POLICY: &str = r#"
package envoy.authz

default allow := {"allowed": false, "reason": "not for you"}

allow := {"allowed": true} if startswith(input.attributes.request.http.path, "/open")
"#;

/// A gate that answers.
pub(crate) struct Gate {
    pub(crate) observe: Option<Bound>,
    pub(crate) stop: Trigger,
    checks: AuthorizationClient<Channel>,
    channel: Channel,
    admin: SocketAddr,
    serving: JoinHandle<Stopped>,
    _folder: TempDir,
}

impl Gate {
    /// Starts a gate with what `change` makes of the configuration.
    pub(crate) async fn start(change: impl FnOnce(&mut Config)) -> Self {
        Self::try_start(change).await.unwrap()
    }

    pub(crate) async fn try_start(change: impl FnOnce(&mut Config)) -> Result<Self, BuildError> {
        let mut config = Config::default();
        config.plugin.addr = loopback();
        config.portcullis.admin.addr = loopback();
        config.portcullis.observe.addr = ObserveAddr::At(loopback());
        config.portcullis.shutdown.grace = Duration::ZERO;
        config.portcullis.budget = Duration::from_secs(20);
        change(&mut config);
        let folder = TempDir::new().unwrap();
        fs::write(folder.path().join("policy.rego"), POLICY).unwrap();
        let mut files = Files::new(&[]).unwrap();
        files.add_path(folder.path().to_str().unwrap()).unwrap();
        let running = build(&config, files).await?;
        let (stop, stopping) = shutdown::channel();
        let endpoint = endpoint(running.bound().grpc());
        let channel = soon(endpoint.connect()).await.unwrap();
        Ok(Self {
            observe: running.observe().cloned(),
            stop,
            checks: AuthorizationClient::new(channel.clone()),
            channel,
            admin: tcp(running.bound().admin()),
            serving: tokio::spawn(Running::run(running, stopping)),
            _folder: folder,
        })
    }

    /// Where decisions are shown.
    pub(crate) fn address(&self) -> String {
        self.observe.as_ref().unwrap().to_string()
    }

    /// One check; whether it is let through.
    pub(crate) async fn ask(&mut self, request: CheckRequest) -> bool {
        let answer = soon(self.checks.check(request)).await.unwrap();
        answer
            .into_inner()
            .status
            .is_none_or(|status| status.code == 0)
    }

    /// The connection that checks are asked on.
    pub(crate) fn checks_channel(&self) -> Channel {
        self.channel.clone()
    }

    /// Somebody who could watch.
    pub(crate) async fn client(&self) -> ObserverClient<Channel> {
        let endpoint = endpoint(self.observe.as_ref().unwrap());
        ObserverClient::new(soon(endpoint.connect()).await.unwrap())
    }

    /// Somebody who watches.
    pub(crate) async fn watch(&self, asked: ObserveRequest) -> Watching {
        Watching::new(self.client().await, asked).await.unwrap()
    }

    /// Asks all of these and waits until they can be seen.
    pub(crate) async fn made(&mut self, requests: Vec<CheckRequest>) {
        let mut watching = self.watch(follow()).await;
        let count = requests.len();
        for request in requests {
            self.ask(request).await;
        }
        for _ in 0..count {
            watching.decision().await;
        }
    }

    /// The value of one series of `/metrics`.
    pub(crate) async fn metric(&self, series: &str) -> u64 {
        let url = format!("http://{}/metrics", self.admin);
        let text = reqwest::get(url).await.unwrap().text().await.unwrap();
        let mut lines = text.lines();
        let value = lines.find_map(|line| line.strip_prefix(series)?.strip_prefix(' '));
        value.unwrap().parse().unwrap()
    }

    /// Waits for the end.
    pub(crate) async fn stopped(self) -> Stopped {
        drop((self.checks, self.channel));
        soon(self.serving).await.unwrap()
    }
}

/// A stream of decisions.
pub(crate) struct Watching(pub(crate) Streaming<ObserveResponse>);

impl Watching {
    pub(crate) async fn new(
        mut client: ObserverClient<Channel>,
        asked: ObserveRequest,
    ) -> Result<Self, Status> {
        Ok(Self(soon(client.observe(asked)).await?.into_inner()))
    }

    /// The next event; `None` at the end.
    pub(crate) async fn event(&mut self) -> Result<Option<Event>, Status> {
        let response = soon(self.0.message()).await?;
        Ok(response.map(|response| response.event.unwrap()))
    }

    /// The next event, which is a decision.
    pub(crate) async fn decision(&mut self) -> Decision {
        match self.event().await.unwrap() {
            Some(Event::Decision(decision)) => decision,
            Some(Event::Lost(count)) => panic!("{count} are lost"),
            None => panic!("nothing more"),
        }
    }

    /// The paths of all decisions up to the end.
    pub(crate) async fn paths(mut self) -> Vec<String> {
        let mut paths = Vec::new();
        while let Some(event) = self.event().await.unwrap() {
            match event {
                Event::Decision(decision) => paths.push(decision.path),
                Event::Lost(count) => panic!("{count} are lost"),
            }
        }
        paths
    }
}

/// What is made from now on.
pub(crate) fn follow() -> ObserveRequest {
    ObserveRequest {
        last: Some(0),
        follow: true,
        ..ObserveRequest::default()
    }
}

/// What there is.
pub(crate) fn history(filter: Filter) -> ObserveRequest {
    ObserveRequest {
        filter: Some(filter),
        ..ObserveRequest::default()
    }
}

/// `GET https://{host}{path}` by the workload `shop/{account}`.
pub(crate) fn request(account: &str, host: &str, path: &str) -> CheckRequest {
    let http = HttpRequest {
        method: "GET".to_owned(),
        host: host.to_owned(),
        path: path.to_owned(),
        scheme: "https".to_owned(),
        ..HttpRequest::default()
    };
    let peer = |account: &str| Peer {
        principal: format!("spiffe://cluster.local/ns/shop/sa/{account}"),
        ..Peer::default()
    };
    CheckRequest {
        attributes: Some(AttributeContext {
            source: Some(peer(account)),
            destination: Some(peer("api")),
            request: Some(Request {
                http: Some(http),
                ..Request::default()
            }),
            ..AttributeContext::default()
        }),
    }
}

pub(crate) fn loopback() -> ListenAddr {
    "127.0.0.1:0".parse().unwrap()
}

fn endpoint(bound: &Bound) -> Endpoint {
    Endpoint::from_shared(format!("http://{}", tcp(bound))).unwrap()
}

pub(crate) fn tcp(bound: &Bound) -> SocketAddr {
    match bound {
        Bound::Tcp(address) => *address,
        Bound::Unix(_) | Bound::Abstract(_) => panic!("`{bound}` is not a TCP address"),
    }
}

/// Fails a test that would hang.
pub(crate) async fn soon<F: Future>(future: F) -> F::Output {
    let limit = Duration::from_mins(1);
    tokio::time::timeout(limit, future)
        .await
        .expect("within a minute")
}
