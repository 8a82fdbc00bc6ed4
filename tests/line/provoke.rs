//! Every row of the failure table, and how a caller runs into it.

use envoy_types::pb::envoy::service::auth::v3::CheckResponse;
use prost::Message as _;
use tokio::task::JoinHandle;
use tonic::Status;

use crate::{
    log, requests,
    server::{Server, check, soon},
};

/// Loops for longer than any test waits, out of constructs the virtual machine takes.
pub(crate) const LOOPS: &str = r#"package envoy.authz

default allow := false

allow if input.attributes.request.http.path == "/fast"

allow if {
	input.attributes.request.http.path != "/fast"
	xs := [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20]
	some a in xs
	some b in xs
	some c in xs
	some d in xs
	some e in xs
	some f in xs
	some g in xs
	some h in xs
	some i in xs
	[a, b, c, d, e, f, g, h, i] == input.attributes.request.http.path
}
"#;

/// One way into a row.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Row {
    pub(crate) name: &'static str,
    pub(crate) policy: &'static str,
    pub(crate) set: &'static [&'static str],
    pub(crate) by: By,
    /// The metric labels.
    pub(crate) outcome: &'static str,
    pub(crate) reason: &'static str,
    /// `google.rpc.Status`.
    pub(crate) code: i32,
    /// What the caller of Envoy gets.
    pub(crate) http: i32,
    /// How the body starts.
    pub(crate) body: &'static str,
    /// What the log's `error` holds; empty for decisions.
    pub(crate) cause: &'static str,
}

