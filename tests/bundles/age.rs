//! A source that has been silent for too long.

use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

use portcullis::{
    clock::{Clock, Now, Reading},
    ready::Readiness,
    sources::bundles::MaxAge,
};

use crate::{
    gate::{Gate, PATH, at, version},
    server::{Answer, BundleServer, Version},
    signatures::{Publisher, packed},
};

/// A clock that goes on when a test wants it: hours on top of the system's.
fn clock(hours: &'static AtomicU64) -> Clock {
    let now = move || {
        let Now { unix, instant } = Clock::System.now();
        let more = Duration::from_hours(hours.load(Ordering::SeqCst));
        Now {
            unix: unix + more,
            instant: instant + more,
        }
    };
    Clock::By(Reading(Box::leak(Box::new(now))))
}

const OLD: &str = "portcullis_bundle_old{bundle=\"authz\"}";

#[tokio::test(flavor = "multi_thread")]
async fn a_source_that_is_silent_for_too_long_is_told_and_takes_readiness_if_asked() {
    static HOURS: [AtomicU64; 2] = [AtomicU64::new(0), AtomicU64::new(0)];
    for (hours, unready) in HOURS.iter().zip([true, false]) {
        let server = BundleServer::start().await;
        server.set(PATH, Version::new("1", version(1)));
        let mut source = at(&server, "authz");
        source.max_age = Some(MaxAge {
            age: Duration::from_hours(2),
            unready,
        });
        let gate = Gate::start_at(clock(hours), vec![source]).await;
        gate.decides(1).await;
        gate.readiness(true).await;
        server.set(PATH, Answer::status(500));
        gate.status_when("authz", |status| status.failure.is_some())
            .await;
        assert_eq!(gate.metric(OLD), Some(0.0));

        hours.store(3, Ordering::SeqCst);
        if unready {
            gate.readiness(false).await;
            let pending = Readiness::Pending(vec!["bundle:authz".into()]);
            assert_eq!(gate.ready.current(), pending);
        }
        crate::gate::soon(async {
            while gate.metric(OLD) != Some(1.0) {
                tokio::task::yield_now().await;
            }
        })
        .await;
        assert_eq!(gate.ready.current().is_ready(), !unready);
        assert_eq!(gate.version(), Some(1), "the last good policy decides on");

        // The same bundle as before: it was heard from.
        server.set(PATH, Version::new("1", version(1)));
        gate.readiness(true).await;
        crate::gate::soon(async {
            while gate.metric(OLD) != Some(0.0) {
                tokio::task::yield_now().await;
            }
        })
        .await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_genuine_is_not_heard_and_what_does_not_compile_is() {
    static HOURS: [AtomicU64; 4] = [const { AtomicU64::new(0) }; 4];
    let (ours, theirs) = (Publisher::new(), Publisher::new());
    let files = vec![(
        "policy.rego".to_owned(),
        b"package envoy.authz\nallow if f(1)".to_vec(),
    )];
    let uncompiled = packed(&files, &ours.signature(&files, "ours"));
    let cases = [
        ("garbage", Answer::ok("garbage"), true),
        ("another's", Answer::ok(theirs.signed(2)), true),
        ("unsigned", Answer::ok(version(2)), true),
        ("no policy", Answer::ok(uncompiled), false),
    ];
    for (hours, (name, answer, old)) in HOURS.iter().zip(cases) {
        let server = BundleServer::start().await;
        server.set(PATH, Version::new("1", ours.signed(1)));
        let mut source = at(&server, "authz");
        ours.is_believed_by(&mut source);
        source.max_age = Some(MaxAge {
            age: Duration::from_hours(2),
            unready: true,
        });
        let gate = Gate::start_at(clock(hours), vec![source]).await;
        gate.decides(1).await;
        gate.readiness(true).await;
        server.set(PATH, answer);
        gate.status_when("authz", |status| status.failure.is_some())
            .await;
        hours.store(3, Ordering::SeqCst);
        let asked = server.seen(PATH).len();
        crate::gate::soon(server.requests(PATH, asked + 3)).await;
        gate.readiness(!old).await;
        // OPA's report tells that it was answered.
        let status = gate.status("authz");
        assert!(status.last_successful_request.is_some(), "{name}");
        assert_eq!(gate.version(), Some(1), "{name}");
        server.set(PATH, Version::new("3", ours.signed(3)));
        gate.decides(3).await;
        gate.readiness(true).await;
    }
}
