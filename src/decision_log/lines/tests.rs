//! What is written, kept and lost of lines, and when.

use std::{
    io::ErrorKind,
    sync::mpsc::{self, Receiver, Sender},
};

use super::*;

/// Writes what it is told to, when it is told to.
struct Gated {
    steps: Receiver<Step>,
    written: Sender<Vec<u8>>,
}

#[derive(Clone, Copy)]
enum Step {
    /// So many bytes at most.
    Write(usize),
    /// The same, and then a failure that may pass.
    Stumble(usize),
    /// Nobody is there.
    Refuse,
}

impl Output for Gated {
    fn write(&mut self, lines: &[u8]) -> Wrote {
        // A test that is over lets everything through.
        let step = self.steps.recv().unwrap_or(Step::Write(usize::MAX));
        let (bytes, failed) = match step {
            Step::Write(bytes) => (bytes, None),
            Step::Stumble(bytes) => (bytes, Some(Failed::Later(ErrorKind::StorageFull.into()))),
            Step::Refuse => (0, Some(Failed::Never(ErrorKind::BrokenPipe.into()))),
        };
        let bytes = bytes.min(lines.len());
        let _nobody_looks = self.written.send(lines[..bytes].to_vec());
        Wrote { bytes, failed }
    }
}

struct Bench {
    lines: Lines,
    steps: Sender<Step>,
    written: Receiver<Vec<u8>>,
    metrics: Arc<Metrics>,
}

impl Bench {
    fn new(max_bytes: usize) -> Self {
        let metrics = Arc::new(Metrics::new(None).with_decision_log(&[Sink::File]));
        let options = Options {
            sink: Sink::File,
            place: "a test".to_owned(),
            max_bytes,
            metrics: Arc::clone(&metrics),
        };
        let (steps, to_do) = mpsc::channel();
        let (told, written) = mpsc::channel();
        let output = Gated {
            steps: to_do,
            written: told,
        };
        Self {
            lines: Lines::start(options, output).unwrap(),
            steps,
            written,
            metrics,
        }
    }

    fn count(&self, name: &str) -> u64 {
        let text = self.metrics.encode();
        let sample = text.lines().find_map(|line| {
            let line = line.strip_prefix("portcullis_decision_log_")?;
            line.strip_prefix(name)?.strip_prefix(' ')
        });
        sample.expect(name).parse().unwrap()
    }

    /// Sent, dropped for want of room, dropped at the end, not written, waiting.
    fn counts(&self) -> [u64; 5] {
        [
            r#"sent_total{sink="file"}"#,
            r#"dropped_total{sink="file",cause="buffer_full"}"#,
            r#"dropped_total{sink="file",cause="shutdown"}"#,
            r#"dropped_total{sink="file",cause="write_failed"}"#,
            r#"buffered_records{sink="file"}"#,
        ]
        .map(|name| self.count(name))
    }

    /// Everything that was written, until the end.
    fn text(self) -> String {
        let Self { lines, written, .. } = self;
        drop(lines);
        String::from_utf8(written.iter().flatten().collect()).unwrap()
    }
}

fn soon() -> Instant {
    let now = Instant::now();
    now.checked_add(Duration::from_secs(30)).expect("a time")
}

