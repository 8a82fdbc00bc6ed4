//! The command line from outside: the real binary, its output and its exit codes.
#![expect(
    clippy::unwrap_used,
    reason = "a test fails by panicking and tells why"
)]

use std::{
    net::TcpListener,
    process::{Output, Stdio},
};

use tokio::{
    io::{AsyncBufReadExt, BufReader},
    process::Command,
};

fn portcullis(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_portcullis"));
    command.args(arguments).kill_on_drop(true);
    command
}

async fn output(arguments: &[&str]) -> Output {
    portcullis(arguments).output().await.unwrap()
}

/// Caller, request, verdict, status and reason of every row of the demo.
const DEMO: [[&str; 5]; 13] = [
    [
        "cluster.local/ns/foo/sa/sleep",
        "GET /api/v1/items?x=1",
        "ALLOWED",
        "",
        "",
    ],
    [
        "cluster.local/ns/foo/sa/sleep",
        "GET /api/v1/items",
        "ALLOWED",
        "",
        "",
    ],
    [
        "cluster.local/ns/foo/sa/sleep",
        "GET /api/v1",
        "ALLOWED",
        "",
        "",
    ],
    [
        "cluster.local/ns/foo/sa/sleep",
        "TCP to port 15103",
        "ALLOWED",
        "",
        "",
    ],
    [
        "cluster.local/ns/foo/sa/sleep",
        "POST /api/v1/items",
        "DENIED",
        "401",
        "token",
    ],
    [
        "cluster.local/ns/foo/sa/sleep",
        "POST /api/v1/items?x=1",
        "DENIED",
        "403",
        "scope",
    ],
    [
        "cluster.local/ns/foo/sa/sleep",
        "GET /api/x/dry",
        "DENIED",
        "403",
        "no_edge",
    ],
    [
        "(no identity)",
        "GET /api/admin/x",
        "DENIED",
        "403",
        "admin_path",
    ],
    [
        "cluster.local/ns/bar/sa/default",
        "GET /api/v1/items",
        "DENIED",
        "403",
        "sandbox",
    ],
    [
        "other.example/ns/foo/sa/sleep",
        "GET /api/v1",
        "DENIED",
        "403",
        "no_edge",
    ],
    [
        "(no identity)",
        "GET /api/v1/items",
        "DENIED",
        "403",
        "no_identity",
    ],
    [
        "(no identity)",
        "GET /api/x",
        "DENIED",
        "403",
        "no_identity",
    ],
    [
        "(no identity)",
        "POST /api/bin",
        "DENIED",
        "403",
        "no_identity",
    ],
];

#[tokio::test]
async fn the_demo_shows_the_verdict_and_the_reason_of_every_request() {
    let ended = output(&[
        "demo",
        "--once",
        "--addr",
        "127.0.0.1:0",
        "--admin-addr",
        "127.0.0.1:0",
    ]);
    let ended = ended.await;
    assert!(ended.status.success(), "{ended:?}");
    assert_eq!(String::from_utf8(ended.stderr).unwrap(), "");
    let table = String::from_utf8(ended.stdout).unwrap();
    let mut lines = table.lines();
    let header = lines.next().unwrap();
    let columns = ["CALLER", "REQUEST", "VERDICT", "STATUS", "REASON", "TIME"];
    let starts = columns.map(|column| header.find(column).unwrap());
    let cells = |line: &str| -> Vec<String> {
        let characters: Vec<char> = line.chars().collect();
        let ends = starts.iter().skip(1).copied().chain([characters.len()]);
        let cell = |(start, end)| {
            characters
                .get(start..end)
                .unwrap()
                .iter()
                .collect::<String>()
        };
        starts
            .iter()
            .copied()
            .zip(ends)
            .map(cell)
            .map(|cell| cell.trim().to_owned())
            .collect()
    };
    let rows: Vec<_> = lines.map(cells).collect();
    for row in &rows {
        let time = row.last().unwrap().strip_suffix(" µs").unwrap();
        assert!(time.parse::<u32>().unwrap() > 0, "{row:?}");
    }
    let shown: Vec<_> = rows
        .iter()
        .map(|row| row.iter().take(5).collect::<Vec<_>>())
        .collect();
    assert_eq!(shown, DEMO);
}

#[tokio::test]
async fn the_demo_serves_where_it_says_until_it_is_interrupted() {
    let mut demo = portcullis(&[
        "demo",
        "--addr",
        "127.0.0.1:0",
        "--admin-addr",
        "127.0.0.1:0",
    ])
    .stdout(Stdio::piped())
    .spawn()
    .unwrap();
    let mut lines = BufReader::new(demo.stdout.take().unwrap()).lines();
    let admin = loop {
        let line = lines.next_line().await.unwrap().unwrap();
        if let Some((_, rest)) = line.split_once("metrics and health on ") {
            break rest.strip_suffix(" until Ctrl-C").unwrap().to_owned();
        }
    };
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let ready = client.get(format!("{admin}/readyz")).send().await.unwrap();
    assert_eq!(ready.status(), 200);
    let metrics = client.get(format!("{admin}/metrics")).send().await.unwrap();
    let metrics = metrics.text().await.unwrap();
    // Every request is asked twice.
    assert!(metrics.contains("portcullis_checks_total{outcome=\"allowed\",reason=\"policy\"} 8\n"));
    assert!(metrics.contains("portcullis_checks_total{outcome=\"denied\",reason=\"policy\"} 18\n"));
    interrupt(demo.id().unwrap()).await;
    assert!(demo.wait().await.unwrap().success());
}

#[tokio::test]
async fn the_demo_names_the_port_that_is_taken_and_the_option_that_chooses_another() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let port = taken.local_addr().unwrap().port().to_string();
    let free = "127.0.0.1:0";
    let cases: [(&[&str], &str); 3] = [
        (&["--addr", &address, "--admin-addr", free], "--addr"),
        (&["--addr", free, "--admin-addr", &address], "--admin-addr"),
        // The binary does not matter: the port is looked at first.
        (
            &[
                "--addr",
                free,
                "--admin-addr",
                free,
                "--envoy",
                "/bin/false",
                "--envoy-port",
                &port,
            ],
            "--envoy-port",
        ),
    ];
    for (arguments, option) in cases {
        let ended = output(&[&["demo", "--once"], arguments].concat()).await;
        assert_eq!(ended.status.code(), Some(1), "{option}");
        let error = String::from_utf8(ended.stderr).unwrap();
        assert!(error.starts_with("error: "), "{error}");
        assert!(error.contains(&address), "{error}");
        assert!(error.contains("Address already in use"), "{error}");
        assert!(error.contains(&format!("`{option}`")), "{error}");
        assert_eq!(String::from_utf8(ended.stdout).unwrap(), "");
    }
}

#[tokio::test]
async fn the_demo_says_why_its_envoy_ended() {
    let arguments = [
        "demo",
        "--once",
        "--addr",
        "127.0.0.1:0",
        "--admin-addr",
        "127.0.0.1:0",
    ];
    let envoy = ["--envoy", "/bin/false", "--envoy-port", "0"];
    let ended = output(&[arguments.as_slice(), &envoy].concat()).await;
    assert_eq!(ended.status.code(), Some(1));
    let error = String::from_utf8(ended.stderr).unwrap();
    assert!(error.starts_with("error: Envoy ended"), "{error}");
}

/// What Ctrl-C sends.
async fn interrupt(process: u32) {
    let sent = Command::new("kill")
        .args(["-INT", &process.to_string()])
        .status();
    assert!(sent.await.unwrap().success());
}
