//! What a remembered token costs a served check: the same request with and without it, in turn on the
//! same connections of one server. Both are allowed, so that nothing else differs.

use std::time::Duration;

use bytes::Bytes;
use tonic::transport::Channel;

use crate::{
    client::{CONNECTIONS, STREAMS, check, connect, drive, runtime},
    figures::{latency, median, spread},
    issuer::{Issuer, known, request},
    server::Server,
};

const REQUESTS: u32 = 2_048;
const PAIRS: usize = 61;

/// The claim or the method decides.
const POLICY: &str = r#"package envoy.authz
default allow := false
allow if input.jwt.claims.tier == "premium"
allow if {
  input.source.spiffe.namespace == "foo"
  input.attributes.request.http.method == "GET"
}
"#;

/// Prints medians of the pairs and of their ratios.
pub(crate) fn measure(brief: bool) {
    let issuer = Issuer::start();
    let server = Server::portcullis(POLICY, &issuer.config(Duration::from_secs(10)));
    let (requests, pairs) = if brief { (128, 1) } else { (REQUESTS, PAIRS) };
    let token = issuer.token(0);
    println!(
        "a check with a remembered RS256 token of {} bytes beside the same without; {pairs} pairs of {requests}",
        token.len()
    );
    runtime().block_on(async {
        let connections = connect(server.port()).await;
        let sides = [Some(token.as_str()), None].map(|token| request("GET", token));
        verified(&connections[0], &token).await;
        for streams in STREAMS {
            let mut measured = Vec::new();
            for _ in 0..=pairs {
                let with = side(&server, &connections, streams, &sides[0], requests).await;
                let without = side(&server, &connections, streams, &sides[1], requests).await;
                measured.push((with, without));
            }
            // The first pair warmed up.
            show(streams, &measured[1..]);
        }
        verified(&connections[0], &token).await;
    });
}

/// Makes sure that the token is verified, where it alone decides.
async fn verified(channel: &Channel, token: &str) {
    known(channel, &request("POST", Some(token))).await;
    let without = check(channel.clone(), request("POST", None)).await;
    assert_eq!(without, 403, "a check without a token");
}

/// What one side of a pair took, in microseconds.
struct Took {
    cpu: f64,
    latency: f64,
}

async fn side(
    server: &Server,
    connections: &[Channel],
    streams: usize,
    request: &Bytes,
    requests: u32,
) -> Took {
    let before = server.cpu();
    let latencies = drive(connections, streams, request, requests).await;
    let used = server.cpu() - before;
    Took {
        cpu: used * 1e6 / f64::from(u32::try_from(latencies.len()).unwrap()),
        latency: latency(&latencies, 50),
    }
}

fn show(streams: usize, pairs: &[(Took, Took)]) {
    println!("{CONNECTIONS} connections, {streams} in flight on each");
    let figures: [fn(&Took) -> f64; 2] = [|took| took.cpu, |took| took.latency];
    for (name, figure) in ["server CPU", "median latency"].into_iter().zip(figures) {
        let with = median(pairs.iter().map(|pair| figure(&pair.0)));
        let without = median(pairs.iter().map(|pair| figure(&pair.1)));
        let ratios: Vec<f64> = pairs
            .iter()
            .map(|pair| figure(&pair.0) / figure(&pair.1))
            .collect();
        println!(
            "  {name:<15} with {with:>7.2} µs   without {without:>7.2} µs   ratio {}",
            spread(&ratios)
        );
    }
}
