//! Gates that are gone, that do not answer, and that are replaced.

use std::time::{Duration, Instant};

use super::{
    LOADED, Load as _, Mesh, Told,
    check::{answer, status},
    wire::{Request, SLEEP, Target},
};

/// The statuses of `failOpen: false` and `failOpen: true`.
async fn statuses(mesh: &impl Mesh, path: &str) -> (u16, u16) {
    let closed = status(mesh, SLEEP, Target::Closed, path).await;
    (closed, status(mesh, SLEEP, Target::Open, path).await)
}

pub(crate) async fn a_killed_gate_closes_or_opens_as_the_provider_says(mesh: &mut impl Mesh) {
    assert_eq!(statuses(mesh, "/orders").await, (200, 200));
    assert_eq!(statuses(mesh, "/closed").await, (403, 403));
    mesh.kill_gates().await;
    let before = mesh.arrived().await;
    assert_eq!(statuses(mesh, "/orders").await, (503, 200));
    assert_eq!(statuses(mesh, "/closed").await, (503, 200));
    let request = Request::get("/orders");
    assert_eq!(mesh.send(SLEEP, Target::Tcp, &request).await, None);
    assert_eq!(mesh.arrived().await, before + 2);
    mesh.scale_gates(1).await;
    assert_eq!(statuses(mesh, "/orders").await, (200, 200));
    assert_eq!(statuses(mesh, "/closed").await, (403, 403));
}

pub(crate) async fn a_gate_that_does_not_answer_costs_the_time_out_of_the_provider(
    mesh: &mut impl Mesh,
) {
    let hasty = Target::Hasty;
    assert_eq!(status(mesh, SLEEP, hasty, "/orders").await, 200);
    assert_eq!(status(mesh, SLEEP, hasty, "/closed").await, 403);
    mesh.hold_gates().await;
    let (before, asked) = (mesh.arrived().await, Instant::now());
    let told = answer(mesh, SLEEP, hasty, Request::get("/orders")).await;
    let took = asked.elapsed();
    assert_eq!(told.status, 503);
    assert!(took >= TIMEOUT, "Envoy did not wait: {took:?}");
    assert!(took < OTHERS_TIMEOUT, "Envoy waited for longer: {took:?}");
    assert_eq!(mesh.arrived().await, before);
    mesh.release_gates().await;
    assert_eq!(status(mesh, SLEEP, hasty, "/orders").await, 200);
    assert_eq!(status(mesh, SLEEP, hasty, "/closed").await, 403);
}

pub(crate) async fn a_rolling_restart_under_load_fails_no_request(mesh: &mut impl Mesh) {
    mesh.scale_gates(2).await;
    let before = mesh.arrived().await;
    let mut load = mesh.load().await;
    load.goes_on(50).await;
    mesh.restart_gates().await;
    load.goes_on(50).await;
    let told = load.end().await;
    let allowed = sound(&told);
    assert_eq!(mesh.arrived().await, before + allowed);
    mesh.scale_gates(1).await;
}

/// Expects of a load that every request got the policy's answer, from one version of everything.
/// How many were allowed.
pub(crate) fn sound(callers: &[Vec<Told>]) -> usize {
    let mut allowed = 0;
    for of_caller in callers {
        for (path, expected) in LOADED {
            let of_path = of_caller.iter().filter(|told| told.path == path);
            let mut answers = 0;
            for told in of_path {
                answers += 1;
                assert_eq!(told.status, expected, "{told:?}");
                assert_eq!(told.policy, told.data, "{told:?}");
                assert_eq!(told.policy.is_some(), expected == 200, "{told:?}");
            }
            assert!(answers > 0, "a caller never asked for `{path}`");
            allowed += if expected == 200 { answers } else { 0 };
        }
        assert!(
            of_caller
                .iter()
                .all(|told| LOADED.iter().any(|(path, _)| *path == told.path))
        );
    }
    allowed
}

/// That of the hasty provider.
const TIMEOUT: Duration = Duration::from_secs(2);
/// That of the others.
const OTHERS_TIMEOUT: Duration = Duration::from_secs(20);
