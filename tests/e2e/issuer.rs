//! The issuer of the tokens that a mesh knows: a key, and the server where gates find it.

use serde_json::{Value, json};

use crate::key_server::{
    Answer, KeyServer,
    keys::{Signer, key_set},
};

/// The `iss` of every token; Envoy's own filter knows it too.
pub(crate) const ISSUER: &str = "https://issuer.example";
/// Their `aud`.
pub(crate) const AUDIENCE: &str = "orders";

/// An issuer; its server is gone when this is dropped.
pub(crate) struct Issuer {
    /// The key that it begins with.
    pub(crate) signer: Signer,
    server: Option<KeyServer>,
}

impl Issuer {
    /// Publishes a new key.
    pub(crate) async fn start() -> Self {
        let signer = Signer::es256("k1");
        let server = KeyServer::start(Answer::keys(&key_set(&[&signer]))).await;
        Self {
            signer,
            server: Some(server),
        }
    }

    /// The key set that it begins with.
    pub(crate) fn keys(&self) -> Value {
        key_set(&[&self.signer])
    }

    /// Where its keys are.
    pub(crate) fn server(&self) -> &KeyServer {
        self.server.as_ref().unwrap()
    }

    /// From now on nobody answers there.
    pub(crate) fn go_away(&mut self) {
        self.server = None;
    }

    /// It as the one provider `main`, with `more` keys of the provider. Fetches follow each other at
    /// once where a test wants to see the next one.
    pub(crate) fn trusted(&self, more: &Value) -> Value {
        let mut provider = json!({
            "name": "main",
            "issuer": ISSUER,
            "audiences": [AUDIENCE],
            "jwks_uri": self.server().url(),
            "min_refresh": "10ms",
            "refresh_interval": "50ms",
        });
        extend(&mut provider, more);
        json!({"portcullis": {"log": {"level": "debug"}, "jwt": {"providers": [provider]}}})
    }

    /// A valid token of a premium caller.
    pub(crate) fn premium(&self) -> String {
        self.signer.token(&claims(&json!({})))
    }
}

/// The claims of a premium caller's token that is valid for decades, with others over them.
pub(crate) fn claims(others: &Value) -> Value {
    let mut claims = json!({
        "iss": ISSUER,
        "sub": "alice",
        "aud": AUDIENCE,
        "exp": 4_102_444_800_u64,
        "tier": "premium",
    });
    extend(&mut claims, others);
    claims
}

fn extend(object: &mut Value, others: &Value) {
    let others = others.as_object().unwrap().clone();
    object.as_object_mut().unwrap().extend(others);
}
