//! The folder when it is not as it was left: nothing is overwritten, and what stays is counted.

use bytes::Bytes;
use tempfile::TempDir;

use super::*;
use crate::decision_log::chunk::{Packed, Packer};

fn chunk(number: u64, records: usize) -> Chunk {
    let (mut packer, mut packed) = (Packer::new(10_000, number), Packed::default());
    for _ in 0..records {
        packer.push(Bytes::from_static(b"{\"a\":1}"), &mut packed);
    }
    packer.close(&mut packed);
    packed.chunks.remove(0)
}

fn open(folder: &TempDir, max_bytes: u64) -> Spill {
    let directory = folder.path().to_owned();
    let options = SpillOptions {
        directory,
        max_bytes,
    };
    Spill::open(&options).unwrap()
}

fn stored(spill: &mut Spill, chunk: &Chunk) -> bool {
    spill.store(chunk, None).stored
}

/// Replaces a chunk by a folder, which can be neither read nor removed as a file.
fn make_unusable(spill: &Spill, chunk: &Chunk) {
    let path = spill.path(&chunk.place, chunk.records);
    fs::remove_file(&path).unwrap();
    fs::create_dir(&path).unwrap();
}

#[test]
fn a_chunk_never_takes_the_place_of_another_file() {
    let folder = tempfile::tempdir().unwrap();
    let mut spill = open(&folder, 10_000);
    let (one, two) = (chunk(1, 1), chunk(2, 1));
    let path = spill.path(&one.place, 1);
    fs::write(&path, "mine").unwrap();
    assert!(!stored(&mut spill, &one));
    assert!(stored(&mut spill, &two));
    assert_eq!(spill.troubles().len(), 1);
    assert_eq!(fs::read_to_string(&path).unwrap(), "mine");
    // The same place with another number of records has another name.
    assert!(!stored(&mut spill, &chunk(2, 2)));
    assert_eq!(spill.records(), 1);
    assert_eq!(spill.read(&two.place), Ok(two));
}

#[test]
fn of_two_files_for_one_place_only_one_is_a_chunk() {
    let folder = tempfile::tempdir().unwrap();
    let mut spill = open(&folder, 10_000);
    let chunk = chunk(1, 1);
    assert!(stored(&mut spill, &chunk));
    fs::copy(spill.path(&chunk.place, 1), spill.path(&chunk.place, 2)).unwrap();
    drop(spill);
    let mut spill = open(&folder, 10_000);
    assert_eq!(spill.stored.len(), 1);
    assert_eq!(spill.records(), spill.stored[&chunk.place].records);
    assert!(matches!(*spill.troubles(), [SpillError::Foreign(_)]));
}

#[test]
fn what_cannot_be_read_is_lost_once_and_takes_up_its_bytes() {
    for torn in [true, false] {
        let folder = tempfile::tempdir().unwrap();
        let (one, two) = (chunk(1, 3), chunk(2, 3));
        let bytes = u64::try_from(one.bytes.len()).unwrap();
        // There is room for one and a half.
        let mut spill = open(&folder, bytes * 3 / 2);
        assert!(stored(&mut spill, &one));
        if torn {
            let noise = vec![0; one.bytes.len()];
            fs::write(spill.path(&one.place, 3), noise).unwrap();
        } else {
            make_unusable(&spill, &one);
        }
        assert_eq!(spill.read(&one.place), Err(3));
        assert!(matches!(*spill.troubles(), [SpillError::Torn { .. }]));
        assert_eq!((spill.records(), spill.bytes()), (0, 0));
        assert!(!stored(&mut spill, &two), "{torn}");
        assert!(matches!(*spill.troubles(), [SpillError::TooLarge { .. }]));
        drop(spill);
        let mut spill = open(&folder, bytes * 3 / 2);
        assert_eq!(spill.records(), 0, "it is not found again");
        assert!(!stored(&mut spill, &two), "{torn}");
        drop(spill);
        // It takes up no more than its bytes (a folder has some of its own).
        assert!(stored(&mut open(&folder, bytes * 2 + 10_000), &two));
    }
}

#[test]
fn what_cannot_be_removed_takes_up_its_bytes() {
    let folder = tempfile::tempdir().unwrap();
    let (one, two) = (chunk(1, 3), chunk(2, 3));
    let bytes = u64::try_from(one.bytes.len()).unwrap();
    for (unusable, fits) in [(false, true), (true, false)] {
        let mut spill = open(&folder, bytes * 3 / 2);
        assert!(stored(&mut spill, &one));
        if unusable {
            make_unusable(&spill, &one);
        }
        assert_eq!(spill.remove(&one.place), 3);
        assert_eq!(spill.troubles().len(), usize::from(unusable));
        assert_eq!(stored(&mut spill, &two), fits);
        spill.remove(&two.place);
    }
}
