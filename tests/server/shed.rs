//! What is never shed: health and the admin port, however many checks there are.

use envoy_types::pb::envoy::service::auth::v3::authorization_client::AuthorizationClient;
use tokio::task::JoinSet;
use tonic_health::pb::{
    HealthCheckRequest, health_check_response::ServingStatus, health_client::HealthClient,
};

use crate::support::{
    Running,
    client::{self, allows, request},
    soon,
};

/// Some ten milliseconds of work.
const WORKS: &[u8] = br#"
package envoy.authz

default allow := false

allow if {
	startswith(input.attributes.source.service, "friend")
	count([x | some x in numbers.range(1, 3000); x % 7 == 0]) == 428
}
"#;

const SHED: &str = r#"portcullis_checks_total{outcome="error",reason="overload"}"#;

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn health_and_admin_are_answered_while_checks_are_shed() {
    let server = Running::deciding_by(WORKS, |config| {
        config.portcullis.admission.max_in_flight = 1;
    })
    .await;
    let mut flood = JoinSet::new();
    for n in 0..4 {
        let channel = client::channel(&server.grpc).await;
        for _ in 0..25 {
            let mut client = AuthorizationClient::new(channel.clone());
            let (caller, allowed) = if n % 2 == 0 {
                ("friend", true)
            } else {
                ("stranger", false)
            };
            flood.spawn(async move {
                loop {
                    let answer = client.check(request(caller)).await.unwrap();
                    assert!(allowed || !allows(answer.get_ref()));
                }
            });
        }
    }
    let mut health = HealthClient::new(client::channel(&server.grpc).await);
    let mut rounds = 0;
    // As long as it takes until admission was full, and a while longer.
    while rounds < 50 || server.count(SHED) == 0 {
        for service in ["", "envoy.service.auth.v3.Authorization"] {
            let service = service.to_owned();
            let answer = soon(health.check(HealthCheckRequest { service })).await;
            assert_eq!(answer.unwrap().get_ref().status(), ServingStatus::Serving);
        }
        for path in ["/readyz", "/livez"] {
            assert_eq!(soon(client::get(server.admin, path)).await.0, 200, "{path}");
        }
        rounds += 1;
        assert!(rounds < 10_000, "nothing was shed");
    }
    assert!(flood.try_join_next().is_none(), "the flood went on");
}
