//! Claims from Envoy's `jwt_authn`, when it runs in front of the gate, and the widely published
//! policy that reads them at `fields`.

use serde_json::json;

use crate::{
    Mesh,
    client::{Caller, send},
    issuer::claims,
    key_server::keys::Signer,
};

/// The policy as it was published.
pub(crate) const PUBLISHED_SKELETON: &str =
    include_str!("../../policies/published_skeleton/published_skeleton.rego");

#[tokio::test(flavor = "multi_thread")]
async fn the_published_skeleton_works_on_claims_that_envoy_verified() {
    let mesh = Mesh::start(PUBLISHED_SKELETON).await;
    let premium = mesh.issuer.premium();
    let standard = claims(&json!({"tier": "standard"}));
    let standard = mesh.issuer.signer.token(&standard);
    let forged = Signer::es256("k1").token(&claims(&json!({})));
    let cases = [
        ("orders-api", "jwt-first", Some(&premium), 200),
        ("orders-api", "jwt-first", Some(&standard), 403),
        ("orders-api", "jwt-first", None, 403),
        ("sleep", "jwt-first", Some(&premium), 403),
        // Envoy refuses it before it asks.
        ("orders-api", "jwt-first", Some(&forged), 401),
        // In istiod's order nobody has verified the token yet, and this gate trusts no issuer.
        ("orders-api", "inbound", Some(&premium), 403),
    ];
    for (workload, listener, token, status) in cases {
        let before = mesh.upstream.requests();
        let caller = Caller::Workload(workload);
        let url = mesh.url(&caller, listener, "/v1/charges");
        let request = mesh.client(&caller).get(url);
        let request = match token {
            Some(token) => request.bearer_auth(token),
            None => request,
        };
        let case = format!("{workload} on {listener}, expected {status}");
        assert_eq!(send(request).await.status(), status, "{case}");
        let passed = mesh.upstream.requests() - before;
        assert_eq!(passed, usize::from(status == 200), "{case}");
    }
}
