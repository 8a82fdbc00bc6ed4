//! The load generator by itself: against any `ext_authz` server, of which it knows nothing but the protocol.

use std::time::Duration;

use serde_json::json;

use crate::{
    arguments::Arguments,
    client::{recorded, runtime},
    noop::SKELETON,
    open::{Call, Class, Generator, Pace, Stream, Tally},
    server::Server,
    verdict::Verdict,
};

/// Prints a table; whether anything was answered, and everything as expected.
pub(crate) fn measure(arguments: &Arguments) -> bool {
    let Some(target) = &arguments.target else {
        assert!(arguments.test, "`open` wants a `--target`");
        let server = Server::portcullis(SKELETON, &json!({}));
        let window = Duration::from_millis(500);
        let tally = load(arguments, &server.address(), window);
        return judge(&tally, Some(Class::Allowed));
    };
    assert_eq!(
        target.scheme_str(),
        Some("http"),
        "the target is `http://HOST:PORT`"
    );
    let address = target.authority().unwrap().as_str();
    let window = arguments.duration.unwrap_or(Duration::from_secs(10));
    let tally = load(arguments, address, window);
    judge(&tally, arguments.expect)
}

fn load(arguments: &Arguments, address: &str, window: Duration) -> Tally {
    let rate = arguments.rate.unwrap_or(1_000.0);
    let connections = arguments.connections;
    println!(
        "{rate} checks a second on {connections} connections to {address} for {} s",
        window.as_secs_f64()
    );
    let request = arguments
        .request
        .as_ref()
        .map_or_else(recorded, |path| std::fs::read(path).unwrap().into());
    let call = Call::check(&request, arguments.patience());
    let pace = arguments.pace.unwrap_or(Pace::Spin);
    let tally = runtime().block_on(async {
        let mut generator =
            Generator::connect(address, connections, arguments.outstanding, pace).await;
        generator.run(&[Stream { call, rate }], window, 0).await
    });
    let tally = tally.into_iter().next().unwrap();
    tally.print();
    tally
}

fn judge(tally: &Tally, expected: Option<Class>) -> bool {
    let mut verdict = Verdict::new(false);
    verdict.must("something was answered", tally.replies() > 0);
    if let Some(class) = expected {
        let what = format!("everything that was sent ended as {}", class.name());
        verdict.must(&what, tally.count(class) == tally.sent());
    }
    verdict.goal(
        "everything that was due was sent",
        tally.due() == tally.sent(),
    );
    verdict.held()
}
