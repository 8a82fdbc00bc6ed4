//! Claims from Envoy's `jwt_authn`, when it runs in front of the gate, and the widely published
//! policy that reads them at `fields`.

use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD as BASE64};
use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use rcgen::{KeyPair, PublicKeyData};
use serde_json::{Value, json};

use crate::{Mesh, client::Caller, client::send};

/// Signs tokens with a key of its own.
pub(crate) struct TokenIssuer(KeyPair);

impl TokenIssuer {
    pub(crate) fn create() -> Self {
        Self(KeyPair::generate().unwrap())
    }

    /// A token with `claims` that is valid for decades.
    pub(crate) fn token(&self, claims: &Value) -> String {
        let mut header = Header::new(Algorithm::ES256);
        header.kid = Some(KEY_ID.to_owned());
        let mut all =
            json!({"iss": "https://issuer.example", "sub": "alice", "exp": 4_102_444_800_u64});
        all.as_object_mut()
            .unwrap()
            .extend(claims.as_object().unwrap().clone());
        let key = EncodingKey::from_ec_pem(self.0.serialize_pem().as_bytes()).unwrap();
        encode(&header, &all, &key).unwrap()
    }

    /// The JSON Web Key Set that verifies them.
    pub(crate) fn public_keys(&self) -> Value {
        // An uncompressed point: 4, x, y.
        let (x, y) = self.0.der_bytes()[1..].split_at(32);
        let (x, y) = (BASE64.encode(x), BASE64.encode(y));
        json!({"keys": [{"kty": "EC", "crv": "P-256", "alg": "ES256", "kid": KEY_ID, "x": x, "y": y}]})
    }
}

const KEY_ID: &str = "k1";

const PUBLISHED_SKELETON: &str =
    include_str!("../../policies/published_skeleton/published_skeleton.rego");

#[tokio::test(flavor = "multi_thread")]
async fn the_published_skeleton_works_on_claims_that_envoy_verified() {
    let mesh = Mesh::start(PUBLISHED_SKELETON).await;
    let premium = mesh.pki.issuer.token(&json!({"tier": "premium"}));
    let standard = mesh.pki.issuer.token(&json!({"tier": "standard"}));
    let forged = TokenIssuer::create().token(&json!({"tier": "premium"}));
    let cases = [
        ("orders-api", "jwt-first", Some(&premium), 200),
        ("orders-api", "jwt-first", Some(&standard), 403),
        ("orders-api", "jwt-first", None, 403),
        ("sleep", "jwt-first", Some(&premium), 403),
        // Envoy refuses it before it asks.
        ("orders-api", "jwt-first", Some(&forged), 401),
        // In istiod's order nobody has verified the token yet.
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
