//! Both text formats, read strictly.

use super::{
    everything::{everything, shown},
    parsed::{Format, parse},
    *,
};
use crate::telemetry::decision_log::Sink;

#[test]
fn both_formats_are_well_formed_and_have_the_same_samples() {
    let metrics = Metrics::new(Some(&PERFORMANCE_BUCKETS)).with_decision_log(&Sink::ALL);
    record(&metrics, &decided(true), None);
    let text = metrics.encode();
    let openmetrics = parse(&text, Format::OpenMetrics);
    let prometheus = parse(&exposition::prometheus(&text), Format::Prometheus);
    assert_eq!(openmetrics.len(), prometheus.len());
    for (name, family) in openmetrics {
        let (name, kind) = match family.kind.as_str() {
            "counter" => (format!("{name}_total"), "counter"),
            "unknown" => (name, "untyped"),
            kind => (name, kind),
        };
        let other = &prometheus[&name];
        assert_eq!(other.kind, kind, "{name}");
        let lines = |samples: &[parsed::Sample]| {
            let lines = samples.iter().map(|sample| format!("{sample:?}"));
            lines.collect::<Vec<_>>()
        };
        assert_eq!(lines(&other.samples), lines(&family.samples), "{name}");
    }
}

#[test]
fn what_a_label_value_says_does_not_end_a_line() {
    let metrics = Metrics::new(None);
    let revision = "a\"b\\c\n# TYPE x counter {y} 1";
    metrics.policy_activated(revision, Engine::Rvm, Duration::ZERO);
    let shown = shown(&metrics);
    assert_eq!(
        shown["portcullis_policy_info"].samples[0].labels["revision"],
        revision
    );
    assert!(!shown.contains_key("x"));
}

#[test]
fn units_and_the_end_belong_to_openmetrics_only() {
    let openmetrics = "# HELP a_seconds Help  me.\n# TYPE a_seconds gauge\n# UNIT a_seconds seconds\n\
        a_seconds 1.5\n# HELP b B.\n# TYPE b counter\nb_total{c=\"# d\"} 1\n# EOF\n";
    assert_eq!(
        exposition::prometheus(openmetrics),
        "# HELP a_seconds Help  me.\n# TYPE a_seconds gauge\na_seconds 1.5\n\
         # HELP b_total B.\n# TYPE b_total counter\nb_total{c=\"# d\"} 1\n"
    );
    assert_eq!(exposition::prometheus("# EOF\n"), "");
}

#[test]
fn the_bounds_of_our_durations_are_powers_of_two() {
    let all = everything();
    let samples = &all["portcullis_check_duration_seconds"].samples;
    let mut bounds: Vec<f64> = samples
        .iter()
        .filter_map(|sample| sample.labels.get("le")?.parse().ok())
        .filter(|bound: &f64| bound.is_finite())
        .collect();
    bounds.sort_by(f64::total_cmp);
    bounds.dedup();
    assert_eq!((bounds[0], bounds[17]), (2.0_f64.powi(-17), 1.0));
    assert_eq!(bounds.len(), 18);
    for bound in bounds {
        assert_eq!(bound.to_bits() << 12, 0, "{bound} has a fraction");
    }
}

#[test]
fn the_process_tells_what_it_uses() {
    let shown = shown(&Metrics::new(None));
    let value = |name: &str| shown[name].samples[0].value;
    let memory = value("process_resident_memory_bytes");
    assert!((1e6..=value("process_virtual_memory_bytes")).contains(&memory));
    assert!(value("process_threads") >= 1.0);
    assert!((3.0..=value("process_max_fds")).contains(&value("process_open_fds")));
    assert!(value("process_cpu_seconds_total") < 1e6);
    let now = crate::clock::Clock::System.now().unix.as_secs_f64();
    let age = now - value("process_start_time_seconds");
    assert!((-5.0..86_400.0).contains(&age), "{age}");
}
