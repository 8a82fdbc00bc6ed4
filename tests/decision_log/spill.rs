//! What a service does not take waits on disk: bounded, in order, and across restarts.

use std::{
    fs,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    process::Command,
    time::{Duration, Instant},
};

use portcullis::decision_log::service::{Limit, Options, SpillOptions};

use crate::{
    logs::{Answer, LogServer},
    service::{Offered, numbers, options},
};

fn spilling(server: &LogServer, folder: &Path, limit: Limit, max_bytes: u64) -> Options {
    Options {
        upload_bytes: 2_048,
        limit,
        spill: Some(SpillOptions {
            directory: folder.join("spill"),
            max_bytes,
        }),
        ..options(server)
    }
}

/// The files in which chunks wait, in the order of their names.
fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder.join("spill")).unwrap();
    let paths = entries.map(|entry| entry.unwrap().path());
    let chunk = |path: &PathBuf| path.to_string_lossy().ends_with(".json.gz");
    let mut files: Vec<PathBuf> = paths.filter(chunk).collect();
    files.sort();
    files
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}

const LIMITS: [Limit; 2] = [Limit::Bytes(10_000), Limit::Records(200)];
const PLENTY: u64 = 1 << 30;

#[tokio::test(flavor = "multi_thread")]
async fn what_memory_cannot_hold_waits_on_disk_and_arrives_in_order() {
    for limit in LIMITS {
        let (server, folder) = (LogServer::start().await, tempfile::tempdir().unwrap());
        server.answer(Answer::Status(503));
        let mut offered = Offered::start(&spilling(&server, folder.path(), limit, PLENTY));
        for _ in 0..75 {
            offered.offer(40);
            // As it comes, not faster than a disk writes.
            let done = |sink: &Offered| sink.waiting() == sink.records;
            offered.until("all wait", done).await;
        }
        assert_ne!(offered.count("spilled_bytes"), 0);
        assert_ne!(files(folder.path()).len(), 0);
        for file in files(folder.path()) {
            assert_eq!(mode(&file), 0o600);
        }
        assert_eq!(mode(&folder.path().join("spill")), 0o700);
        server.answer(Answer::Taken);
        server.until_taken(3_000).await;
        offered.offer(100);
        offered.finish(PATIENCE);
        assert_eq!(numbers(&server), (0..3_100).collect::<Vec<u64>>());
        assert_eq!(offered.sent(), 3_100);
        assert_eq!(files(folder.path()), Vec::<PathBuf>::new());
        assert_eq!(offered.count("spilled_bytes"), 0);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_left_at_the_end_arrives_after_the_next_start_before_anything_newer() {
    for limit in LIMITS {
        let (server, folder) = (LogServer::start().await, tempfile::tempdir().unwrap());
        let options = spilling(&server, folder.path(), limit, PLENTY);
        server.leave();
        let mut first = Offered::start(&options);
        first.offer(150);
        first.finish(Duration::from_secs(2));
        assert_eq!((first.sent(), first.waiting()), (0, 150));
        // A second run cannot do better, and adds to it.
        let mut second = Offered::start_at(150, &options);
        second.offer(150);
        second.finish(Duration::from_secs(2));
        assert_eq!(second.count("replayed_total"), 150);
        assert_eq!((second.sent(), second.waiting()), (0, 300));
        server.come_back().await;
        let mut third = Offered::start_at(300, &options);
        third.offer(10);
        third.finish(PATIENCE);
        assert_eq!(third.count("replayed_total"), 300);
        assert_eq!(third.sent(), 310);
        assert_eq!(numbers(&server), (0..310).collect::<Vec<u64>>());
        assert_eq!(files(folder.path()), Vec::<PathBuf>::new());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_disk_is_bounded_and_the_oldest_go() {
    for limit in LIMITS {
        let (server, folder) = (LogServer::start().await, tempfile::tempdir().unwrap());
        server.leave();
        let mut offered = Offered::start(&spilling(&server, folder.path(), limit, 20_000));
        for _ in 0..75 {
            offered.offer(40);
            let done = |sink: &Offered| sink.waiting() + sink.dropped("spill_full") == sink.records;
            offered.until("all wait or are lost", done).await;
            let files = files(folder.path());
            let sizes = files.iter().map(|file| fs::metadata(file).unwrap().len());
            assert!(sizes.sum::<u64>() <= 20_000);
        }
        assert_ne!(offered.dropped("spill_full"), 0);
        server.come_back().await;
        let all = |sink: &Offered| sink.sent() + sink.dropped("spill_full") == 3_000;
        offered.until("what is left is sent", all).await;
        offered.finish(PATIENCE);
        let arrived = numbers(&server);
        assert!(arrived.is_sorted_by(|a, b| a < b));
        assert_eq!(arrived.last(), Some(&2_999));
        let arrived = u64::try_from(arrived.len()).unwrap();
        assert_eq!(arrived + offered.dropped("spill_full"), 3_000);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn torn_and_foreign_files_stand_in_nobody_s_way() {
    let (server, folder) = (LogServer::start().await, tempfile::tempdir().unwrap());
    let options = spilling(&server, folder.path(), LIMITS[0], PLENTY);
    server.leave();
    let mut first = Offered::start(&options);
    first.offer(500);
    first.finish(Duration::from_secs(2));
    let chunks = files(folder.path());
    assert!(chunks.len() > 3, "{chunks:?}");
    let torn = &chunks[1];
    let bytes = fs::read(torn).unwrap();
    fs::write(torn, &bytes[..bytes.len() / 2]).unwrap();
    let name = torn.file_name().unwrap().to_string_lossy().into_owned();
    let lost: u64 = name.split(['-', '.']).nth(1).unwrap().parse().unwrap();
    let foreign = folder.path().join("spill/notes.txt");
    fs::write(&foreign, "mine").unwrap();
    fs::write(folder.path().join("spill/.new-1234"), "half").unwrap();
    server.come_back().await;
    let mut second = Offered::start(&options);
    second.finish(PATIENCE);
    assert_eq!(second.sent() + lost, 500);
    assert_eq!(second.dropped("write_failed"), lost);
    let arrived = u64::try_from(server.records().len()).unwrap();
    assert_eq!(arrived, second.sent());
    assert_eq!(fs::read_to_string(&foreign).unwrap(), "mine");
    assert!(!folder.path().join("spill/.new-1234").exists());
    let aside = folder.path().join(format!("spill/{name}.set-aside"));
    assert!(aside.exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn two_processes_do_not_share_a_folder() {
    let (server, folder) = (LogServer::start().await, tempfile::tempdir().unwrap());
    server.leave();
    let options = spilling(&server, folder.path(), LIMITS[0], PLENTY);
    let mut first = Offered::start(&options);
    first.offer(10);
    let failed = |sink: &Offered| sink.count("failures_total{sink=\"service\"}") > 0;
    first.until("the folder is taken", failed).await;
    let mut second = Offered::start(&options);
    second.offer(10);
    second.finish(Duration::from_millis(800));
    assert_eq!(second.dropped("shutdown"), 10);
    first.finish(Duration::from_secs(2));
    assert_eq!((first.waiting(), first.dropped("shutdown")), (10, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_disk_that_hangs_is_not_waited_for_at_the_end() {
    let (server, folder) = (LogServer::start().await, tempfile::tempdir().unwrap());
    let options = spilling(&server, folder.path(), LIMITS[0], PLENTY);
    fs::create_dir(folder.path().join("spill")).unwrap();
    // Whoever opens it to write waits until somebody reads.
    let made = Command::new("mkfifo")
        .arg(folder.path().join("spill/.lock"))
        .status();
    assert!(made.unwrap().success());
    let mut offered = Offered::start(&options);
    offered.offer(10);
    let before = Instant::now();
    offered.finish(Duration::from_millis(200));
    assert!(before.elapsed() < Duration::from_secs(20));
    assert_eq!((offered.sent(), offered.dropped("shutdown")), (0, 10));
}

/// Long, because it only ends tests that fail.
const PATIENCE: Duration = Duration::from_mins(1);
