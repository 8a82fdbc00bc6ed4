//! Policies that are exchanged while they are asked.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread,
};

use crate::{
    gate::{Gate, PATH, at, version},
    server::{BundleServer, Version},
};

#[tokio::test(flavor = "multi_thread")]
async fn every_decision_is_that_of_one_version_while_bundles_are_swapped() {
    let server = BundleServer::start().await;
    let gate = Arc::new(Gate::with_version_1(&server, at(&server, "authz")).await);
    let stop = Arc::new(AtomicBool::new(false));
    let callers: Vec<_> = (0..2)
        .map(|_| {
            let (gate, stop) = (Arc::clone(&gate), Arc::clone(&stop));
            thread::spawn(move || {
                let (mut newest, mut versions) = (0, 0);
                while !stop.load(Ordering::Relaxed) {
                    let now = gate.version().expect("module and data of one version");
                    assert!(now >= newest, "{now} after {newest}");
                    versions += u32::from(now > newest);
                    newest = now;
                }
                versions
            })
        })
        .collect();
    for number in 2..=60 {
        server.set(PATH, Version::new(&number.to_string(), version(number)));
        gate.decides(number).await;
    }
    stop.store(true, Ordering::Relaxed);
    for caller in callers {
        let versions = caller.join().unwrap();
        assert!(versions > 10, "only {versions} versions seen");
    }
}
