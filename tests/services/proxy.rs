//! Proxies are those of the environment, which only a process of its own has.

use std::process::Command;

use crate::{
    THING, ask,
    bundles::{Answer, BundleServer},
    client, service,
};

/// Set where this test runs as the process that has proxies.
const PROXIED: &str = "PORTCULLIS_TEST_DIRECT";

#[expect(clippy::disallowed_methods, reason = "this is about the environment")]
fn direct() -> Option<String> {
    std::env::var(PROXIED).ok()
}

#[tokio::test(flavor = "multi_thread")]
async fn others_are_asked_over_a_proxy_and_this_machine_is_not() {
    if let Some(direct) = direct() {
        return ask_both(&direct).await;
    }
    let (direct, proxy) = (BundleServer::start().await, BundleServer::start().await);
    direct.set(THING, Answer::ok("direct"));
    proxy.set(THING, Answer::ok("proxied"));
    let mut child = Command::new(std::env::current_exe().unwrap());
    child
        .args(["--exact", "--nocapture"])
        .arg("proxy::others_are_asked_over_a_proxy_and_this_machine_is_not")
        .env(PROXIED, direct.origin())
        .env("http_proxy", proxy.origin())
        .env_remove("no_proxy")
        .env_remove("NO_PROXY");
    let output = tokio::task::spawn_blocking(move || child.output().unwrap())
        .await
        .unwrap();
    assert!(output.status.success(), "{output:?}");
    assert_eq!(direct.seen(THING).len(), 1);
    let proxied = proxy.seen(THING);
    assert_eq!(proxied.len(), 1);
    assert_eq!(proxied[0].header("host"), Some("bundles.invalid"));
}

async fn ask_both(direct: &str) {
    let server = BundleServer::start().await;
    let mut service = service(&server);
    service.url = format!("{direct}/v1").parse().unwrap();
    assert_eq!(ask(&client(service.clone())).await.unwrap().body, "direct");
    service.url = "http://bundles.invalid/v1".parse().unwrap();
    assert_eq!(ask(&client(service)).await.unwrap().body, "proxied");
}
