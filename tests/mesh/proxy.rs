//! What the proxies do beside the gate: other policies, providers that are not there, waypoints.

use serde_json::json;

use super::{
    Mesh,
    check::{answer, status},
    wire::{AMBIENT_SLEEP, AMBIENT_STRANGER, Caller, Request, SLEEP, Target},
};

/// What Istio's own policies say.
const RBAC: &str = "RBAC: access denied";

pub(crate) async fn istios_own_policies_beat_what_the_gate_allows(mesh: &mut impl Mesh) {
    let before = mesh.arrived().await;
    let checks = mesh.metric("portcullis_checks_total").await;
    // A DENY policy names the one; no ALLOW policy names the other.
    for path in ["/denied/x", "/unlisted/x"] {
        let told = answer(mesh, SLEEP, Target::Closed, Request::get(path)).await;
        assert_eq!((told.status, &*told.body), (403, RBAC), "{path}");
    }
    assert_eq!(mesh.arrived().await, before);
    // The gate was asked first, and let both pass.
    assert_eq!(mesh.metric("portcullis_checks_total").await, checks + 2);
    assert_eq!(status(mesh, SLEEP, Target::Closed, "/orders").await, 200);
}

pub(crate) async fn a_provider_that_is_not_there_denies_everything(mesh: &mut impl Mesh) {
    let before = mesh.arrived().await;
    let checks = mesh.metric("portcullis_checks_total").await;
    for path in ["/public", "/orders"] {
        let told = answer(mesh, SLEEP, Target::Misnamed, Request::get(path)).await;
        assert_eq!((told.status, &*told.body), (403, RBAC), "{path}");
        assert_eq!(status(mesh, SLEEP, Target::Closed, path).await, 200);
    }
    assert_eq!(mesh.arrived().await, before + 2);
    assert_eq!(mesh.metric("portcullis_checks_total").await, checks + 2);
}

/// A request whose caller also claims to be the one that the policy names.
fn forged(path: &str) -> Request {
    let element = format!("By=x;URI={}", AMBIENT_SLEEP.spiffe_id());
    Request::get(path).header("x-forwarded-client-cert", &element)
}

/// Who the gate says called through a waypoint.
async fn caller_at(mesh: &impl Mesh, caller: Caller, target: Target) -> serde_json::Value {
    let told = answer(mesh, caller, target, forged("/public")).await;
    told.seen()["x-caller"].clone()
}

pub(crate) async fn a_waypoint_with_the_annotation_names_its_callers(mesh: &mut impl Mesh) {
    let at = Target::Waypoint;
    for caller in [AMBIENT_SLEEP, AMBIENT_STRANGER] {
        let name = caller_at(mesh, caller, at).await;
        assert_eq!(name, json!([caller.spiffe_id()]));
    }
    let before = mesh.arrived().await;
    let told = answer(mesh, AMBIENT_STRANGER, at, forged("/orders")).await;
    assert_eq!(told.status, 403);
    assert_eq!(told.header("x-denied-by"), Some("portcullis"));
    assert_eq!(mesh.arrived().await, before);
    assert_eq!(status(mesh, AMBIENT_SLEEP, at, "/orders").await, 200);
}

pub(crate) async fn a_waypoint_without_it_leaves_callers_without_a_name(mesh: &mut impl Mesh) {
    let at = Target::BareWaypoint;
    let missing = "portcullis_principal_missing_total";
    let before = mesh.metric(missing).await;
    assert_eq!(caller_at(mesh, AMBIENT_SLEEP, at).await, json!(["nobody"]));
    let told = answer(mesh, AMBIENT_SLEEP, at, forged("/orders")).await;
    assert_eq!(told.status, 403);
    assert_eq!(told.header("x-denied-by"), Some("portcullis"));
    assert_eq!(mesh.metric(missing).await, before + 2);
    // The same caller where there is the annotation.
    let named = status(mesh, AMBIENT_SLEEP, Target::Waypoint, "/orders").await;
    assert_eq!(named, 200);
}
