//! Bodies in every state of arrival, under a policy that allows by default and one that does not.

use crate::{
    failures::code,
    requests::{self, POST},
    server::Server,
};

const DEFAULT_ALLOW: &str = r"package envoy.authz

default allow := true

allow := false if input.parsed_body.admin

allow := false if input.truncated_body
";

const DEFAULT_DENY: &str = r"package envoy.authz

default allow := false

allow if input.parsed_body.user
";

/// A POST with this content type, these headers on top, and this body.
fn post(content_type: Option<&str>, headers: &[(&str, &str)], body: &str) -> Vec<u8> {
    requests::http(POST, |http| {
        http.headers.remove("content-type");
        http.headers.remove("content-length");
        let content_type = content_type.map(|value| ("content-type", value));
        let all = headers.iter().copied().chain(content_type);
        http.headers
            .extend(all.map(|(k, v)| (k.to_owned(), v.to_owned())));
        body.clone_into(&mut http.body);
        http.size = -1;
    })
}

/// A request with its name, and the status of the answer where the policy allows by default and
/// where it denies.
type Case = (&'static str, Vec<u8>, i32, i32);

fn whole_bodies() -> Vec<Case> {
    let json = Some("application/json");
    vec![
        (
            "with a length, harmless",
            post(json, &[("content-length", "10")], "{\"user\":1}"),
            0,
            0,
        ),
        (
            "with a length, hostile",
            post(json, &[("content-length", "14")], "{\"admin\":true}"),
            7,
            7,
        ),
        (
            "chunked, harmless",
            post(json, &[("transfer-encoding", "chunked")], "{\"user\":1}"),
            0,
            0,
        ),
        (
            "chunked, hostile",
            post(
                json,
                &[("transfer-encoding", "chunked")],
                "{\"admin\":true}",
            ),
            7,
            7,
        ),
        (
            "without any length, hostile",
            post(json, &[], "{\"admin\":true}"),
            7,
            7,
        ),
        (
            "both parts",
            post(json, &[], "{\"admin\":true,\"user\":1}"),
            7,
            0,
        ),
    ]
}

fn bodies_that_are_not_whole() -> Vec<Case> {
    let json = Some("application/json");
    let partial = ("x-envoy-auth-partial-body", "true");
    vec![
        (
            "truncated before the hostile part",
            post(json, &[partial], "{\"user\":1,"),
            7,
            7,
        ),
        (
            "partial and complete by chance",
            post(json, &[partial], "{\"user\":1}"),
            7,
            7,
        ),
        (
            "shorter than announced",
            post(json, &[("content-length", "4000")], "{\"user\":1}"),
            7,
            7,
        ),
        ("bad JSON", post(json, &[], "{\"user\":1"), 7, 7),
        (
            "a length that is no number",
            post(json, &[("content-length", "x")], "{}"),
            7,
            7,
        ),
        ("absent", post(json, &[("content-length", "0")], ""), 0, 7),
        (
            "without a content type",
            post(None, &[], "{\"user\":1}"),
            0,
            7,
        ),
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_that_arrived_whole_is_judged_and_any_other_is_never_taken_for_it() {
    let by_default_allowed = Server::start(DEFAULT_ALLOW, PATIENT).await;
    let by_default_denied = Server::start(DEFAULT_DENY, PATIENT).await;
    for (name, request, allowed, denied) in [whole_bodies(), bodies_that_are_not_whole()].concat() {
        for (server, expected, policy) in [
            (&by_default_allowed, allowed, "allow"),
            (&by_default_denied, denied, "deny"),
        ] {
            let answer = server.check(&request).await;
            assert_eq!(code(&answer), expected, "{name}, by default {policy}");
        }
    }
}

/// What a body is taken for is told, however busy the machine is.
const PATIENT: &[&str] = &["portcullis.budget=10s"];
