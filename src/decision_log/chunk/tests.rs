//! What chunks hold, and how they are taken apart.

use proptest::prelude::*;

use super::*;

fn records(chunk: &Chunk) -> Vec<String> {
    let records = chunk.unpack().unwrap();
    let text = |record: &Bytes| String::from_utf8(record.to_vec()).unwrap();
    records.iter().map(text).collect()
}

fn packed(limit: usize, records: &[String]) -> Packed {
    let mut packer = Packer::new(limit, 0);
    let mut packed = Packed::default();
    for record in records {
        packer.push(Bytes::from(record.clone()), &mut packed);
    }
    packer.close(&mut packed);
    packed
}

/// A record of about so many bytes that hardly compress.
fn noise(bytes: usize) -> String {
    let noise: String = std::iter::repeat_with(fastrand::alphanumeric)
        .take(bytes)
        .collect();
    format!("{{\"n\":\"{noise}\"}}")
}

#[test]
fn places_are_ordered_as_the_records_in_them_and_read_back() {
    let whole = Place::new(9);
    let (a, b) = whole.halves();
    let ((aa, ab), (ba, bb)) = (a.halves(), b.halves());
    let in_order = [&Place::new(8), &a, &aa, &ab, &b, &ba, &bb, &Place::new(10)];
    assert!(in_order.is_sorted_by(|a, b| a < b));
    for place in in_order {
        assert_eq!(Place::parse(&place.to_string()).as_ref(), Some(place));
    }
    assert_eq!(Place::new(u64::MAX).to_string().len(), DIGITS);
    for wrong in [
        "",
        "9",
        "0000000000000000000x",
        "00000000000000000009c",
        "+0000000000000000009",
    ] {
        assert_eq!(Place::parse(wrong), None, "{wrong}");
    }
    let deep = format!("{whole}{}", "a".repeat(MOST_HALVES + 1));
    assert_eq!(Place::parse(&deep), None);
}

#[test]
fn chunks_come_close_to_the_limit_once_it_is_known_how_records_compress() {
    let records: Vec<String> = (0..4_000)
        .map(|n| {
            format!(
                "{{\"path\":\"/orders/items\",\"n\":{n},\"id\":\"{}\"}}",
                fastrand::u64(..)
            )
        })
        .collect();
    let packed = packed(8_192, &records);
    let sizes: Vec<usize> = packed
        .chunks
        .iter()
        .map(|chunk| chunk.bytes.len())
        .collect();
    assert!(sizes.iter().all(|size| *size <= 8_192), "{sizes:?}");
    let (_last, some) = sizes.split_last().unwrap();
    let usual = some.get(some.len() / 2..).unwrap();
    assert!(usual.iter().all(|size| *size > 6_000), "{sizes:?}");
}

#[test]
fn records_that_compress_worse_than_those_before_make_smaller_chunks_and_none_too_large() {
    let mut records: Vec<String> = vec!["{\"n\":0}".to_owned(); 20_000];
    records.extend(std::iter::repeat_with(|| noise(500)).take(50));
    let packed = packed(4_096, &records);
    assert!(packed.chunks.iter().all(|chunk| chunk.bytes.len() <= 4_096));
    let all: u64 = packed.chunks.iter().map(|chunk| chunk.records).sum();
    assert_eq!((all, packed.too_large), (20_050, 0));
}

#[test]
fn a_record_that_is_alone_too_large_is_stripped_or_counted_and_the_others_stay() {
    let large = noise(5_000);
    let told = format!("{{\"b\":1,\"nd_builtin_cache\":{large},\"a\":2.50}}");
    let given = ["{\"n\":1}".to_owned(), large, told, "{\"n\":2}".to_owned()];
    let packed = packed(1_000, &given);
    assert_eq!(
        (packed.too_large, packed.stripped, packed.broken),
        (1, 1, 0)
    );
    let all: Vec<String> = packed.chunks.iter().flat_map(records).collect();
    assert_eq!(all, ["{\"n\":1}", "{\"a\":2.50,\"b\":1}", "{\"n\":2}"]);
}

#[test]
fn less_of_a_chunk_is_its_halves_its_record_without_answers_and_nothing() {
    let chunk = |records: &[&'static str]| {
        let records: Vec<Bytes> = records.iter().copied().map(Bytes::from).collect();
        Chunk::of(Place::new(7), &records).unwrap()
    };
    let Less::Halves(first, second) = chunk(&["1", "2", "3"]).reduce().unwrap() else {
        panic!("no halves");
    };
    assert_eq!(records(&first), ["1", "2"]);
    assert_eq!(records(&second), ["3"]);
    assert_eq!((first.records, second.records), (2, 1));
    assert!(first.place < second.place);
    let told = chunk(&[r#"{"nd_builtin_cache":{},"n":1}"#]);
    assert_eq!(
        told.reduce().unwrap(),
        Less::Stripped(chunk(&[r#"{"n":1}"#]))
    );
    assert_eq!(chunk(&[r#"{"n":1}"#]).reduce().unwrap(), Less::Nothing);
}

#[test]
fn a_chunk_that_is_not_whole_is_known() {
    let whole = Chunk::of(
        Place::new(0),
        &[Bytes::from_static(b"1"), Bytes::from_static(b"2")],
    );
    let whole = whole.unwrap();
    whole.verify().unwrap();
    for end in 0..whole.bytes.len() {
        let torn = Chunk {
            bytes: whole.bytes.slice(..end),
            ..whole.clone()
        };
        torn.verify().unwrap_err();
    }
    let longer = [&*whole.bytes, b"x"].concat().into();
    let others = [
        Chunk {
            bytes: longer,
            ..whole.clone()
        },
        Chunk {
            records: 3,
            ..whole.clone()
        },
        Chunk {
            bytes: gzip(&[]).unwrap().into(),
            ..whole
        },
    ];
    for other in others {
        other.verify().unwrap_err();
    }
}

#[test]
fn what_the_service_refuses_is_more_than_is_aimed_at() {
    let mut packer = Packer::new(100_000, 0);
    packer.refused(40_000);
    assert_eq!(packer.target, 20_000);
    packer.refused(80_000);
    assert_eq!(packer.target, 20_000);
    packer.refused(1);
    assert_eq!(packer.target, LEAST_TARGET);
    assert_eq!(packer.limit, 100_000, "single records may still be larger");
}

proptest! {
    #[test]
    fn nothing_is_lost_doubled_or_out_of_order(
        sizes in prop::collection::vec(0_usize..3_000, 0..80),
        limit in 200_usize..5_000,
    ) {
        let given: Vec<String> = sizes
            .iter()
            .enumerate()
            .map(|(n, size)| format!("[{n},{}]", noise(*size)))
            .collect();
        let packed = packed(limit, &given);
        prop_assert!(packed.chunks.is_sorted_by(|a, b| a.place < b.place));
        prop_assert!(packed.chunks.iter().all(|chunk| chunk.bytes.len() <= limit));
        for chunk in &packed.chunks {
            chunk.verify().unwrap();
        }
        let all: Vec<String> = packed.chunks.iter().flat_map(records).collect();
        let mut rest = given.iter();
        prop_assert!(all.iter().all(|record| rest.any(|given| given == record)));
        let found = count(all.len()).saturating_add(packed.too_large);
        prop_assert_eq!(found, count(given.len()));
    }
}
