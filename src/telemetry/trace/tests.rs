//! Who is sampled, and which ids a check gets.

use super::*;

const TRACE: u128 = 0x0af7_6519_16cd_43dd_8448_eb21_1c80_319c;
const SPAN: u64 = 0xb7ad_6b71_6920_3331;

fn called(flags: &str) -> HeaderMap {
    let text = format!("00-{TRACE:032x}-{SPAN:016x}-{flags}");
    HeaderMap::from_iter([("traceparent".parse().unwrap(), text.parse().unwrap())])
}

fn b3(text: &str) -> HeaderMap {
    HeaderMap::from_iter([("b3".parse().unwrap(), text.parse().unwrap())])
}

#[test]
fn nobody_has_a_trace_when_nobody_wants_one() {
    assert_eq!(Tracing::default().begin(&called("01")), None);
}

#[test]
fn without_spans_of_its_own_a_check_is_told_of_as_its_callers() {
    let trace = Tracing::CALLERS.begin(&called("01")).unwrap();
    assert_eq!(trace.trace_id, TRACE.to_be_bytes());
    assert_eq!(trace.span_id, SPAN.to_be_bytes());
    assert_eq!((trace.parent, trace.sampled), (None, false));
    assert_eq!(Tracing::CALLERS.begin(&HeaderMap::new()), None);
}

#[test]
fn the_caller_decides_what_is_recorded_whatever_the_ratio() {
    for ratio in [0.0, 0.5, 1.0] {
        for (metadata, sampled) in [
            (called("01"), true),
            (called("00"), false),
            (b3("1"), true),
            (b3("0"), false),
        ] {
            let trace = Tracing::spans(ratio).begin(&metadata).unwrap();
            assert_eq!(trace.sampled, sampled, "{ratio} {metadata:?}");
        }
    }
}

#[test]
fn a_check_of_a_trace_has_a_span_of_its_own_below_the_callers() {
    let begin = || Tracing::spans(1.0).begin(&called("01")).unwrap();
    let (one, other) = (begin(), begin());
    assert_eq!(one.trace_id, TRACE.to_be_bytes());
    assert_eq!(one.parent, Some(SPAN.to_be_bytes()));
    assert_ne!(one.span_id, SPAN.to_be_bytes());
    assert_ne!(one.span_id, other.span_id);
}

#[test]
fn where_nobody_has_decided_the_ratio_does() {
    let undecided = b3(&format!("{TRACE:032x}-{SPAN:016x}"));
    for metadata in [HeaderMap::new(), undecided] {
        for (ratio, sampled) in [(0.0, false), (1.0, true)] {
            let trace = Tracing::spans(ratio).begin(&metadata).unwrap();
            assert_eq!(trace.sampled, sampled, "{ratio} {metadata:?}");
        }
    }
    let sampled = std::iter::repeat_with(|| Tracing::spans(0.25).begin(&HeaderMap::new()).unwrap())
        .take(8_000)
        .filter(|trace| trace.sampled)
        .count();
    assert!((1_600..2_400).contains(&sampled), "{sampled}");
}

#[test]
fn the_ratio_is_told_from_the_lower_half_of_the_id_as_elsewhere() {
    for (low, ratio, of) in [
        (0, 0.000_001, true),
        (u64::MAX, 0.999_999, false),
        (0x7fff_ffff_ffff_ffff, 0.5, true),
        (0x8000_0000_0000_0000, 0.5, false),
        (u64::MAX, 1.0, true),
        (0, 0.0, false),
    ] {
        let id = (u128::from(u64::MAX) << 64 | u128::from(low)).to_be_bytes();
        assert_eq!(is_of(id, ratio), of, "{low:x} {ratio}");
    }
}
