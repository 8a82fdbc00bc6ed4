//! Numbers that no other run has, and what a defect costs.

use bytes::Bytes;
use tokio::runtime::Handle;

use super::*;
use crate::{
    decision_log::{service::SpillOptions, spill::Spill},
    services::{Credentials, Service, Tls, Token},
};

fn desk(spill: Option<SpillOptions>) -> Desk {
    let service = Arc::new(Service {
        name: "logs".into(),
        url: "http://127.0.0.1:9/".parse().unwrap(),
        oci: false,
        response_header_timeout: Duration::from_secs(1),
        headers: [].into(),
        tls: Tls::default(),
        credentials: Credentials::Bearer {
            token: Token::Given("t0ken".to_owned().into()),
            scheme: "Bearer".to_owned(),
        },
    });
    let options = Options {
        service: Arc::clone(&service),
        resource: "logs".to_owned(),
        upload_bytes: 10_000,
        limit: Limit::Bytes(1 << 20),
        min_delay: Duration::ZERO,
        max_delay: Duration::ZERO,
        most_per_second: None,
        trigger: Trigger::Periodic,
        spill,
    };
    let inbox = Arc::new(Inbox::new(options.limit));
    let uploader = Uploader::new(service, "logs", Handle::current());
    let metrics = Metrics::new(None).with_decision_log(&[Sink::Service]);
    Desk::new(&options, inbox, uploader, Arc::new(metrics))
}

fn lost(desk: &Desk) -> u64 {
    let start = "portcullis_decision_log_dropped_total{sink=\"service\",cause=\"write_failed\"} ";
    let text = desk.metrics.encode();
    let found = text.lines().find_map(|line| line.strip_prefix(start));
    found.unwrap().parse().unwrap()
}

fn record() -> Bytes {
    Bytes::from_static(b"{}")
}

#[tokio::test]
async fn no_run_numbers_as_an_earlier_one_did() {
    let (mut one, mut two) = (desk(None), desk(None));
    let packed = one.pack(vec![record()]);
    let number = packed.chunks[0].place.number;
    assert!(number > 1_600_000_000_000_000_000, "{number}");
    assert!(two.pack(vec![record()]).chunks[0].place.number > number);
}

#[tokio::test]
async fn a_folder_that_is_opened_late_still_says_what_is_newer() {
    let folder = tempfile::tempdir().unwrap();
    let options = SpillOptions {
        directory: folder.path().to_owned(),
        max_bytes: 1 << 20,
    };
    // Of a run whose clock was ahead.
    let mut ahead = desk(None);
    ahead.packer.start_at(u64::MAX / 2);
    let theirs = ahead.pack(vec![record()]).chunks.remove(0);
    let mut other = Spill::open(&options).unwrap();
    assert!(other.store(&theirs, None).stored);
    let mut desk = desk(Some(options));
    let before = desk.pack(vec![record()]).chunks.remove(0);
    drop(other);
    desk.shelf.put_away(&before, None);
    let after = desk.pack(vec![record()]).chunks.remove(0);
    assert!(before.place < theirs.place && theirs.place < after.place);
}

#[tokio::test]
async fn a_defect_costs_what_was_in_hand_and_not_the_thread() {
    let mut desk = desk(None);
    for _ in 0..5 {
        desk.inbox.put(record());
    }
    desk.collect();
    assert_eq!(desk.packer.waiting().0, 5);
    // Nothing in hand: nothing is lost.
    assert!(desk.guarded(|_| panic!("a defect")));
    assert_eq!((lost(&desk), desk.packer.waiting().0), (0, 5));
    for _ in 0..3 {
        desk.inbox.put(record());
    }
    assert!(desk.guarded(|desk| {
        let record = desk.take(1).remove(0);
        desk.packer.push(record, &mut Packed::default());
        panic!("a defect")
    }));
    assert_eq!((lost(&desk), desk.packer.waiting().0), (6, 0));
    assert_eq!(desk.inbox.level().records, 2);
    desk.inbox.close(Instant::now());
    assert!(!desk.guarded(|_| panic!("a defect at the end")));
    assert_eq!(desk.inbox.level().records, 0);
}
