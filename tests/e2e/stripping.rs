//! `strip_on_allow`: the upstream never sees the token that let a request through.

use reqwest::Response;
use serde_json::{Value, json};

use crate::{
    Mesh,
    client::{Caller, send},
    issuer::claims,
    key_server::keys::Signer,
};

const POLICY: &str = r#"package envoy.authz

default allow := false

allow if input.jwt.claims.tier == "premium"
"#;

/// A gate that finds tokens at all three places.
async fn mesh(strip: bool) -> Mesh {
    let places = json!({
        "from_headers": [{"name": "authorization", "prefix": "Bearer "}, {"name": "x-token"}],
        "from_cookies": ["session"],
        "from_params": ["token"],
        "strip_on_allow": strip,
    });
    let mesh = Mesh::configured(POLICY, |issuer| issuer.trusted(&places)).await;
    mesh.gate.keys_changed(1).await;
    mesh
}

/// A request with the token at one place, and with other things around it.
struct Case {
    uri: String,
    header: Option<(&'static str, String)>,
    /// What the upstream sees of both when the token is taken out.
    stripped: (&'static str, Value),
}

impl Case {
    async fn send(&self, mesh: &Mesh) -> Response {
        let caller = Caller::Workload("sleep");
        let url = mesh.url(&caller, "inbound", &self.uri);
        let request = mesh.client(&caller).get(url).header("x-other", "kept");
        send(match &self.header {
            Some((name, value)) => request.header(*name, value),
            None => request,
        })
        .await
    }
}

fn cases(token: &str) -> [Case; 9] {
    let header = |name, value: String, left| Case {
        uri: "/a?b=c%20d".to_owned(),
        header: Some((name, value)),
        stripped: ("/a?b=c%20d", left),
    };
    let query = |uri: String, left| Case {
        uri,
        header: None,
        stripped: (left, Value::Null),
    };
    [
        header("authorization", format!("Bearer {token}"), Value::Null),
        header("x-token", token.to_owned(), Value::Null),
        header(
            "cookie",
            format!("a=1; session={token}; b=2"),
            json!(["a=1; b=2"]),
        ),
        header("cookie", format!("session={token}"), Value::Null),
        header(
            "cookie",
            format!("a=\"1,2\"; session={token}; b=2,3"),
            json!(["a=\"1,2\"; b=2,3"]),
        ),
        query(format!("/a?token={token}"), "/a"),
        query(format!("/a?b=c%20d&token={token}"), "/a?b=c%20d"),
        query(format!("/a?b=1&token={token}&b=2"), "/a?b=1&b=2"),
        query(format!("/a?tokens=1&%74oken={token}"), "/a?tokens=1"),
    ]
}

/// Sends every case; `strip` is what the gate was told.
async fn every_case_arrives(mesh: &Mesh, strip: bool) {
    let token = mesh.issuer.premium();
    for case in cases(&token) {
        let before = mesh.upstream.requests();
        let answer = case.send(mesh).await;
        let Case {
            uri,
            header,
            stripped,
        } = case;
        assert_eq!(answer.status(), 200, "{uri} {header:?}");
        assert_eq!(mesh.upstream.requests() - before, 1);
        let seen: Value = answer.json().await.unwrap();
        assert_eq!(seen["x-other"], json!(["kept"]));
        // The signature is the same in every spelling.
        let signature = token.rsplit_once('.').unwrap().1;
        assert_eq!(seen.to_string().contains(signature), !strip, "{seen}");
        let expected = if strip { stripped.0 } else { &uri };
        assert_eq!(seen[":uri"], expected);
        if let Some((name, value)) = header {
            let whole = json!([value]);
            let expected = if strip { stripped.1 } else { whole };
            assert_eq!(seen[name], expected, "{name}");
        }
    }
}

/// The same places with a token that the policy does not like.
async fn no_case_arrives(mesh: &Mesh) {
    let token = mesh.issuer.signer.token(&claims(&json!({"tier": "basic"})));
    let before = mesh.upstream.requests();
    for case in cases(&token) {
        assert_eq!(case.send(mesh).await.status(), 403, "{}", case.uri);
    }
    assert_eq!(mesh.upstream.requests(), before);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_that_let_a_request_through_is_taken_out_where_it_stood() {
    let mesh = mesh(true).await;
    every_case_arrives(&mesh, true).await;
    no_case_arrives(&mesh).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn without_the_switch_a_token_goes_through_as_it_came() {
    let mesh = mesh(false).await;
    every_case_arrives(&mesh, false).await;
    no_case_arrives(&mesh).await;
}

/// Cookies come in one header, and by HTTP/2 in one for each; nobody stops an HTTP/1 client from
/// sending two.
#[tokio::test(flavor = "multi_thread")]
async fn cookies_in_two_headers_hide_no_second_token() {
    let mesh = mesh(false).await;
    let caller = Caller::Workload("sleep");
    let good = format!("session={}", mesh.issuer.premium());
    let forged = Signer::es256("k1").token(&claims(&json!({})));
    let forged = format!("session={forged}");
    let clients = [mesh.client(&caller), mesh.http2_client(&caller)];
    let cases = [
        ([&*format!("{good}; b=2"), &*forged], 403),
        ([&forged, &format!("b=2; {good}")], 403),
        ([&good, &forged], 403),
        ([&good, "b=2"], 200),
        (["a=1", &good], 200),
    ];
    for (client, (cookies, status)) in clients.iter().flat_map(|c| cases.map(|case| (c, case))) {
        let before = mesh.upstream.requests();
        let request = client.get(mesh.url(&caller, "inbound", "/a"));
        let request = cookies
            .iter()
            .fold(request, |r, cookie| r.header("cookie", *cookie));
        assert_eq!(send(request).await.status(), status, "{cookies:?}");
        let passed = mesh.upstream.requests() - before;
        assert_eq!(passed, usize::from(status == 200), "{cookies:?}");
    }
    for nth in 1..=10 {
        let line = mesh.gate.decided("/a", nth).await;
        let allowed = line["outcome"] == "allowed";
        assert_eq!(line["token.error"] == "malformed", !allowed, "{line}");
    }
}
