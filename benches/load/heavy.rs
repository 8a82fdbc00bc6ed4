//! A policy whose evaluation takes a millisecond on this machine, as one with a thousand rules or more does.

use std::{fmt::Write as _, time::Duration};

use serde_json::json;

use crate::{
    open::{Call, Class, closed_loop, float},
    server::Server,
    setting::Setting,
};

/// What one evaluation is to take.
const COST: f64 = 1_000.0;
/// Rules of the policies that are compared to see what one costs.
const FEW: u32 = 20;
const MANY: u32 = 220;

/// One rule for each of so many tenants, none of which the recorded request is of, and one after them
/// that allows it.
pub(crate) fn policy(rules: u32) -> String {
    let mut text =
        "package envoy.authz\ndefault allow := false\nhttp := input.attributes.request.http\n"
            .to_owned();
    for tenant in 0..rules {
        writeln!(
            text,
            r#"allow if {{
  http.method == "GET"
  startswith(http.path, "/tenants/{tenant}/")
  http.headers["x-tenant"] == "{tenant}"
}}"#
        )
        .unwrap();
    }
    text.push_str("allow if http.method == \"GET\"\n");
    text
}

/// How many rules an evaluation needs to take [`COST`].
pub(crate) async fn calibrate(call: &Call, window: Duration) -> u32 {
    let few = cpu(FEW, call, window).await;
    let many = cpu(MANY, call, window).await;
    let one = ((many - few) / f64::from(MANY - FEW)).max(0.01);
    let rules = format!("{:.0}", COST / one).parse().unwrap();
    println!("a rule costs {one:.2} µs here, so the heavy policy has {rules} of them");
    rules
}

/// Microseconds of CPU that a check takes.
async fn cpu(rules: u32, call: &Call, window: Duration) -> f64 {
    let server = Server::with(&policy(rules), &json!({}), &Setting::default());
    closed_loop(&server.address(), (1, 1), call, window / 4).await;
    let before = server.cpu();
    let tally = closed_loop(&server.address(), (1, 1), call, window).await;
    let allowed = tally.count(Class::Allowed);
    assert!(allowed > 0, "the policy allows nothing");
    (server.cpu() - before) * 1e6 / float(allowed)
}
