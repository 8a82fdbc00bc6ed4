//! What is remembered and what is forgotten, what readers find, and who wants to hear of what.
#![expect(
    clippy::arithmetic_side_effects,
    reason = "the numbers of a test are small"
)]

use proptest::prelude::*;

use super::*;
use crate::{
    observe::{
        filter::Filter,
        proto,
        reader::{Asked, Event, Reader},
        tests::at,
    },
    telemetry::Metrics,
};

fn sized(number: u64, size: usize) -> Decision {
    Decision {
        path: "x".repeat(size).into(),
        ..at(number)
    }
}

fn ring(capacity: usize, keep: Keep) -> (Ring, Readers, Interest) {
    let interest = Interest::default();
    let (ring, readers) = Ring::new(Options { capacity, keep }, &interest);
    (ring, readers, interest)
}

fn seconds(found: &Found) -> Vec<u64> {
    found
        .decisions
        .iter()
        .map(|kept| kept.at.as_secs())
        .collect()
}

proptest! {
    #[test]
    fn the_newest_that_fit_are_remembered_in_order(
        capacity in 1_usize..20,
        room in 1_usize..20,
        sizes in prop::collection::vec(0_usize..500, 0..60),
    ) {
        let most_bytes = room * 400;
        let mut kept = Kept::new(capacity, most_bytes);
        for (number, size) in (0..).zip(&sizes) {
            kept.push(Arc::new(sized(number, *size)));
            let bytes: usize = kept.decisions.iter().map(|one| one.size()).sum();
            prop_assert_eq!(kept.bytes, bytes);
            prop_assert!(kept.decisions.len() <= capacity);
            prop_assert!(bytes <= most_bytes || kept.decisions.len() == 1);
            let held: Vec<u64> = kept.decisions.iter().map(|one| one.at.as_secs()).collect();
            let oldest = number + 1 - u64::try_from(held.len()).unwrap();
            prop_assert_eq!(&held, &(oldest..=number).collect::<Vec<_>>());
            // Nothing is forgotten without need.
            if oldest > 0 {
                let before = sizes[usize::try_from(oldest).unwrap() - 1];
                let full = bytes + sized(0, before).size() > most_bytes;
                prop_assert!(held.len() == capacity || full);
            }
        }
    }

    #[test]
    fn a_reader_finds_or_is_told_it_lost_every_one_that_came(
        capacity in 1_usize..100,
        bursts in prop::collection::vec(0_u64..200, 1..20),
    ) {
        let (mut ring, readers, _interest) = ring(capacity, Keep::All);
        let (mut produced, mut next) = (0, 0);
        for burst in bursts {
            for _ in 0..burst {
                ring.push(at(produced));
                produced += 1;
            }
            let found = readers.from(next);
            let first = next + found.lost;
            prop_assert_eq!(seconds(&found), (first..found.next).collect::<Vec<_>>());
            prop_assert!(found.next <= produced);
            next = found.next;
        }
        // What is left is found without a loss.
        while next < produced {
            let found = readers.from(next);
            prop_assert!(found.next > next);
            next = found.next;
        }
    }
}

fn reader(readers: &Readers, asked: Asked) -> Reader {
    Reader::new(readers.clone(), asked, Metrics::new(None).observe().clone())
}

async fn next(reader: &mut Reader) -> Option<Result<u64, u64>> {
    match reader.next().await? {
        Event::Decision(decision) => Some(Ok(decision.at.as_secs())),
        Event::Lost(count) => Some(Err(count)),
        Event::Ended => None,
    }
}

#[tokio::test]
async fn a_follower_is_told_at_once_what_waits_and_then_what_comes_until_the_end() {
    let (mut ring, readers, _interest) = ring(100, Keep::All);
    (0..5).for_each(|number| ring.push(at(number)));
    let mut following = reader(
        &readers,
        Asked {
            last: 2,
            follow: true,
            ..Asked::default()
        },
    );
    assert_eq!(next(&mut following).await, Some(Ok(3)));
    assert_eq!(next(&mut following).await, Some(Ok(4)));
    let waiting = tokio::spawn(async move {
        let new = next(&mut following).await;
        (new, next(&mut following).await)
    });
    ring.push(at(9));
    ring.idle();
    ring.close(Instant::now());
    assert_eq!(waiting.await.unwrap(), (Some(Ok(9)), None));
}

#[tokio::test]
async fn who_does_not_follow_sees_the_newest_that_match_and_then_the_end() {
    let (mut ring, readers, _interest) = ring(100, Keep::All);
    (0..10).for_each(|number| ring.push(sized(number, usize::try_from(number % 2).unwrap())));
    let path = vec!["x".to_owned()];
    let odd = proto::Filter {
        path,
        ..proto::Filter::default()
    };
    let asked = Asked {
        since: std::time::Duration::from_secs(2),
        last: 10,
        follow: false,
        filter: Filter::of(&odd).unwrap(),
    };
    for (last, want) in [(10, vec![3, 5, 7, 9]), (3, vec![5, 7, 9]), (0, vec![])] {
        let mut reader = reader(
            &readers,
            Asked {
                last,
                ..asked.clone()
            },
        );
        let mut seen = Vec::new();
        while let Some(Ok(number)) = next(&mut reader).await {
            seen.push(number);
        }
        assert_eq!(seen, want);
    }
}

#[tokio::test]
async fn a_follower_who_is_too_slow_is_told_exactly_how_many_it_lost() {
    let (mut ring, readers, _interest) = ring(10, Keep::All);
    let asked = Asked {
        follow: true,
        ..Asked::default()
    };
    let mut slow = reader(&readers, asked);
    (0..25).for_each(|number| ring.push(at(number)));
    assert_eq!(next(&mut slow).await, Some(Err(15)));
    for number in 15..25 {
        assert_eq!(next(&mut slow).await, Some(Ok(number)));
    }
    // The numbers do not jump afterwards.
    ring.push(at(25));
    assert_eq!(next(&mut slow).await, Some(Ok(25)));
}

#[test]
fn what_is_allowed_is_wanted_only_while_somebody_follows_who_would_see_it() {
    let wants = |ring: &Ring, interest: &Interest| {
        let answers = [Answer::Allowed, Answer::Denied, Answer::Error];
        let kept = answers.map(|answer| ring.keeps(answer));
        // Kept and asked for are the same.
        for (answer, kept) in answers.into_iter().zip(kept) {
            assert_eq!(interest.includes(answer), kept);
        }
        kept
    };
    let (all, readers, interest) = ring(10, Keep::All);
    assert_eq!(wants(&all, &interest), [true; 3]);
    drop(readers.follow(true));
    assert_eq!(wants(&all, &interest), [true; 3]);

    let (refused, readers, interest) = ring(10, Keep::Refused);
    assert_eq!(wants(&refused, &interest), [false, true, true]);
    let denials = readers.follow(false);
    assert_eq!(wants(&refused, &interest), [false, true, true]);
    let everything = [readers.follow(true), readers.follow(true)];
    assert_eq!(wants(&refused, &interest), [true; 3]);
    drop(denials);
    drop(everything);
    assert_eq!(wants(&refused, &interest), [false, true, true]);
}
