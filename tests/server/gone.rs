//! Callers that go away in the middle: nothing of them is left.
//!
//! An event tells what was decided, and is written before the answer goes out: that an allow was taken
//! by a caller who is gone by then is neither known nor claimed. Envoy lets nothing through on the
//! strength of an answer that it did not wait for.

use bytes::Bytes;
use futures_util::future;
use prost::Message as _;

use crate::support::{
    Running,
    client::request,
    soon, tcp,
    wire::{CANCEL, CHECK, END_STREAM, HEADERS, RST_STREAM, Wire, check, frame},
};

/// About a millisecond of work.
const WORKS: &[u8] = br#"
package envoy.authz

default allow := false

allow if {
	startswith(input.attributes.source.service, "friend")
	count([x | some x in numbers.range(1, 300); x % 7 == 0]) == 42
}
"#;

const OUTCOMES: [&str; 3] = [
    r#"portcullis_checks_total{outcome="allowed",reason="policy"}"#,
    r#"portcullis_checks_total{outcome="denied",reason="policy"}"#,
    r#"portcullis_checks_total{outcome="error",reason="overload"}"#,
];

/// How one stream ends.
#[derive(Clone, Copy)]
enum End {
    /// Its answer is waited for.
    Taken,
    /// It is reset after so many turns of the runtime.
    Reset(u32),
}

/// One check of a stranger, whom nothing allows.
async fn ask(mut h2: h2::client::SendRequest<Bytes>, end: End) -> bool {
    future::poll_fn(|cx| h2.poll_ready(cx)).await.unwrap();
    let head = http::Request::post(format!("http://localhost{CHECK}"))
        .header("content-type", "application/grpc")
        .body(())
        .unwrap();
    let message = request("stranger").encode_to_vec();
    let mut framed = vec![0];
    framed.extend(u32::try_from(message.len()).unwrap().to_be_bytes());
    framed.extend(message);
    let (response, mut body) = h2.send_request(head, false).unwrap();
    body.send_data(framed.into(), true).unwrap();
    match end {
        End::Taken => soon(response).await.unwrap().status() == 200,
        End::Reset(turns) => {
            for _ in 0..turns {
                tokio::task::yield_now().await;
            }
            body.send_reset(h2::Reason::CANCEL);
            false
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn streams_reset_at_any_moment_leave_nothing_behind() {
    let server = Running::deciding_by(WORKS, |_| ()).await;
    let mut taken = 0;
    for connection in 0..20_u32 {
        let stream = tokio::net::TcpStream::connect(tcp(&server.grpc))
            .await
            .unwrap();
        let (h2, io) = h2::client::handshake(stream).await.unwrap();
        let io = tokio::spawn(io);
        let checks = (0..100).map(|n| match (n + connection) % 4 {
            0 => ask(h2.clone(), End::Taken),
            _ => ask(h2.clone(), End::Reset(fastrand::u32(0..40))),
        });
        let answers = future::join_all(checks).await;
        taken += answers.into_iter().filter(|answered| *answered).count();
        drop(h2);
        io.abort();
    }
    assert_eq!(taken, 20 * 25);
    server.settles("portcullis_in_flight", 0).await;
    let [allowed, denied, shed] = OUTCOMES.map(|sample| server.count(sample));
    assert_eq!(allowed, 0);
    assert!(
        (500..=2000).contains(&(denied + shed)),
        "{denied} and {shed}"
    );
    assert_eq!(server.count("portcullis_panics_total"), 0);
}

/// A proxy sends what many callers ask over one connection. When all of them give up, others do not.
#[tokio::test]
async fn many_callers_that_give_up_at_once_take_no_answer_from_others() {
    let server = Running::start(|_| ()).await;
    let message = request("friend").encode_to_vec();
    let mut proxy = Wire::connect(&server.grpc, &[]).await;
    let given_up: Vec<u32> = (1..).step_by(2).take(500).collect();
    let asked = given_up.iter().flat_map(|stream| check(*stream, &message));
    let reset = |stream: &u32| frame(RST_STREAM, 0, *stream, &CANCEL.to_be_bytes());
    let mut all: Vec<u8> = asked.collect();
    all.extend(check(1001, &message));
    all.extend(given_up.iter().flat_map(reset));
    proxy.send(&all).await.unwrap();
    let last = soon(proxy.until(|frame| {
        frame.stream == 1001 && frame.kind == HEADERS && frame.flags & END_STREAM != 0
    }));
    assert!(last.await.is_some(), "the connection was ended");
    server.settles("portcullis_in_flight", 0).await;
}
