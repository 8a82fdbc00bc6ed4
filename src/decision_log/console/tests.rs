//! The lines of the console.

use serde_json::{Value, json};

use super::*;

/// Takes what it is told to.
struct Takes(Vec<io::Result<usize>>, Vec<u8>);

impl Write for Takes {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let taken = self.0.remove(0)?.min(bytes.len());
        self.1.extend_from_slice(&bytes[..taken]);
        Ok(taken)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn a_line_has_what_opas_logger_puts_around_an_event() {
    let mut head = Head::default();
    for (at, time) in [
        (Duration::ZERO, "1970-01-01T00:00:00Z"),
        (
            Duration::new(1_795_391_258, 224_861_816),
            "2026-11-22T23:47:38Z",
        ),
        (Duration::from_secs(1_795_391_259), "2026-11-22T23:47:39Z"),
        (Duration::MAX, "1970-01-01T00:00:00Z"),
    ] {
        let line = format!("{}{}", head.at(at), r#""decision_id":"a"}"#);
        let line: Value = serde_json::from_str(&line).unwrap();
        let expected = json!({
            "decision_id": "a",
            "level": "info",
            "msg": "Decision Log",
            "time": time,
            "type": "openpolicyagent.org/decision_logs",
        });
        assert_eq!(line, expected);
    }
}

#[test]
fn whole_lines_are_written_in_one_go_and_not_too_many() {
    let short = b"a\nbc\n".as_slice();
    let many = b"0123456789abcde\n".repeat(AT_ONCE / 16 + 3);
    let long = [vec![b'x'; AT_ONCE + 1], b"\ny\n".to_vec()].concat();
    for (lines, length) in [(short, 5), (&many, AT_ONCE), (&long, AT_ONCE + 2)] {
        assert_eq!(whole(lines).len(), length);
    }
}

#[test]
fn what_stops_in_between_says_how_far_it_got_and_whether_to_go_on() {
    let cases: [(Vec<io::Result<usize>>, usize, Option<bool>); 6] = [
        (vec![Ok(9)], 9, None),
        (vec![Ok(4), Ok(5)], 9, None),
        (
            vec![Ok(4), Err(ErrorKind::Interrupted.into()), Ok(5)],
            9,
            None,
        ),
        (
            vec![Ok(4), Err(ErrorKind::WouldBlock.into())],
            4,
            Some(true),
        ),
        (vec![Ok(4), Ok(0)], 4, Some(true)),
        (vec![Err(ErrorKind::BrokenPipe.into())], 0, Some(false)),
    ];
    for (results, bytes, later) in cases {
        let mut takes = Takes(results, Vec::new());
        let wrote = write_some(&mut takes, b"ab\ncdefg\n");
        assert_eq!(wrote.bytes, bytes);
        assert_eq!(takes.1, b"ab\ncdefg\n"[..bytes]);
        let again = wrote.failed.map(|failed| match failed {
            Failed::Later(_) => true,
            Failed::Never(_) => false,
        });
        assert_eq!(again, later);
    }
}
