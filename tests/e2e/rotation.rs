//! Keys that rotate while requests run: no valid token is refused, and none of a key that is gone is
//! accepted.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use serde_json::json;
use tokio::task::JoinHandle;

use crate::{
    Mesh,
    client::{Caller, send},
    issuer::claims,
    key_server::{
        Answer,
        keys::{Signer, key_set},
    },
    soon,
};

const POLICY: &str = r#"package envoy.authz

default allow := false

allow if input.jwt.claims.tier == "premium"
"#;

/// Callers with tokens of one key, a new one for each request, who accept nothing but an allow.
struct Load {
    stop: Arc<AtomicBool>,
    workers: Vec<JoinHandle<usize>>,
}

impl Load {
    fn on(mesh: &Mesh, signer: &Arc<Signer>) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let caller = Caller::Workload("sleep");
        let url = mesh.url(&caller, "gate-alone", "/orders");
        let worker = |worker| {
            let client = mesh.client(&caller);
            let (url, signer, stop) = (url.clone(), Arc::clone(signer), Arc::clone(&stop));
            tokio::spawn(async move {
                let mut answered = 0_usize;
                while answered == 0 || !stop.load(Ordering::Relaxed) {
                    let id = format!("{worker}-{answered}");
                    let token = signer.token(&claims(&json!({"jti": id})));
                    let answer = client.get(&url).bearer_auth(token).send().await.unwrap();
                    assert_eq!(answer.status(), 200, "{} {id}", signer.kid());
                    answered += 1;
                }
                answered
            })
        };
        let workers = (0..2).map(worker).collect();
        Self { stop, workers }
    }

    /// Ends it; the number of requests, all of which were allowed.
    async fn end(self) -> usize {
        self.stop.store(true, Ordering::Relaxed);
        let mut answered = 0;
        for worker in self.workers {
            answered += worker.await.unwrap();
        }
        answered
    }
}

async fn status(mesh: &Mesh, path: &str, token: &str) -> u16 {
    let caller = Caller::Workload("sleep");
    let url = mesh.url(&caller, "gate-alone", path);
    let request = mesh.client(&caller).get(url).bearer_auth(token);
    send(request).await.status().as_u16()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rotation_in_the_documented_order_refuses_no_valid_token_and_then_the_old_key_is_gone() {
    let mesh = Mesh::configured(POLICY, |issuer| issuer.trusted(&json!({}))).await;
    let server = mesh.issuer.server();
    let [first, second] = ["first", "second"].map(|kid| Arc::new(Signer::es256(kid)));
    let tokens = [&first, &second].map(|signer| signer.token(&claims(&json!({}))));
    let publish = async |signers: &[&Signer], change| {
        server.set_keys(Answer::keys(&key_set(signers)));
        mesh.gate.keys_changed(change).await;
    };
    mesh.gate.keys_changed(1).await;
    publish(&[&first], 2).await;
    let of_first = Load::on(&mesh, &first);
    // A key that nobody has published yet is nobody's.
    assert_eq!(status(&mesh, "/early", &tokens[1]).await, 403);
    assert_eq!(status(&mesh, "/first", &tokens[0]).await, 200);
    publish(&[&first, &second], 3).await;
    // The same token, which was refused a moment ago.
    assert_eq!(status(&mesh, "/second", &tokens[1]).await, 200);
    let of_second = Load::on(&mesh, &second);
    let answered = of_first.end().await;
    assert_eq!(status(&mesh, "/first", &tokens[0]).await, 200);
    publish(&[&second], 4).await;
    // The same token, which was accepted and remembered a moment ago.
    assert_eq!(status(&mesh, "/late", &tokens[0]).await, 403);
    assert_eq!(status(&mesh, "/second", &tokens[1]).await, 200);
    let answered = answered + of_second.end().await;
    for path in ["/early", "/late"] {
        let line = mesh.gate.decided(path, 1).await;
        assert_eq!(line["token.error"], "unknown_key", "{path}");
    }
    assert_eq!(mesh.upstream.requests(), answered + 4);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_of_an_unknown_key_makes_the_gate_look_once_and_then_its_key_is_there() {
    let hour = json!({"refresh_interval": "1h", "min_refresh": "10ms"});
    let mesh = Mesh::configured(POLICY, |issuer| issuer.trusted(&hour)).await;
    mesh.gate.keys_changed(1).await;
    let server = mesh.issuer.server();
    assert_eq!(server.seen().len(), 1);
    let (next, nobodys) = (Signer::es256("next"), Signer::es256("nobodys"));
    server.set_keys(Answer::keys(&key_set(&[&mesh.issuer.signer, &next])));
    let token = next.token(&claims(&json!({})));
    assert_eq!(status(&mesh, "/next", &token).await, 403);
    // The first that comes `min_refresh` after the last fetch makes it fetch.
    soon(async { while status(&mesh, "/next", &token).await != 200 {} }).await;
    assert_eq!(server.seen().len(), 2);
    // It looks for this one too, and does not find it.
    let token = nobodys.token(&claims(&json!({})));
    let looked_for = async {
        while server.seen().len() < 3 {
            assert_eq!(status(&mesh, "/nobodys", &token).await, 403);
        }
    };
    soon(looked_for).await;
    let confirmed = |line: &serde_json::Value| line["message"] == "keys confirmed";
    mesh.gate.log.first(confirmed).await;
    for _ in 0..10 {
        assert_eq!(status(&mesh, "/nobodys", &token).await, 403);
    }
    assert_eq!(
        server.seen().len(),
        3,
        "it does not look for one key again and again"
    );
    assert_eq!(mesh.upstream.requests(), 1);
}
