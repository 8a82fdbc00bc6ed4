//! An issuer of tokens with its key server on loopback, and the checks that carry its tokens.

use std::{iter, time::Duration};

use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD as BASE64};
use bytes::Bytes;
use envoy_types::pb::envoy::service::auth::v3::CheckRequest;
use prost::Message;
use serde_json::{Value, json};
use tokio::{runtime::Runtime, time::sleep};
use tonic::transport::Channel;

use crate::{
    client::{ALLOWED, check, recorded},
    jwks::{
        Answer, KeyServer,
        keys::{Signer, key_set},
    },
};

const ISSUER: &str = "https://id.example.com/realms/shop";

/// The signature of an RSA key of 2048 bits, in bytes.
const SIGNATURE: usize = 256;

/// An RS256 key and who serves it.
pub(crate) struct Issuer {
    signer: Signer,
    keys: KeyServer,
    _runtime: Runtime,
}

impl Issuer {
    /// Serves its key from a thread of its own.
    pub(crate) fn start() -> Self {
        let signer = Signer::rs256("k1");
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .unwrap();
        let keys = runtime.block_on(KeyServer::start(Answer::keys(&key_set(&[&signer]))));
        Self {
            signer,
            keys,
            _runtime: runtime,
        }
    }

    /// The configuration that trusts it.
    pub(crate) fn config(&self, min_refresh: Duration) -> Value {
        let provider = json!({
            "name": "bench", "issuer": ISSUER, "audiences": ["orders"],
            "jwks_uri": self.keys.url(), "min_refresh": format!("{}ms", min_refresh.as_millis()),
        });
        json!({"portcullis": {"jwt": {"providers": [provider]}}})
    }

    /// How often its keys were fetched.
    pub(crate) fn fetches(&self) -> usize {
        self.keys.seen().len()
    }

    /// The `number`th valid token.
    pub(crate) fn token(&self, number: usize) -> String {
        self.signer.token(&claims(number))
    }
}

/// A token that differs from valid ones in its `kid`, which nobody else has, and its signature.
pub(crate) fn unknown_kid(random: &mut fastrand::Rng) -> String {
    let kid = format!("{:032x}", random.u128(..));
    let header = json!({"alg": "RS256", "kid": kid, "typ": "JWT"});
    let claims = claims(random.usize(..));
    let signature: Vec<u8> = iter::repeat_with(|| random.u8(..))
        .take(SIGNATURE)
        .collect();
    let [header, claims] = [header, claims].map(|part| BASE64.encode(part.to_string()));
    format!("{header}.{claims}.{}", BASE64.encode(signature))
}

/// Claims as an identity provider writes them; the token has about 900 bytes.
fn claims(number: usize) -> Value {
    json!({
        "iss": ISSUER, "sub": format!("f9d3a1c2-7f0e-4a53-9d52-{number:020}"), "aud": ["orders", "account"],
        "exp": 4_102_444_800_u64, "iat": 1_700_000_000, "jti": "4e0c1f9a-90a2-4a0e-8b86-4cbb6a1a7c11",
        "typ": "Bearer", "azp": "shop-frontend", "scope": "openid orders:read orders:write",
        "realm_access": {"roles": ["customer", "offline_access"]}, "email_verified": true,
        "preferred_username": "alice", "tier": "premium",
    })
}

/// The recorded check with this method, and with this token if there is one.
pub(crate) fn request(method: &str, token: Option<&str>) -> Bytes {
    let mut request = CheckRequest::decode(recorded()).unwrap();
    let attributes = request.attributes.as_mut().unwrap();
    // As in Istio, where no filter has verified anything yet.
    attributes.metadata_context = None;
    let http = attributes.request.as_mut().unwrap().http.as_mut().unwrap();
    method.clone_into(&mut http.method);
    http.headers.insert(":method".to_owned(), method.to_owned());
    match token {
        Some(token) => http
            .headers
            .insert("authorization".to_owned(), format!("Bearer {token}")),
        None => http.headers.remove("authorization"),
    };
    request.encode_to_vec().into()
}

/// Waits until the server has the keys, so that `request` is allowed for its token.
pub(crate) async fn known(channel: &Channel, request: &Bytes) {
    for _ in 0..1_000 {
        if check(channel.clone(), request.clone()).await == ALLOWED {
            return;
        }
        sleep(Duration::from_millis(10)).await;
    }
    panic!("the token was not accepted within ten seconds");
}
