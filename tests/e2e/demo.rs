//! `portcullis demo --envoy`: what it invites people to type, typed.

use std::{fs, process::Stdio};

use reqwest::{Certificate, Client, Identity};
use tokio::{
    net::TcpStream,
    process::{Child, Command},
};

use crate::{envoy, lines::Lines};

/// Starts the demo and waits until it serves.
async fn demo() -> (Child, Lines) {
    let mut demo = Command::new(env!("CARGO_BIN_EXE_portcullis"))
        .args([
            "demo",
            "--addr",
            "127.0.0.1:0",
            "--admin-addr",
            "127.0.0.1:0",
        ])
        .args(["--envoy-port", "0", "--envoy"])
        .arg(envoy::binary())
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let shown = Lines::of(demo.stdout.take().unwrap());
    shown
        .first(|line| text(line).starts_with("serving checks on "))
        .await;
    (demo, shown)
}

fn text(line: &serde_json::Value) -> &str {
    line.as_str().unwrap_or_default()
}

/// The status of one of the lines, which are `curl -i [--cacert F --cert F --key F] URL`.
async fn curl(line: &str) -> u16 {
    let words: Vec<_> = line.split_whitespace().collect();
    let option = |name| {
        let at = words.iter().position(|word| *word == name)?;
        Some(fs::read(words[at + 1]).unwrap())
    };
    let mut client = Client::builder().no_proxy();
    if let (Some(ca), Some(mut cert), Some(key)) =
        (option("--cacert"), option("--cert"), option("--key"))
    {
        cert.extend(key);
        client = client
            .tls_certs_only([Certificate::from_pem(&ca).unwrap()])
            .identity(Identity::from_pem(&cert).unwrap());
    }
    let url = *words.last().unwrap();
    client
        .build()
        .unwrap()
        .get(url)
        .send()
        .await
        .unwrap()
        .status()
        .as_u16()
}

#[tokio::test(flavor = "multi_thread")]
async fn every_curl_line_gets_the_answer_that_is_printed_above_it_until_ctrl_c() {
    let (mut demo, shown) = demo().await;
    let lines = shown.all();
    let mut verdicts = Vec::new();
    let mut port = 0;
    for pair in lines.windows(2) {
        let (above, line) = (text(&pair[0]).trim(), text(&pair[1]).trim());
        if !line.starts_with("curl ") {
            continue;
        }
        let verdict = above.strip_prefix("# ").unwrap().split_once(':').unwrap().0;
        let status = curl(line).await;
        assert_eq!(
            status,
            if verdict == "allowed" { 200 } else { 403 },
            "{above}"
        );
        verdicts.push(verdict.to_owned());
        let authority = line.rsplit_once("127.0.0.1:").unwrap().1;
        port = authority.split_once('/').unwrap().0.parse().unwrap();
    }
    assert_eq!(verdicts, ["allowed", "denied", "denied", "denied"]);

    let process = demo.id().unwrap().to_string();
    let sent = Command::new("kill").args(["-INT", &process]).status();
    assert!(sent.await.unwrap().success());
    assert!(demo.wait().await.unwrap().success());
    // Its Envoy is gone too.
    TcpStream::connect(("127.0.0.1", port)).await.unwrap_err();
}
