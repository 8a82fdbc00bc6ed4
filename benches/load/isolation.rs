//! Whether checks that run into the limit of their evaluation hold up their neighbours: cheap checks alone,
//! and the same with one in a hundred more, on the same connections, for which the same policy never ends.
//!
//! Every row of settings has its own server, which is idle while another is measured; windows of all rows
//! alternate, so that a disturbance of the machine hits them alike.

mod found;

use std::time::Duration;

use bytes::Bytes;
use envoy_types::pb::envoy::service::auth::v3::CheckRequest;
use prost::Message as _;
use serde_json::json;

use self::found::Found;
use crate::{
    arguments::Arguments,
    client::{recorded, runtime},
    open::{Call, Generator, Pace, Stream, Tally},
    server::Server,
    setting::Setting,
    verdict::Verdict,
};

/// Cheap checks a second, unless told otherwise.
const RATE: f64 = 2_000.0;
/// Hostile ones beside each cheap one.
const SHARE: f64 = 0.01;

/// The loops want to run a billion times, for the header that says so and for no other request.
const POLICY: &str = r#"package envoy.authz
default allow := false
http := input.attributes.request.http
allow if http.method == "GET"
allow if {
  many := numbers.range(1, to_number(http.headers["x-many"]))
  some a in many
  some b in many
  some c in many
  a * b * c < 0
}
"#;

/// Prints for each row what both kinds of checks saw, and what was wanted.
pub(crate) fn measure(arguments: &Arguments) -> bool {
    let (rounds, window) = if arguments.test {
        (1, 500)
    } else {
        (10, 2_000)
    };
    let rounds = arguments.rounds.unwrap_or(rounds);
    let window = arguments
        .duration
        .unwrap_or_else(|| Duration::from_millis(window));
    let rate = arguments.rate.unwrap_or(RATE);
    println!(
        "{rate} cheap checks a second, beside them {} that do not end; {rounds} rounds of windows of {} ms",
        rate * SHARE,
        window.as_millis()
    );
    let mut verdict = Verdict::new(arguments.test);
    runtime().block_on(async {
        let mut sides = Vec::new();
        for setting in rows(arguments) {
            sides.push(Side::start(arguments, setting).await);
        }
        for round in 0..=rounds {
            for side in &mut sides {
                let found = side
                    .round(window, rate, u64::try_from(round).unwrap())
                    .await;
                // The first round warms up.
                if round > 0 {
                    side.found.add(&found);
                } else {
                    side.found.begin(&side.server);
                }
            }
        }
        for mut side in sides {
            side.found.end(&side.server);
            println!("{}", side.setting);
            side.found.print();
            side.found.judge(&mut verdict);
        }
    });
    verdict.held()
}

/// A server on the first core, and one on both, which it shares with the load.
fn rows(arguments: &Arguments) -> Vec<Setting> {
    if arguments.rows.is_empty() {
        ["one-core", "both-cores threads=2 cores=0,1"]
            .map(|row| row.parse().unwrap())
            .into()
    } else {
        arguments.rows.clone()
    }
}

/// One row.
struct Side {
    setting: Setting,
    server: Server,
    generator: Generator,
    calls: [Call; 2],
    found: Found,
}

/// The three kinds of checks: cheap ones alone, cheap ones beside hostile ones, and those.
type Window = [Tally; 3];

impl Side {
    async fn start(arguments: &Arguments, setting: Setting) -> Self {
        let server = Server::with(POLICY, &json!({}), &setting);
        let pace = Pace::of(arguments, &setting);
        let (address, outstanding) = (server.address(), arguments.outstanding);
        let generator =
            Generator::connect(&address, arguments.connections, outstanding, pace).await;
        let calls = [None, Some("1000")].map(|many| Call::check(&request(many), arguments.timeout));
        Self {
            setting,
            server,
            generator,
            calls,
            found: Found::default(),
        }
    }

    /// Both windows, in an order that changes from round to round.
    async fn round(&mut self, window: Duration, rate: f64, round: u64) -> Window {
        let kinds = self.calls.clone().into_iter().zip([rate, rate * SHARE]);
        let streams: Vec<Stream> = kinds.map(|(call, rate)| Stream { call, rate }).collect();
        let mut alone = None;
        let mut beside = None;
        for turn in 0..2 {
            if (round + turn).is_multiple_of(2) {
                alone = self.generator.run(&streams[..1], window, round).await.pop();
            } else {
                beside = Some(self.generator.run(&streams, window, round).await);
            }
            self.server.idle().await;
        }
        let [cheap, hostile] = beside.unwrap().try_into().ok().unwrap();
        [alone.unwrap(), cheap, hostile]
    }
}

/// The recorded request, or one that makes the policy run this often through each loop.
fn request(many: Option<&str>) -> Bytes {
    let mut request = CheckRequest::decode(recorded()).unwrap();
    let attributes = request.attributes.as_mut().unwrap();
    let http = attributes.request.as_mut().unwrap().http.as_mut().unwrap();
    if let Some(many) = many {
        "POST".clone_into(&mut http.method);
        http.headers.insert("x-many".to_owned(), many.to_owned());
    }
    request.encode_to_vec().into()
}
