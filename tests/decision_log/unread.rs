//! A standard error that stays open and is not read: checks are answered as ever, what does not fit is
//! dropped, and counted to the last line.

use bytes::Bytes;
use serde_json::json;

use crate::{gate::Gate, requests};

const POLICY: &str = r#"package envoy.authz

default allow := false

allow if input.parsed_path[0] == "open"
"#;

#[tokio::test(flavor = "multi_thread")]
async fn lines_of_the_process_log_that_nobody_reads_are_dropped_and_counted() {
    let config = json!({"portcullis": {"log": {"level": "debug"}}});
    let mut gate = Gate::start(POLICY, &config).await;
    gate.stderr().pause();
    let twins = [("/open", 0), ("/closed", 7)]
        .map(|(path, code)| (Bytes::from(requests::path(path)), code));
    // More than wait in the pipe and in the process together.
    let checks = 12_000;
    gate.checks(&twins, checks).await;
    let dropped = gate
        .until("lines are dropped", async |gate| {
            let dropped = gate.sum("process_log_dropped_total", &[]).await;
            (dropped > 0).then_some(dropped)
        })
        .await;
    assert!(dropped < 12_000, "{dropped}");
    gate.stderr().read_on();
    // What was dropped and what there is to read are all lines there were.
    gate.until("every line is read or counted", async |gate| {
        let dropped = gate.sum("process_log_dropped_total", &[]).await;
        let read = gate.stderr().count("check decided");
        (read + usize::try_from(dropped).unwrap() == checks).then_some(())
    })
    .await;
    assert!(gate.stop().success());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_process_that_nobody_reads_stops_in_time() {
    let config = json!({"portcullis": {"log": {"level": "debug"}}});
    let mut gate = Gate::start(POLICY, &config).await;
    gate.stderr().pause();
    let denied = [(Bytes::from(requests::path("/closed")), 7)];
    gate.checks(&denied, 2_000).await;
    assert!(gate.stop().success());
}