#[test]
fn every_line_is_written_once_and_in_order() {
    let bench = Bench::new(1 << 20);
    for _ in 0..200 {
        bench.steps.send(Step::Write(7)).unwrap();
    }
    for nth in 0..100 {
        bench.lines.offer(&[b"line ", nth.to_string().as_bytes()]);
        bench.lines.idle();
    }
    bench.lines.finish(soon());
    assert_eq!(bench.counts(), [100, 0, 0, 0, 0]);
    assert_eq!(bench.count(r#"buffered_bytes{sink="file"}"#), 0);
    let expected: Vec<_> = (0..100).map(|nth| format!("line {nth}\n")).collect();
    assert_eq!(bench.text(), expected.concat());
}

#[test]
fn who_offers_never_waits_and_what_finds_no_room_is_counted() {
    let bench = Bench::new(100);
    // Nothing is written: the thread stands.
    for nth in 0..50 {
        bench.lines.offer(&[b"123456789"]);
        bench.lines.idle();
        let [sent, full, shutdown, failed, waiting] = bench.counts();
        let expected = if nth < 10 {
            (0, nth + 1)
        } else {
            (nth - 9, 10)
        };
        assert_eq!((full, waiting), expected);
        assert_eq!([sent, shutdown, failed], [0, 0, 0]);
    }
    bench.lines.offer(&[&[b'x'; 200]]);
    assert_eq!(bench.counts(), [0, 41, 0, 0, 10], "a line that never fits");
    for _ in 0..10 {
        bench.steps.send(Step::Write(usize::MAX)).unwrap();
    }
    bench.lines.finish(soon());
    assert_eq!(bench.counts(), [10, 41, 0, 0, 0]);
    bench.lines.offer(&[b"late"]);
    assert_eq!(bench.counts(), [10, 41, 1, 0, 0]);
}

#[test]
fn what_failed_goes_on_where_it_stopped() {
    let bench = Bench::new(1 << 20);
    for step in [
        Step::Stumble(0),
        Step::Stumble(4),
        Step::Stumble(0),
        Step::Write(usize::MAX),
        Step::Write(usize::MAX),
    ] {
        bench.steps.send(step).unwrap();
    }
    bench.lines.offer(&[b"first"]);
    bench.lines.offer(&[b"second"]);
    bench.lines.finish(soon());
    assert_eq!(bench.counts(), [2, 0, 0, 0, 0]);
    assert_eq!(bench.count(r#"failures_total{sink="file"}"#), 3);
    assert_eq!(bench.text(), "first\nsecond\n");
}

#[test]
fn what_nobody_will_ever_take_is_counted_and_the_next_is_tried() {
    let bench = Bench::new(1 << 20);
    bench.lines.offer(&[b"first"]);
    bench.lines.offer(&[b"second"]);
    bench.lines.idle();
    bench.steps.send(Step::Refuse).unwrap();
    assert_eq!(bench.written.recv().unwrap(), b"");
    while bench.counts()[4] > 0 {
        thread::yield_now();
    }
    assert_eq!(bench.counts(), [0, 0, 0, 2, 0]);
    bench.lines.offer(&[b"third"]);
    bench.steps.send(Step::Write(usize::MAX)).unwrap();
    bench.lines.finish(soon());
    assert_eq!(bench.counts(), [1, 0, 0, 2, 0]);
    assert_eq!(bench.text(), "third\n");
}

#[test]
fn an_end_waits_until_its_deadline_and_counts_what_is_left() {
    let bench = Bench::new(1 << 20);
    bench.lines.offer(&[b"first"]);
    bench.lines.offer(&[b"second"]);
    bench.lines.idle();
    bench.steps.send(Step::Write(6)).unwrap();
    assert_eq!(bench.written.recv().unwrap(), b"first\n");
    bench.lines.offer(&[b"third"]);
    bench
        .lines
        .finish(Instant::now() + Duration::from_millis(20));
    assert_eq!(bench.counts(), [1, 0, 2, 0, 0]);
    // What is written after the end was counted already.
    bench.steps.send(Step::Write(usize::MAX)).unwrap();
    let metrics = Arc::clone(&bench.metrics);
    assert_eq!(bench.written.recv().unwrap(), b"second\n");
    assert!(bench.written.recv().is_err(), "the thread has ended");
    let sent = "portcullis_decision_log_sent_total{sink=\"file\"} 1\n";
    assert!(metrics.encode().contains(sent));
}

#[test]
fn an_end_that_nobody_announced_counts_too() {
    let bench = Bench::new(1 << 20);
    bench.lines.offer(&[b"first"]);
    let Bench {
        lines,
        steps,
        metrics,
        ..
    } = bench;
    drop(lines);
    drop(steps);
    let lost = r#"portcullis_decision_log_dropped_total{sink="file",cause="shutdown"} 1"#;
    assert!(metrics.encode().contains(lost));
}
