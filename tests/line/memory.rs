//! What hostile requests can make the real process hold.

use crate::{
    failures::code,
    hostile::READS_ALL,
    process::Process,
    requests::{self, POST},
    server::{check, connect},
};

#[tokio::test(flavor = "multi_thread")]
async fn hostile_requests_make_the_process_hold_only_a_few_times_their_size() {
    let process = Process::start(READS_ALL, &[]);
    let channel = connect(process.grpc()).await;
    let megabytes = 3 << 20;
    let before = process.peak();
    let attacks = [
        requests::http(POST, |http| {
            http.headers
                .extend((0..100_000).map(|n| (format!("x-{n}"), String::new())));
        }),
        requests::path(&"/".repeat(megabytes)),
        requests::http(POST, |http| http.body = "[0,".repeat(megabytes / 3)),
        requests::http(POST, |http| {
            http.body = format!("[{}0]", "0,".repeat(megabytes / 2));
            http.headers
                .insert("content-length".to_owned(), http.body.len().to_string());
        }),
        requests::http(POST, |http| http.raw_body = vec![b'a'; megabytes]),
        vec![0xff; megabytes],
    ];
    for _ in 0..3 {
        for attack in &attacks {
            let answer = check(&channel, attack, None).await.unwrap();
            assert!(code(&answer) == 7 || code(&answer) == 0, "{answer:?}");
        }
    }
    let grown = process.peak().saturating_sub(before);
    assert!(grown < 512, "the process grew by {grown} MiB");
}
