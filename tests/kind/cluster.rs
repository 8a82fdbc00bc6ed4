//! The items that only a cluster can run.

use crate::driver::Driver;

pub(crate) async fn the_charts_own_test_passes(driver: &Driver) {
    let arguments = [
        "test",
        "portcullis",
        "--namespace",
        "authz",
        "--timeout",
        "3m",
    ];
    driver.commands.helm(&arguments).await;
}

pub(crate) async fn istioctl_finds_nothing_wrong(driver: &Driver) {
    let analyze = [
        "analyze",
        "--all-namespaces",
        "--failure-threshold",
        "Warning",
    ];
    driver.commands.istioctl(&analyze).await;
}
