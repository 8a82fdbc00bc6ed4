//! The Dockerfile keeps to its rules. Whether the image does what it promises is for `make image-check`.

use std::collections::BTreeSet;

use portcullis::config::{Config, ListenAddr};
use regex::Regex;

use super::text;

/// One instruction: its name and the rest.
type Instruction = (String, String);

/// The stages, each with its base and what is done to it.
fn stages(dockerfile: &str) -> Vec<(String, Vec<Instruction>)> {
    let joined = dockerfile.replace("\\\n", " ");
    let lines = joined.lines().map(str::trim);
    let mut stages = Vec::new();
    for line in lines.filter(|line| !line.is_empty() && !line.starts_with('#')) {
        let (name, rest) = line.split_once(' ').unwrap();
        match (name, stages.last_mut()) {
            ("FROM", _) => stages.push((rest.to_owned(), Vec::new())),
            // Arguments of all stages.
            (_, None) => assert_eq!(name, "ARG", "{line}"),
            (_, Some((_, instructions))) => instructions.push((name.to_owned(), rest.to_owned())),
        }
    }
    stages
}

/// What is wrong with a Dockerfile.
fn complaints(dockerfile: &str) -> Vec<String> {
    let stages = stages(dockerfile);
    let mut wrong = Vec::new();
    let mut known = BTreeSet::from(["scratch".to_owned()]);
    let pinned = Regex::new(r":\d+\.\d+\.\d+[^ ]*$|@sha256:[0-9a-f]{64}$").unwrap();
    for (from, _) in &stages {
        let words = from.split(' ').filter(|word| !word.starts_with("--"));
        let words: Vec<&str> = words.collect();
        if !known.contains(words[0]) && !pinned.is_match(words[0]) {
            wrong.push(format!("the base `{}` is not pinned", words[0]));
        }
        known.extend(words.get(2).map(|&name| name.to_owned()));
    }
    let (base, last) = stages.last().unwrap();
    if base != "scratch" {
        wrong.push(format!("the image stands on `{base}`"));
    }
    let all = |name: &str| {
        let of_name = last.iter().filter(|(found, _)| found == name);
        of_name.map(|(_, rest)| rest.as_str()).collect::<Vec<_>>()
    };
    let allowed = [
        "ARG",
        "ENV",
        "LABEL",
        "COPY",
        "USER",
        "EXPOSE",
        "HEALTHCHECK",
        "ENTRYPOINT",
        "CMD",
    ];
    let others = last
        .iter()
        .filter(|(name, _)| !allowed.contains(&name.as_str()));
    wrong.extend(others.map(|(name, _)| format!("the image has a `{name}`")));
    let one = |name: &str, want: &str| {
        let found = all(name);
        (found != [want]).then(|| format!("`{name}` is {found:?}"))
    };
    wrong.extend(one("USER", "65532:65532"));
    wrong.extend(one("ENTRYPOINT", r#"["/portcullis"]"#));
    wrong.extend(one("CMD", r#"["run"]"#));
    wrong.extend(one("EXPOSE", &ports()));
    let health = all("HEALTHCHECK");
    if health.len() != 1 || !health[0].ends_with(r#" CMD ["/portcullis", "health"]"#) {
        wrong.push(format!("`HEALTHCHECK` is {health:?}"));
    }
    let copied: BTreeSet<&str> = all("COPY")
        .iter()
        .filter_map(|copy| copy.rsplit(' ').next())
        .collect();
    if copied != BTreeSet::from(CONTENT) {
        wrong.push(format!("the image holds {copied:?}"));
    }
    wrong
}

/// Where a gate answers checks, and operators, by default.
fn ports() -> String {
    let config = Config::default();
    let port = |address: &ListenAddr| match address {
        ListenAddr::Tcp { port, .. } => port.to_string(),
        ListenAddr::Unix(_) | ListenAddr::Abstract(_) => panic!("`{address}` has no port"),
    };
    [&config.plugin.addr, &config.portcullis.admin.addr]
        .map(port)
        .join(" ")
}

#[test]
fn the_image_holds_one_static_program_and_runs_it_as_nobody() {
    assert_eq!(complaints(&text("Dockerfile")), Vec::<String>::new());
}

#[test]
fn a_dockerfile_that_breaks_a_rule_is_told() {
    let good = text("Dockerfile");
    for (from, to, want) in [
        (
            "rust:1.95.0-slim-bookworm",
            "rust:slim",
            "the base `rust:slim` is not pinned",
        ),
        (
            "FROM scratch",
            "FROM debian:12.1.0",
            "the image stands on `debian:12.1.0`",
        ),
        ("USER 65532:65532", "USER root", "`USER` is [\"root\"]"),
        ("USER 65532:65532\n", "", "`USER` is []"),
        ("EXPOSE 9191 8282", "EXPOSE 9191", "`EXPOSE` is [\"9191\"]"),
        ("CMD [\"run\"]", "CMD run", "`CMD` is [\"run\"]"),
        (
            "CMD [\"/portcullis\", \"health\"]",
            "CMD /portcullis health",
            "`HEALTHCHECK` is",
        ),
        (
            "CMD [\"run\"]",
            "CMD [\"run\"]\nRUN true",
            "the image has a `RUN`",
        ),
        (
            "COPY LICENSE",
            "COPY src /src\nCOPY LICENSE",
            "the image holds",
        ),
    ] {
        let (before, after) = good.rsplit_once(from).unwrap();
        let bad = format!("{before}{to}{after}");
        let told = complaints(&bad);
        assert_eq!(told.len(), 1, "{told:?}");
        assert!(told[0].starts_with(want), "{told:?}");
    }
}

/// The binary, its licence, and whom TLS trusts.
const CONTENT: [&str; 3] = [
    "/etc/ssl/certs/ca-certificates.crt",
    "/licenses/LICENSE",
    "/portcullis",
];
