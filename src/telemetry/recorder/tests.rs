//! Who is told, what is dropped, and that nobody waits.

use std::sync::mpsc;

use bytes::Bytes;

use super::*;
use crate::{
    outcome::CheckError,
    policy::Externals,
    telemetry::{DecisionId, StageTimes},
};

fn record(size: usize) -> Box<Record> {
    Box::new(Record {
        decision_id: DecisionId::random(),
        at: Duration::ZERO,
        request: Bytes::from(vec![0; size]),
        outcome: Err(CheckError::Internal),
        dry_run: false,
        duration: Duration::ZERO,
        stages: StageTimes::default(),
        token: None,
        policy: None,
        externals: Externals::default(),
        trace: None,
        shed: None,
    })
}

/// Says what it is told; waits where it is told to.
struct Listener {
    told: mpsc::Sender<String>,
    gate: Option<mpsc::Receiver<()>>,
    panics: bool,
}

impl Consumer for Listener {
    fn consume(&mut self, recorded: &Recorded<'_>) {
        assert!(!self.panics, "this consumer is broken");
        let id = recorded.record.decision_id.as_str().to_owned();
        self.told.send(id).expect("somebody listens");
        if let Some(gate) = &self.gate {
            gate.recv().expect("somebody opens");
        }
    }

    fn finish(&mut self, _deadline: Instant) {
        self.told
            .send("finished".to_owned())
            .expect("somebody listens");
    }
}

fn start(
    options: Options,
    consumers: Vec<Box<dyn Consumer>>,
) -> (Recorder, Recording, Arc<Metrics>) {
    let metrics = Arc::new(Metrics::new(None));
    let interest = Interest::default();
    let (recorder, recording) = Recorder::start(
        options,
        interest,
        Xfcc::default(),
        consumers,
        Arc::clone(&metrics),
    )
    .expect("a thread");
    (recorder, recording, metrics)
}

fn soon() -> Instant {
    let now = Instant::now();
    now.checked_add(Duration::from_secs(30)).expect("a time")
}

fn count(metrics: &Metrics, sample: &str) -> u64 {
    let text = metrics.encode();
    let line = text.lines().find_map(|line| line.strip_prefix(sample));
    line.expect(sample).trim().parse().expect("a count")
}

#[test]
fn every_record_reaches_every_consumer_in_order_and_the_end_comes_last() {
    let (told, listening) = mpsc::channel();
    let listener = |panics| Listener {
        told: told.clone(),
        gate: None,
        panics,
    };
    let consumers: Vec<Box<dyn Consumer>> =
        vec![Box::new(listener(true)), Box::new(listener(false))];
    let (recorder, recording, metrics) = start(Options::default(), consumers);
    let records: Vec<_> = (0..100).map(record).collect();
    let mut ids: Vec<_> = records
        .iter()
        .map(|record| record.decision_id.as_str().to_owned())
        .collect();
    for record in records {
        recorder.record(record);
    }
    recording.finish(soon());
    ids.extend(["finished".to_owned(), "finished".to_owned()]);
    assert_eq!(listening.try_iter().collect::<Vec<_>>(), ids);
    assert_eq!(count(&metrics, "portcullis_recorder_panics_total"), 100);
}

#[test]
fn what_finds_no_room_is_dropped_and_counted_by_cause() {
    for (options, size, cause) in [
        (
            Options {
                records: 3,
                bytes: 100_000,
            },
            1,
            "queue_records",
        ),
        (
            Options {
                records: 1000,
                bytes: 3 * (100 + 1024),
            },
            100,
            "queue_bytes",
        ),
    ] {
        let (told, listening) = mpsc::channel();
        let (open, gate) = mpsc::channel();
        let listener = Listener {
            told,
            gate: Some(gate),
            panics: false,
        };
        let (recorder, recording, metrics) = start(options, vec![Box::new(listener)]);
        recorder.record(record(size));
        listening.recv().expect("the first is being told");
        for _ in 0..5 {
            recorder.record(record(size));
        }
        let dropped = format!("portcullis_recorder_dropped_total{{cause=\"{cause}\"}}");
        assert_eq!(count(&metrics, &dropped), 2, "{cause}");
        for _ in 0..4 {
            open.send(()).expect("it waits");
        }
        recording.finish(soon());
        // Three more had room, and then the end.
        assert_eq!(listening.try_iter().count(), 4, "{cause}");
    }
}

#[test]
fn interest_ends_with_who_has_it() {
    let interest = Interest::default();
    let answers = [Answer::Allowed, Answer::Denied, Answer::Error];
    let wanted = || answers.map(|answer| interest.includes(answer));
    assert_eq!(wanted(), [false, false, false]);
    let refused = interest.in_checks(false, true);
    assert_eq!(wanted(), [false, true, true]);
    let all = interest.in_checks(true, true);
    assert_eq!(wanted(), [true, true, true]);
    drop(refused);
    assert_eq!(wanted(), [true, true, true]);
    drop(all);
    assert_eq!(wanted(), [false, false, false]);
}

#[test]
fn without_a_recorder_nobody_wants_anything() {
    let recorder = Recorder::default();
    assert!(!recorder.wants(Answer::Denied));
    recorder.record(record(1));
}
