//! Who calls, whom, with what, and what is answered.

use serde_json::Value;

/// A workload that calls.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Caller {
    pub(crate) namespace: &'static str,
    pub(crate) service_account: &'static str,
    /// Whether the mesh carries its calls, with mTLS.
    pub(crate) meshed: bool,
}

/// The workload that the policy names.
pub(crate) const SLEEP: Caller = Caller::meshed("foo", "sleep");
/// One of another namespace, that it does not name.
pub(crate) const STRANGER: Caller = Caller::meshed("bar", "default");
/// One without a sidecar: plaintext, and nobody knows who it is.
pub(crate) const OUTSIDER: Caller = Caller {
    namespace: "legacy",
    service_account: "sleep",
    meshed: false,
};
/// The one that the policy names among those without sidecars whose namespace is ambient.
pub(crate) const AMBIENT_SLEEP: Caller = Caller::meshed("wave", "sleep");
/// One beside it that the policy does not name.
pub(crate) const AMBIENT_STRANGER: Caller = Caller::meshed("wave", "default");

impl Caller {
    const fn meshed(namespace: &'static str, service_account: &'static str) -> Self {
        Self {
            namespace,
            service_account,
            meshed: true,
        }
    }

    /// The name in its certificate.
    pub(crate) fn spiffe_id(&self) -> String {
        let Self {
            namespace,
            service_account,
            meshed: _,
        } = self;
        format!("spiffe://cluster.local/ns/{namespace}/sa/{service_account}")
    }
}

/// What is called: an application behind a proxy with a CUSTOM policy, each with its own provider.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Target {
    /// `failOpen: false`, `statusOnError: "503"`, bodies of at most [`BODY_LIMIT`] bytes.
    Closed,
    /// The same with `failOpen: true`.
    Open,
    /// The same as the first with a time-out of two seconds.
    Hasty,
    /// A provider that the mesh configuration does not have.
    Misnamed,
    /// A TCP port.
    Tcp,
    /// Behind a waypoint that names its callers.
    Waypoint,
    /// Behind a waypoint without that annotation.
    BareWaypoint,
}

/// The `maxRequestBytes` of the provider.
pub(crate) const BODY_LIMIT: usize = 1024;

/// How a request is sent.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Protocol {
    Http1,
    /// A unary call with an empty message, as a gRPC client sends it.
    Grpc,
}

/// A request.
#[derive(Clone, Debug)]
pub(crate) struct Request {
    pub(crate) protocol: Protocol,
    pub(crate) path: String,
    pub(crate) headers: Vec<(&'static str, String)>,
    /// With a body it is a `POST`.
    pub(crate) body: Option<Vec<u8>>,
}

impl Request {
    /// `GET path`.
    pub(crate) fn get(path: &str) -> Self {
        Self {
            protocol: Protocol::Http1,
            path: path.to_owned(),
            headers: Vec::new(),
            body: None,
        }
    }

    /// `POST path` with so many bytes.
    pub(crate) fn post(path: &str, length: usize) -> Self {
        let body = Some(vec![b'x'; length]);
        Self {
            body,
            ..Self::get(path)
        }
    }

    /// A gRPC call of a method.
    pub(crate) fn grpc(method: &str) -> Self {
        Self {
            protocol: Protocol::Grpc,
            // Not compressed, and of no length.
            body: Some(vec![0; 5]),
            ..Self::get(method)
        }
        .header("content-type", "application/grpc")
        .header("te", "trailers")
    }

    /// The same with another header.
    pub(crate) fn header(mut self, name: &'static str, value: &str) -> Self {
        self.headers.push((name, value.to_owned()));
        self
    }

    /// The same with a token.
    pub(crate) fn bearer(self, token: &str) -> Self {
        self.header("authorization", &format!("Bearer {token}"))
    }
}

/// An answer.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    /// Names in lower case.
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: String,
}

impl Answer {
    /// A header, which stands there once or not at all.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let mut values = self.headers.iter().filter(|header| header.0 == name);
        let value = values.next().map(|header| &*header.1);
        assert!(values.next().is_none(), "`{name}` stands there twice");
        value
    }

    /// Whether an application gave it.
    pub(crate) fn is_of_application(&self) -> bool {
        self.header("x-upstream").is_some()
    }

    /// What the application says it received: headers as lists, `:uri`, and the length of `:body`.
    pub(crate) fn seen(&self) -> Value {
        assert!(self.is_of_application(), "{self:?}");
        serde_json::from_str(&self.body).unwrap()
    }
}

/// A token of a member of `eng` that is valid for decades.
pub(crate) fn valid_token() -> String {
    token(include_str!("../fixtures/captures/http1-mtls-jwt.json"))
}

/// One that somebody else signed.
pub(crate) fn forged_token() -> String {
    token(include_str!(
        "../fixtures/captures/http1-plaintext-badjwt.json"
    ))
}

/// The token of a captured request.
fn token(capture: &str) -> String {
    let (_, rest) = capture.split_once("\"Bearer ").unwrap();
    rest.split_once('"').unwrap().0.to_owned()
}