/// How a row is run into.
#[derive(Clone, Copy, Debug)]
pub(crate) enum By {
    /// A GET of this path.
    Path(&'static str),
    /// These bytes.
    Bytes(&'static [u8]),
    /// A POST with this JSON body.
    Json(&'static str),
    /// A GET from a caller with this little time.
    Timeout(&'static str),
    /// A check while the only one allowed is in flight.
    Overload,
    /// A check before there is a policy.
    NoPolicy,
    /// A check whose log line cannot be written: the writer panics.
    Panic,
}

/// A check that ran into a row.
pub(crate) struct Provoked {
    pub(crate) server: Server,
    pub(crate) answer: Result<CheckResponse, Status>,
}

impl Row {
    /// Starts a server with `more` configuration and runs into the row.
    pub(crate) async fn provoke(&self, more: &[&str]) -> Provoked {
        let set: Vec<&str> = self.set.iter().chain(more).copied().collect();
        let (server, request, timeout) = match self.by {
            By::Path(path) => (self.server(&set).await, requests::path(path), None),
            By::Bytes(bytes) => (self.server(&set).await, bytes.to_vec(), None),
            By::Json(body) => {
                let post = requests::http(requests::POST, |http| {
                    body.clone_into(&mut http.body);
                    http.size = i64::try_from(body.len()).unwrap();
                    let length = body.len().to_string();
                    http.headers.insert("content-length".to_owned(), length);
                });
                (self.server(&set).await, post, None)
            }
            By::Timeout(timeout) => (
                self.server(&set).await,
                requests::path("/slow"),
                Some(timeout),
            ),
            By::Overload => return self.overload(&set).await,
            By::NoPolicy => (
                Server::without_policy(&set).await,
                requests::path("/"),
                None,
            ),
            By::Panic => {
                // The line about the first caller without a principal is written on the check itself.
                let host = format!("breaks-the-log-{}", fastrand::u64(..));
                log::break_on(&host);
                let mut request = requests::capture(requests::GET);
                requests::set_host(&mut request, &host);
                requests::set_principal(&mut request, "");
                (self.server(&set).await, request.encode_to_vec(), None)
            }
        };
        let answer = server.try_check(&request, timeout).await;
        Provoked { server, answer }
    }

    async fn server(&self, set: &[&str]) -> Server {
        Server::start(self.policy, set).await
    }

    /// One check loops until its budget ends; another one comes meanwhile.
    async fn overload(&self, set: &[&str]) -> Provoked {
        let server = self.server(set).await;
        let looping = soon(loop_in(&server)).await;
        let answer = server.try_check(&requests::path("/fast"), None).await;
        looping.await.unwrap().ok();
        Provoked { server, answer }
    }
}

/// A check that is seen to be in flight.
///
/// Where the machine is so busy that one ends unseen, the next is asked: what is repeated is the
/// situation, never the check that is judged.
async fn loop_in(server: &Server) -> JoinHandle<Result<CheckResponse, Status>> {
    loop {
        let (channel, slow) = (server.channel(), requests::path("/slow"));
        let looping = tokio::spawn(async move { check(&channel, &slow, None).await });
        while !looping.is_finished() {
            if server.metric("portcullis_in_flight").await == Some(1.0) {
                return looping;
            }
        }
    }
}

const POLICY: Row = Row {
    name: "policy",
    policy: "package envoy.authz\n\nallow := false\n",
    set: &[],
    by: By::Path("/"),
    outcome: "denied",
    reason: "policy",
    code: 7,
    http: 403,
    body: "",
    cause: "",
};

const MALFORMED: Row = Row {
    reason: "malformed_decision",
    body: "denied: policy error",
    ..POLICY
};

const UNREADABLE: Row = Row {
    policy: "package envoy.authz\n\nallow := true\n",
    reason: "request",
    http: 400,
    body: "denied: malformed request",
    ..POLICY
};

const BUDGET: Row = Row {
    policy: LOOPS,
    outcome: "error",
    reason: "budget",
    code: 14,
    http: 503,
    body: "unavailable: authorization timed out",
    cause: "time",
    ..POLICY
};

/// Nine hundred seconds of loops, bounded by a budget.
const ENDLESS: &str = "portcullis.limits.instructions=1000000000";

/// The table of contracts §4.
pub(crate) const ROWS: &[Row] = &[
    POLICY,
    Row {
        name: "policy with an answer of its own",
        policy: "package envoy.authz\n\nallow := {\"allowed\": false, \"http_status\": 429, \"body\": \"slow down\"}\n",
        http: 429,
        body: "slow down",
        ..POLICY
    },
    Row {
        name: "undefined",
        policy: "package envoy.authz\n\nallow if input.attributes.request.http.path == \"/nowhere\"\n",
        reason: "undefined",
        cause: "undefined decision",
        ..POLICY
    },
    Row {
        name: "conflict",
        policy: "package envoy.authz\n\nallow := true if input.parsed_path\n\nallow := false if input.parsed_path\n",
        reason: "conflict",
        body: "denied: policy error",
        cause: "multiple evaluation results",
        ..POLICY
    },
    Row {
        name: "conflict within one rule",
        policy: "package envoy.authz\n\nallow := x if some x in [input.parsed_path[0] == \"\", true]\n",
        by: By::Path("/a"),
        reason: "conflict",
        body: "denied: policy error",
        cause: "multiple evaluation results",
        ..POLICY
    },
    Row {
        name: "a decision of a wrong type",
        policy: "package envoy.authz\n\nallow := \"yes\"\n",
        cause: "must be a boolean or an object, is a string",
        ..MALFORMED
    },
    Row {
        name: "a decision without a verdict",
        policy: "package envoy.authz\n\nallow := {\"headers\": {\"x-a\": \"b\"}}\n",
        cause: "`allowed` is missing",
        ..MALFORMED
    },
    Row {
        name: "a verdict that only looks true",
        policy: "package envoy.authz\n\nallow := {\"allowed\": \"true\"}\n",
        cause: "`allowed` must be a boolean, is a string",
        ..MALFORMED
    },
    Row {
        name: "a header that splits the answer",
        policy: "package envoy.authz\n\nallow := {\"allowed\": true, \"headers\": {\"x-a\": \"b\\r\\nx-admin: 1\"}}\n",
        cause: "`headers.x-a` contains a control character",
        ..MALFORMED
    },
    Row {
        name: "a status Envoy cannot send",
        policy: "package envoy.authz\n\nallow := {\"allowed\": false, \"http_status\": 100}\n",
        cause: "`http_status` is not an HTTP status",
        ..MALFORMED
    },
    Row {
        name: "an error of a built-in in strict mode",
        policy: "package envoy.authz\n\ndefault allow := false\n\nallow if to_number(input.attributes.request.http.path) >= 0\n",
        set: &["portcullis.strict_builtin_errors=true"],
        reason: "evaluation",
        body: "denied: policy error",
        cause: "the policy did not evaluate",
        ..POLICY
    },
    Row {
        name: "instructions used up",
        policy: LOOPS,
        set: &[
            "portcullis.limits.instructions=1000",
            "portcullis.budget=30s",
        ],
        reason: "evaluation",
        body: "denied: policy error",
        cause: "used up its 1000 instructions",
        ..POLICY
    },
    Row {
        name: "bytes that are no request",
        by: By::Bytes(b"\x0a\xffnot a request"),
        cause: "the CheckRequest does not decode",
        ..UNREADABLE
    },
    Row {
        name: "a path with a bad escape",
        by: By::Path("/a/%zz"),
        cause: "the request cannot be parsed",
        ..UNREADABLE
    },
    Row {
        name: "a body that is not what it says",
        policy: "package envoy.authz\n\ndefault allow := true\n\nallow := false if input.parsed_body.admin\n",
        by: By::Json("{\"admin\": tru"),
        cause: "the body is not JSON",
        ..UNREADABLE
    },
    Row {
        name: "the budget of the configuration",
        by: By::Path("/slow"),
        set: &["portcullis.budget=20ms", ENDLESS],
        ..BUDGET
    },
    Row {
        name: "the time of the caller",
        by: By::Timeout("2S"),
        set: &[
            "portcullis.budget=30s",
            "portcullis.reply_margin=1s",
            ENDLESS,
        ],
        ..BUDGET
    },
    Row {
        name: "overload",
        by: By::Overload,
        set: &[
            "portcullis.budget=2s",
            "portcullis.admission.max_in_flight=1",
            "portcullis.admission.retry_after=7s",
            ENDLESS,
        ],
        reason: "overload",
        body: "unavailable: authorization is overloaded",
        cause: "too many checks in flight",
        ..BUDGET
    },
    Row {
        name: "no policy yet",
        by: By::NoPolicy,
        set: &["portcullis.admission.retry_after=7s"],
        reason: "not_ready",
        body: "unavailable: authorization is not ready",
        cause: "not ready",
        ..BUDGET
    },
    Row {
        name: "panic",
        by: By::Panic,
        policy: "package envoy.authz\n\nallow := true\n",
        reason: "internal",
        code: 13,
        http: 500,
        body: "denied: internal error",
        cause: "internal error",
        ..POLICY
    },
];
