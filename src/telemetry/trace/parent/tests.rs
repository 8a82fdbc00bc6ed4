//! What is a parent and what is not, by the words of the specifications.

use proptest::prelude::*;

use super::*;

const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";
const SPAN: &str = "b7ad6b7169203331";

fn of(headers: &[(&'static str, &str)]) -> Parent {
    let mut map = HeaderMap::new();
    for (name, value) in headers {
        map.append(*name, value.parse().unwrap());
    }
    Parent::of(&map)
}

fn parent(sampled: Option<bool>) -> Parent {
    let context = Context {
        trace_id: 0x0af7_6519_16cd_43dd_8448_eb21_1c80_319c_u128.to_be_bytes(),
        span_id: 0xb7ad_6b71_6920_3331_u64.to_be_bytes(),
    };
    Parent {
        context: Some(context),
        sampled,
    }
}

#[test]
fn a_traceparent_is_read_as_its_version_has_it() {
    for (text, sampled) in [
        (format!("00-{TRACE}-{SPAN}-01"), true),
        (format!("00-{TRACE}-{SPAN}-00"), false),
        (format!("00-{TRACE}-{SPAN}-02"), false),
        (format!("00-{TRACE}-{SPAN}-ff"), true),
        (format!("01-{TRACE}-{SPAN}-01"), true),
        (format!("cc-{TRACE}-{SPAN}-01-what-ever"), true),
    ] {
        let found = of(&[("traceparent", &text)]);
        assert_eq!(found, parent(Some(sampled)), "{text}");
    }
}

#[test]
fn a_traceparent_of_another_form_is_none() {
    let zeros = "0".repeat(32);
    for text in [
        String::new(),
        "-".to_owned(),
        format!("ff-{TRACE}-{SPAN}-01"),
        format!("00-{zeros}-{SPAN}-01"),
        format!("00-{TRACE}-0000000000000000-01"),
        format!("00-{TRACE}-{SPAN}-01-"),
        format!("00-{TRACE}-{SPAN}-01-more"),
        format!("01-{TRACE}-{SPAN}-01more"),
        format!("00-{TRACE}-{SPAN}-1"),
        format!("00-{TRACE}-{SPAN}"),
        format!("00-{TRACE}{SPAN}-01"),
        format!("0-{TRACE}-{SPAN}-01"),
        format!("00-{}-{SPAN}-01", TRACE.to_uppercase()),
        format!("00-{TRACE}-{SPAN}-0G"),
        format!(" 00-{TRACE}-{SPAN}-01"),
        format!("00-{}g-{SPAN}-01", "0".repeat(31)),
    ] {
        let found = of(&[("traceparent", &text)]);
        assert_eq!(found, Parent::default(), "{text}");
    }
}

#[test]
fn two_of_a_header_are_none() {
    let text = format!("00-{TRACE}-{SPAN}-01");
    let found = of(&[("traceparent", &text), ("traceparent", &text)]);
    assert_eq!(found, Parent::default());
    let text = format!("{TRACE}-{SPAN}-1");
    assert_eq!(of(&[("b3", &text), ("b3", &text)]), Parent::default());
}

#[test]
fn b3_in_one_header_is_read_with_what_may_be_missing() {
    for (text, sampled) in [
        (format!("{TRACE}-{SPAN}-1"), Some(true)),
        (format!("{TRACE}-{SPAN}-d"), Some(true)),
        (format!("{TRACE}-{SPAN}-0"), Some(false)),
        (format!("{TRACE}-{SPAN}"), None),
        (format!("{TRACE}-{SPAN}-1-05e3ac9a4f6e3b90"), Some(true)),
    ] {
        assert_eq!(of(&[("b3", &text)]), parent(sampled), "{text}");
    }
    for (text, sampled) in [("0", false), ("1", true), ("d", true)] {
        let found = of(&[("b3", text)]);
        assert_eq!((found.context, found.sampled), (None, Some(sampled)));
    }
}

#[test]
fn a_b3_trace_of_64_bits_is_the_lower_half() {
    let short = "8448eb211c80319c";
    let text = format!("{short}-{SPAN}-1");
    for found in [
        of(&[("b3", &text)]),
        of(&[("x-b3-traceid", short), ("x-b3-spanid", SPAN)]),
    ] {
        let want = 0x8448_eb21_1c80_319c_u128.to_be_bytes();
        assert_eq!(found.context.unwrap().trace_id, want);
    }
}

#[test]
fn b3_of_another_form_is_none() {
    for text in [
        String::new(),
        "2".to_owned(),
        "true".to_owned(),
        TRACE.to_owned(),
        format!("{TRACE}-"),
        format!("{TRACE}-{SPAN}-"),
        format!("{TRACE}-{SPAN}-x"),
        format!("{TRACE}-{SPAN}-11"),
        format!("{TRACE}-{SPAN}-1-"),
        format!("{TRACE}-{SPAN}-1-05e3"),
        format!("{TRACE}-{SPAN}-1-05e3ac9a4f6e3b90-"),
        format!("{}-{SPAN}-1", "0".repeat(32)),
        format!("{}-{SPAN}-1", "0".repeat(16)),
        format!("{TRACE}-0000000000000000-1"),
        format!("{}-{SPAN}-1", TRACE.to_uppercase()),
        format!("0{SPAN}{SPAN}-{SPAN}-1"),
        format!("0{SPAN}-{SPAN}-1"),
    ] {
        assert_eq!(of(&[("b3", &text)]), Parent::default(), "{text}");
    }
}

#[test]
fn b3_in_several_headers_is_read() {
    let ids = [("x-b3-traceid", TRACE), ("x-b3-spanid", SPAN)];
    for (more, sampled) in [
        (&[][..], None),
        (&[("x-b3-sampled", "1")], Some(true)),
        (&[("x-b3-sampled", "true")], Some(true)),
        (&[("x-b3-sampled", "0")], Some(false)),
        (&[("x-b3-sampled", "false")], Some(false)),
        (&[("x-b3-sampled", "maybe")], None),
        (&[("x-b3-flags", "1")], Some(true)),
        (&[("x-b3-flags", "0")], None),
        (&[("x-b3-sampled", "0"), ("x-b3-flags", "1")], Some(true)),
    ] {
        let headers = [&ids, more].concat();
        assert_eq!(of(&headers), parent(sampled), "{more:?}");
    }
    for one in [("x-b3-traceid", TRACE), ("x-b3-spanid", SPAN)] {
        assert_eq!(of(&[one]), Parent::default());
    }
    let longer = format!("{SPAN}0");
    assert_eq!(of(&[ids[0], ("x-b3-spanid", &longer)]).context, None);
}

#[test]
fn a_span_in_b3_counts_before_one_in_w3c_and_a_decision_without_a_span_does_not() {
    let other = "00-11111111111111111111111111111111-2222222222222222-00";
    let w3c = of(&[("traceparent", other)]);
    let single = format!("{TRACE}-{SPAN}-1");
    assert_eq!(
        of(&[("traceparent", other), ("b3", &single)]),
        parent(Some(true))
    );
    let multi = [
        ("traceparent", other),
        ("x-b3-traceid", TRACE),
        ("x-b3-spanid", SPAN),
    ];
    assert_eq!(of(&multi), parent(None));
    for less in [("b3", "1"), ("b3", "nonsense"), ("x-b3-sampled", "1")] {
        assert_eq!(of(&[("traceparent", other), less]), w3c, "{less:?}");
    }
}

proptest! {
    #[test]
    fn whatever_the_headers_hold_a_context_has_ids_that_are_not_zero(
        w3c in "[0-9a-fA-F-]{0,60}|\\PC{0,80}",
        single in "[0-9a-f]{0,33}-?[0-9a-f]{0,17}-?[01d]?-?[0-9a-f]{0,17}|\\PC{0,80}",
        trace in "[0-9a-f]{14,34}",
        span in "[0-9a-f]{14,18}",
    ) {
        let mut map = HeaderMap::new();
        for (name, value) in [
            ("traceparent", &w3c), ("b3", &single), ("x-b3-traceid", &trace), ("x-b3-spanid", &span),
        ] {
            if let Ok(value) = http::HeaderValue::from_bytes(value.as_bytes()) {
                map.insert(name, value);
            }
        }
        if let Some(context) = Parent::of(&map).context {
            prop_assert_ne!(context.trace_id, [0; 16]);
            prop_assert_ne!(context.span_id, [0; 8]);
        }
    }

    #[test]
    fn every_valid_traceparent_is_read_back(trace in 1_u128.., span in 1_u64.., flags: u8) {
        let text = format!("00-{trace:032x}-{span:016x}-{flags:02x}");
        let found = of(&[("traceparent", &text)]);
        let context = Context { trace_id: trace.to_be_bytes(), span_id: span.to_be_bytes() };
        prop_assert_eq!(found, Parent { context: Some(context), sampled: Some(flags & 1 == 1) });
    }
}
