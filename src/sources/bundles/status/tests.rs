//! What the status of bundles tells, and whom it wakes.

use futures_util::FutureExt as _;
use serde_json::json;

use super::*;

fn statuses(name: &str) -> (Statuses, Arc<str>) {
    let (statuses, name): (_, Arc<str>) = (Statuses::new(), name.into());
    statuses.add(&name, "https://bundles.example/authz.tar.gz");
    (statuses, name)
}

#[test]
fn a_bundle_that_nothing_is_known_of_is_reported_with_zero_times() {
    let (statuses, _) = statuses("authz");
    let never = "0001-01-01T00:00:00Z";
    assert_eq!(
        json!(statuses.report()),
        json!({"authz": {
            "name": "authz",
            "last_successful_activation": never,
            "last_successful_download": never,
            "last_successful_request": never,
            "last_request": never,
        }}),
    );
}

#[test]
fn what_went_wrong_is_reported_with_its_place_and_taken_back() {
    let (statuses, name) = statuses("authz");
    let problem = Diagnostic {
        file: "authz/policy.rego".into(),
        position: Some((3, 7)),
        message: "variable `x` is unsafe".into(),
        excerpt: None,
        hint: Some("assign it first".into()),
    };
    statuses.change(&name, |status| {
        status.last_request = Some(Duration::from_millis(1_700_000_000_250));
        status.timings.compile = Some(Duration::from_micros(3));
        status.failure = Some(Failure {
            stage: Stage::Compile,
            message: "1 problem in the policy".into(),
            errors: [problem].into(),
            http_status: None,
        });
    });
    let report = &statuses.report()["authz"];
    assert_eq!(report["code"], "bundle_error");
    assert_eq!(report["message"], "1 problem in the policy");
    assert_eq!(report["last_request"], "2023-11-14T22:13:20.250Z");
    assert_eq!(
        report["metrics"],
        json!({"timer_rego_module_compile_ns": 3000})
    );
    assert_eq!(
        report["errors"],
        json!([{
            "code": "rego_compile_error",
            "message": "variable `x` is unsafe (assign it first)",
            "location": {"file": "authz/policy.rego", "row": 3, "col": 7},
        }]),
    );
    statuses.change(&name, |status| status.failure = None);
    assert_eq!(statuses.report()["authz"].get("code"), None);
}

#[test]
fn the_http_status_is_a_number() {
    let (statuses, name) = statuses("authz");
    statuses.change(&name, |status| {
        status.failure = Some(Failure {
            stage: Stage::Download,
            message: "`https://bundles.example/authz.tar.gz` answered 404".into(),
            errors: [].into(),
            http_status: Some(404),
        });
    });
    assert_eq!(statuses.report()["authz"]["http_code"], 404);
}

#[test]
fn only_a_real_change_wakes_who_waits() {
    let (statuses, name) = statuses("authz");
    let mut changes = statuses.watch();
    changes.current();
    statuses.change(&name, |status| status.failure = None);
    statuses.change("nobody", |status| status.active = true);
    statuses.remove("nobody");
    assert!(changes.changed().now_or_never().is_none());
    statuses.change(&name, |status| status.active = true);
    let seen = changes.changed().now_or_never().flatten().unwrap();
    assert!(seen.iter().all(|status| status.active) && seen.len() == 1);
}

#[test]
fn a_bundle_that_is_taken_away_is_not_reported() {
    let (statuses, name) = statuses("authz");
    statuses.add(&"other".into(), "elsewhere");
    statuses.remove(&name);
    assert_eq!(statuses.of("authz"), None);
    assert_eq!(statuses.current().len(), 1);
}
