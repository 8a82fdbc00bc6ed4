//! How a source is asked, and what is done with what it answers.

use std::{
    sync::{
        Arc, OnceLock,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use portcullis::{
    clock::{Clock, Now, Reading},
    sources::bundles::{
        Polling,
        status::{Form, Stage},
    },
};

use crate::{
    gate::{Gate, PATH, at, bundle, soon, version},
    server::{Answer, BundleServer, Version},
};

const HOUR: Duration = Duration::from_hours(1);

#[tokio::test(flavor = "multi_thread")]
async fn what_has_not_changed_is_neither_sent_nor_compiled_again() {
    let server = BundleServer::start().await;
    let gate = Gate::with_version_1(&server, at(&server, "authz")).await;
    let seen = soon(server.requests(PATH, 4)).await;
    assert_eq!(seen[0].header("if-none-match"), None);
    assert_eq!(seen[0].header("prefer"), Some("modes=snapshot"));
    assert_eq!(seen[3].header("if-none-match"), Some("\"1\""));
    assert_eq!(seen[3].header("prefer"), Some("modes=snapshot,delta"));
    let unchanged = "portcullis_bundle_requests_total{bundle=\"authz\",outcome=\"unchanged\"}";
    gate.reaches(unchanged, 2.0).await;
    let downloaded = "portcullis_bundle_requests_total{bundle=\"authz\",outcome=\"downloaded\"}";
    assert_eq!(gate.metric(downloaded), Some(1.0));
    let activations = "portcullis_policy_activations_total{result=\"success\"}";
    assert_eq!(gate.metric(activations), Some(1.0));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_archive_under_another_tag_is_not_compiled_again() {
    let server = BundleServer::start().await;
    let gate = Gate::with_version_1(&server, at(&server, "authz")).await;
    let before = gate.publisher.active().load_full().unwrap();
    server.set(PATH, Version::new("other", version(1)));
    let seen = server.seen(PATH).len();
    soon(server.requests(PATH, seen + 3)).await;
    assert!(Arc::ptr_eq(
        &before,
        &gate.publisher.active().load_full().unwrap()
    ));
    let last = server.seen(PATH);
    assert_eq!(
        last.last().unwrap().header("if-none-match"),
        Some("\"other\"")
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_tag_brings_a_new_policy_with_its_status() {
    let server = BundleServer::start().await;
    let gate = Gate::with_version_1(&server, at(&server, "authz")).await;
    let first = gate
        .status_when("authz", |status| status.timings.total.is_some())
        .await;
    let archive = version(2);
    let size = u64::try_from(archive.len()).unwrap();
    server.set(PATH, Version::new("2", archive));
    gate.decides(2).await;
    // The times are the last that is told.
    let status = gate
        .status_when("authz", |status| {
            status.timings.total != first.timings.total && status.size == Some(size)
        })
        .await;
    assert!(status.active && status.failure.is_none());
    assert_eq!(status.active_revision.as_deref(), Some("2"));
    assert_eq!(status.form, Some(Form::Snapshot));
    assert!(status.last_request.is_some() && status.last_successful_request.is_some());
    assert!(status.last_successful_activation >= status.last_successful_download);
    assert!(status.timings.compile.is_some() && status.timings.read.is_some());
    let info = gate.series("portcullis_bundle_info");
    assert_eq!(
        info,
        ["portcullis_bundle_info{bundle=\"authz\",revision=\"2\"} 1"]
    );
    let opa = gate.series("last_success_bundle_activation");
    assert_eq!(opa.len(), 1, "{opa:?}");
    assert!(opa[0].contains("active_revision=\"2\""), "{opa:?}");
    gate.reaches("bundle_loaded_counter{name=\"authz\"}", 2.0)
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_holds_requests_is_asked_at_once_again() {
    let server = BundleServer::start().await;
    server.set(PATH, Version::new("1", version(1)).held());
    let mut source = at(&server, "authz");
    source.polling = Polling {
        min_delay: HOUR,
        max_delay: HOUR,
        long_polling_timeout: Some(Duration::from_secs(30)),
    };
    let gate = Gate::start(vec![source]).await;
    gate.decides(1).await;
    for number in 2..5 {
        server.set(
            PATH,
            Version::new(&number.to_string(), version(number)).held(),
        );
        gate.decides(number).await;
    }
    let seen = server.seen(PATH);
    assert_eq!(
        seen[1].header("prefer"),
        Some("modes=snapshot,delta;wait=30")
    );
    assert!(seen.len() <= 5, "{} requests", seen.len());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_only_says_that_it_holds_requests_is_not_asked_all_the_time() {
    let server = BundleServer::start().await;
    let holds = Answer::Reply(
        200,
        vec![("content-type", crate::server::LONG_POLL.to_owned())],
        version(1),
    );
    server.set(PATH, holds);
    let mut source = at(&server, "authz");
    source.polling = Polling {
        min_delay: HOUR,
        max_delay: HOUR,
        long_polling_timeout: Some(Duration::from_secs(30)),
    };
    let begun = std::time::Instant::now();
    let gate = Gate::start(vec![source]).await;
    soon(server.requests(PATH, 6)).await;
    assert!(
        begun.elapsed() >= Duration::from_millis(500),
        "{:?}",
        begun.elapsed()
    );
    assert_eq!(gate.version(), Some(1));
}

#[tokio::test(flavor = "multi_thread")]
async fn one_that_is_triggered_by_hand_is_asked_until_it_is_active() {
    let server = BundleServer::start().await;
    server.set(PATH, Answer::status(500));
    let mut source = at(&server, "authz");
    source.manual = true;
    let gate = Gate::start(vec![source]).await;
    gate.fails("authz", Stage::Download).await;
    server.set(PATH, Version::new("1", version(1)));
    gate.decides(1).await;
    gate.status_when("authz", |status| status.failure.is_none() && status.active)
        .await;
    server.set(PATH, Version::new("2", version(2)));
    let seen = server.seen(PATH).len();
    // Twenty times as long as the longest delay.
    tokio::time::sleep(Duration::from_millis(400)).await;
    assert_eq!(server.seen(PATH).len(), seen);
    assert_eq!(gate.version(), Some(1));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broken_archive_is_not_read_again_and_a_step_back_takes_it_back() {
    let server = BundleServer::start().await;
    let gate = Gate::with_version_1(&server, at(&server, "authz")).await;
    let before = gate.publisher.active().load_full().unwrap();
    server.set(
        PATH,
        Version::new(
            "2",
            bundle("2", "envoy", "package envoy.authz\nallow if f(1)"),
        ),
    );
    gate.fails("authz", Stage::Compile).await;
    let seen = server.seen(PATH).len();
    soon(server.requests(PATH, seen + 4)).await;
    let rejections = "portcullis_policy_activations_total{result=\"failure\"}";
    assert_eq!(gate.metric(rejections), Some(1.0), "compiled once");
    let failures = "portcullis_bundle_failures_total{bundle=\"authz\",stage=\"compile\"}";
    gate.reaches(failures, 2.0).await;
    server.set(PATH, Version::new("1", version(1)));
    gate.status_when("authz", |status| status.failure.is_none())
        .await;
    assert!(Arc::ptr_eq(
        &before,
        &gate.publisher.active().load_full().unwrap()
    ));
}

/// Breaks the clock, once.
static BROKEN: AtomicBool = AtomicBool::new(false);

fn clock_that_breaks() -> Clock {
    static SYSTEM: OnceLock<Clock> = OnceLock::new();
    fn now() -> Now {
        assert!(!BROKEN.swap(false, Ordering::SeqCst), "the clock is broken");
        SYSTEM.get_or_init(|| Clock::System).now()
    }
    Clock::By(Reading(&now))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_panic_inside_is_told_and_the_bundle_is_followed_on() {
    let server = BundleServer::start().await;
    server.set(PATH, Version::new("1", version(1)));
    let gate = Gate::start_at(clock_that_breaks(), vec![at(&server, "authz")]).await;
    gate.decides(1).await;
    server.hold();
    let seen = server.seen(PATH).len();
    soon(server.requests(PATH, seen + 1)).await;
    // The follower waits for the answer, and looks at the clock when it has it.
    BROKEN.store(true, Ordering::SeqCst);
    server.set(PATH, Version::new("2", version(2)));
    server.release();
    gate.fails("authz", Stage::Internal).await;
    gate.decides(2).await;
    gate.status_when("authz", |status| status.failure.is_none())
        .await;
}
