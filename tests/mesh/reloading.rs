//! Policies and bundles that change under load, as kubelet and bundle servers change them.

use super::{
    Load as _, Mesh, Told,
    check::answer,
    failing::sound,
    wire::{Request, SLEEP, Target},
};

/// A number that an answer carries in a header now.
async fn served(mesh: &impl Mesh, header: &str) -> usize {
    let told = answer(mesh, SLEEP, Target::Closed, Request::get("/orders")).await;
    assert_eq!(told.status, 200);
    told.header(header).unwrap().parse().unwrap()
}

/// Expects that no caller went back to an older number, and that some saw the first and the last.
fn in_order(callers: &[Vec<Told>], number: impl Fn(&Told) -> Option<usize>) {
    let all: Vec<Vec<usize>> = callers
        .iter()
        .map(|of_caller| of_caller.iter().filter_map(&number).collect())
        .collect();
    for of_caller in &all {
        assert!(of_caller.is_sorted(), "an older one came back");
    }
    for bound in [0, SWAPS] {
        assert!(all.iter().flatten().any(|number| *number == bound));
    }
}

pub(crate) async fn a_config_map_that_changes_under_load_fails_no_request(mesh: &mut impl Mesh) {
    let mut load = mesh.load().await;
    load.goes_on(20).await;
    for version in 1..=SWAPS {
        mesh.publish(version).await;
        assert_eq!(served(mesh, "x-policy").await, version);
    }
    load.goes_on(20).await;
    let told = load.end().await;
    sound(&told);
    in_order(&told, |told| told.policy);
    mesh.publish(0).await;
}

pub(crate) async fn a_bundle_that_changes_under_load_fails_no_request(mesh: &mut impl Mesh) {
    let mut load = mesh.load().await;
    load.goes_on(20).await;
    for number in 1..=SWAPS {
        mesh.release(number).await;
        assert_eq!(served(mesh, "x-release").await, number);
    }
    load.goes_on(20).await;
    let told = load.end().await;
    sound(&told);
    in_order(&told, |told| told.release);
    mesh.release(0).await;
}

/// Few: a kubelet takes up to a minute for one.
const SWAPS: usize = 3;
