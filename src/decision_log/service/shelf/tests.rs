//! Places that two runs have both taken, and the end when there is no time.

use bytes::Bytes;
use tempfile::TempDir;

use super::*;
use crate::decision_log::chunk::{Packed, Packer};

fn chunk(number: u64, record: &'static str) -> Chunk {
    let (mut packer, mut packed) = (Packer::new(10_000, number), Packed::default());
    packer.push(Bytes::from_static(record.as_bytes()), &mut packed);
    packer.close(&mut packed);
    packed.chunks.remove(0)
}

fn folder() -> (TempDir, SpillOptions) {
    let folder = tempfile::tempdir().unwrap();
    let directory = folder.path().to_owned();
    let max_bytes = 1 << 20;
    let options = SpillOptions {
        directory,
        max_bytes,
    };
    (folder, options)
}

fn shelf(options: &SpillOptions) -> Shelf {
    let metrics = Metrics::new(None).with_decision_log(&[Sink::Service]);
    Shelf::new(usize::MAX, Some(options.clone()), Arc::new(metrics))
}

fn lost(shelf: &Shelf, cause: &str) -> u64 {
    let start =
        format!("portcullis_decision_log_dropped_total{{sink=\"service\",cause=\"{cause}\"}} ");
    let text = shelf.metrics.encode();
    let found = text.lines().find_map(|line| line.strip_prefix(&start));
    found.unwrap().parse().unwrap()
}

#[test]
fn a_chunk_of_another_run_at_the_same_place_is_another_chunk() {
    let (_folder, options) = folder();
    let (ours, theirs) = (chunk(7, "{\"ours\":1}"), chunk(7, "{\"theirs\":1}"));
    let mut other = Spill::open(&options).unwrap();
    assert!(other.store(&theirs, None).stored);
    let mut shelf = shelf(&options);
    shelf.add(ours.clone());
    drop(other);
    shelf.open();
    // Ours is not taken, is not thrown away, and is posted without theirs.
    assert_eq!(shelf.next(u64::MAX), Some(ours.clone()));
    shelf.put_back(ours.clone());
    assert_eq!(shelf.next(u64::MAX), Some(ours.clone()));
    shelf.done(&ours.place);
    assert_eq!(shelf.next(u64::MAX), Some(theirs.clone()));
    shelf.put_back(theirs.clone());
    assert_eq!(
        shelf.level(),
        (1, 0, u64::try_from(theirs.bytes.len()).expect("a size"))
    );
    assert_eq!(shelf.next(u64::MAX), Some(theirs.clone()));
    shelf.done(&theirs.place);
    assert!(shelf.is_empty());
}

#[test]
fn what_takes_the_very_place_of_a_chunk_on_disk_is_not_lost_with_it() {
    let (_folder, options) = folder();
    let (whole, less) = (chunk(7, "{\"a\":1,\"b\":2}"), chunk(7, "{\"a\":1}"));
    let mut shelf = shelf(&options);
    shelf.put_away(&whole, None);
    assert_eq!(shelf.next(u64::MAX), Some(whole.clone()));
    shelf.replace(&whole.place, [less.clone()]);
    assert_eq!(shelf.level(), (1, less.bytes.len(), 0));
    assert_eq!(shelf.next(u64::MAX), Some(less));
}

#[test]
fn the_end_writes_while_there_is_time_and_counts_the_rest() {
    let now = Instant::now();
    for (deadline, stored) in [(now, 0), (later(now), 3)] {
        let (_folder, options) = folder();
        let mut shelf = shelf(&options);
        shelf.open();
        for number in 0..3 {
            shelf.add(chunk(number, "{}"));
        }
        shelf.clear(deadline);
        assert_eq!(shelf.level().0, stored);
        assert_eq!(lost(&shelf, "shutdown"), 3 - stored);
    }
}

fn later(now: Instant) -> Instant {
    now.checked_add(Duration::from_mins(1)).expect("a time")
}
