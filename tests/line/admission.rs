//! Which checks are begun, by how long they waited for their turn.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use envoy_types::pb::envoy::service::auth::v3::CheckResponse;
use portcullis::{
    app::build::check_options,
    check::{Call, CheckService},
    clock::Clock,
    snapshot::Snapshot,
    telemetry::Metrics,
};
use prost::Message as _;

use crate::{
    answers::always,
    failures::code,
    requests,
    server::{config, knowledge},
};

/// Two services with a budget of ten seconds: one whose policy allows, and one whose denies.
struct Services {
    allows: CheckService,
    denies: CheckService,
    metrics: Arc<Metrics>,
}

impl Services {
    fn new() -> Self {
        let metrics = Arc::new(Metrics::new(None));
        let service = |answer: &str| {
            CheckService::new(
                knowledge(Snapshot::of(always(answer)), &metrics),
                check_options(&config(&["portcullis.budget=10s"])),
                Arc::clone(&metrics),
                Clock::System,
            )
        };
        Self {
            allows: service("true"),
            denies: service("false"),
            metrics,
        }
    }

    /// The codes of both services for a check that arrived so long ago.
    async fn check(&self, waited: Duration) -> [i32; 2] {
        let mut codes = [0; 2];
        for (service, seen) in [&self.allows, &self.denies].into_iter().zip(&mut codes) {
            let request = requests::capture(requests::GET).encode_to_vec();
            let call = Call {
                metadata: &http::HeaderMap::new(),
                request: Bytes::from(request),
                called: service.now().checked_sub(waited).unwrap(),
                arrived: service.now().checked_sub(waited).unwrap(),
            };
            let bytes = service.check(call).await.unwrap();
            *seen = code(&CheckResponse::decode(bytes).unwrap());
        }
        codes
    }

    fn has(&self, series: &str) -> bool {
        self.metrics.encode().lines().any(|line| line == series)
    }
}

#[tokio::test]
async fn who_waited_a_little_is_judged_and_who_waited_too_long_is_shed() {
    let services = Services::new();
    assert_eq!(services.check(Duration::from_millis(400)).await, [0, 7]);
    assert_eq!(services.check(Duration::from_secs(6)).await, [14, 14]);
    assert!(services.has(r#"portcullis_shed_total{cause="delay"} 2"#));
}

#[tokio::test]
async fn who_waited_for_all_of_its_time_has_used_it_up_while_waiting() {
    let services = Services::new();
    assert_eq!(services.check(Duration::from_secs(11)).await, [14, 14]);
    assert!(services.has(r#"portcullis_budget_exceeded_total{stage="admission"} 2"#));
    assert_eq!(services.check(Duration::ZERO).await, [0, 7]);
}
