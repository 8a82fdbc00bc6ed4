//! Requests as curl commands, and what curl prints as answers.

use crate::mesh::wire::{Answer, Protocol, Request};

/// The command that sends a request; the body comes from its standard input.
pub(crate) fn command(url: &str, request: &Request) -> Vec<String> {
    let protocol = match request.protocol {
        Protocol::Http1 => "--http1.1",
        Protocol::Grpc => "--http2-prior-knowledge",
    };
    // No limit of a request is met by curl's own time: gates are held for longer than usual.
    let fixed = ["curl", "--silent", "--show-error", "--include", protocol];
    let mut command: Vec<String> = fixed.map(str::to_owned).into();
    command.extend(["--max-time".to_owned(), "60".to_owned()]);
    for (name, value) in &request.headers {
        command.extend(["--header".to_owned(), format!("{name}: {value}")]);
    }
    if request.body.is_some() {
        command.extend(["--data-binary".to_owned(), "@-".to_owned()]);
        // What curl would add of its own, without a value.
        let typed = request
            .headers
            .iter()
            .any(|(name, _)| *name == "content-type");
        let added = ["expect", "content-type"];
        for name in &added[..added.len() - usize::from(typed)] {
            command.extend(["--header".to_owned(), format!("{name}:")]);
        }
    }
    command.push(url.to_owned());
    command
}

/// Whether curl's exit code says that the connection was closed without an answer: nothing received,
/// or sending or receiving failed.
pub(crate) fn closed(code: i32) -> bool {
    [52, 55, 56].contains(&code)
}

/// What `--include` prints.
pub(crate) fn answer(printed: &str) -> Answer {
    let (head, body) = printed.split_once("\r\n\r\n").unwrap();
    let mut lines = head.lines();
    let status = lines.next().unwrap().split(' ').nth(1).unwrap();
    let status = status.parse().unwrap();
    // An answer that says "go on" comes before the real one.
    if (100..200).contains(&status) {
        return answer(body);
    }
    let header = |line: &str| {
        let (name, value) = line.split_once(':').unwrap();
        (name.to_ascii_lowercase(), value.trim().to_owned())
    };
    Answer {
        status,
        headers: lines.map(header).collect(),
        body: body.to_owned(),
    }
}
