//! `distributed_tracing`: OPA's keys and defaults, and what is said about mistakes.

use std::time::Duration;

use http::{HeaderMap, HeaderValue};
use portcullis::{
    redact::Secret,
    traces::{
        Options,
        otlp::{self, Batch, Protocol, Tls},
    },
};

use super::yaml;

/// What `everything.yaml` says.
pub(crate) fn every_key() -> Options {
    let mut headers = HeaderMap::new();
    headers.insert("x-tenant", HeaderValue::from_static("t0ken"));
    let resource = [
        ("service.name", "edge"),
        ("service.instance.id", "authz-0"),
        ("service.namespace", "mesh"),
        ("deployment.environment", "test"),
        ("service.version", "7"),
    ];
    Options {
        collector: otlp::Options {
            protocol: Protocol::Http,
            address: "collector.observability:4318".to_owned(),
            tls: Some(Tls {
                authorities: Some("/otel/ca.crt".into()),
                identity: Some(("/otel/tls.crt".into(), "/otel/tls.key".into())),
                insecure: true,
            }),
            headers: Secret::new(headers),
            gzip: true,
            resource: resource
                .map(|(name, value)| (name, value.to_owned()))
                .into(),
            batch: Batch {
                size: 64,
                delay: Duration::from_secs(1),
                timeout: Duration::from_secs(2),
                queue: 1024,
            },
        },
        ratio: 0.125,
    }
}

fn section(text: &str) -> Result<Option<Options>, String> {
    let config = yaml(&format!("distributed_tracing: {text}\n"))?;
    Ok(config.distributed_tracing)
}

fn collector(text: &str) -> otlp::Options {
    section(text).unwrap().unwrap().collector
}

#[test]
fn the_defaults_are_those_of_opa() {
    let options = section("{type: grpc}").unwrap().unwrap();
    assert!((options.ratio - 1.0).abs() < f64::EPSILON);
    let collector = options.collector;
    assert_eq!(collector.protocol, Protocol::Grpc);
    assert_eq!(collector.address, "localhost:4317");
    assert_eq!(collector.tls, None);
    assert!(!collector.gzip && collector.headers.expose().is_empty());
    assert_eq!(collector.resource[0], ("service.name", "opa".to_owned()));
    let batch = collector.batch;
    assert_eq!((batch.size, batch.queue), (512, 2048));
    let seconds = Duration::from_secs;
    assert_eq!((batch.delay, batch.timeout), (seconds(5), seconds(30)));
    assert_eq!(yaml("{}").unwrap().distributed_tracing, None);
}

#[test]
fn empty_text_is_no_key_as_in_opa() {
    let empty = collector(
        "{type: http, address: '', service_name: '', encryption: '', tls_ca_cert_file: '', tls_cert_file: ''}",
    );
    assert_eq!(empty, collector("{type: http}"));
    assert_eq!(empty.address, "localhost:4318");
}

#[test]
fn without_a_type_nothing_is_sent_and_that_is_said() {
    for text in ["{address: 'a:1'}", "{type: '', address: 'a:1'}"] {
        let config = yaml(&format!("distributed_tracing: {text}\n")).unwrap();
        assert_eq!(config.distributed_tracing, None);
        assert!(config.warnings[0].starts_with("`distributed_tracing.type` is missing"));
    }
    assert!(
        yaml("distributed_tracing: {type: grpc}")
            .unwrap()
            .warnings
            .is_empty()
    );
}

#[test]
fn a_certificate_is_used_with_mtls_alone_and_what_has_no_effect_is_named() {
    let files = "tls_cert_file: c, tls_private_key_file: k, tls_ca_cert_file: a";
    for (encryption, identity, warnings) in
        [("mtls", true, 0), ("tls", false, 1), ("off", false, 2)]
    {
        let text =
            format!("distributed_tracing: {{type: grpc, encryption: {encryption}, {files}}}");
        let config = yaml(&text).unwrap();
        assert_eq!(config.warnings.len(), warnings, "{:?}", config.warnings);
        let tls = config.distributed_tracing.unwrap().collector.tls;
        assert_eq!(tls.is_some(), encryption != "off");
        assert_eq!(tls.is_some_and(|tls| tls.identity.is_some()), identity);
    }
}

#[test]
fn a_batch_is_no_larger_than_the_queue() {
    let text = "{type: grpc, batch_span_processor_options: {max_queue_size: 10}}";
    let batch = collector(text).batch;
    assert_eq!((batch.size, batch.queue), (10, 10));
}

#[test]
fn every_form_of_host_and_port_is_an_address() {
    for address in [
        "a:1",
        "collector.observability.svc:4317",
        "10.0.0.1:4317",
        "[::1]:4317",
    ] {
        let text = format!("{{type: grpc, address: '{address}'}}");
        assert_eq!(collector(&text).address, address);
    }
}

fn fails(text: &str, problem: &str) {
    let problems = section(text).map(|read| format!("{read:?}"));
    assert!(
        problems.as_ref().is_err_and(|told| told.contains(problem)),
        "{text}: {problems:?}"
    );
}

#[test]
fn mistakes_about_the_collector_are_named_with_their_place() {
    for (text, problem) in [
        (
            "{type: zipkin}",
            "distributed_tracing.type: `zipkin` must be one of",
        ),
        ("{type: 1}", "distributed_tracing.type: must be text"),
        (
            "{type: grpc, address: a}",
            "distributed_tracing.address: `a` is not `host:port`",
        ),
        (
            "{type: grpc, address: 'http://a:1'}",
            "address: `http://a:1` is not",
        ),
        ("{type: grpc, address: 'a:1/x'}", "address: `a:1/x` is not"),
        (
            "{type: grpc, address: 'u@a:1'}",
            "distributed_tracing.address: ",
        ),
        (
            "{type: grpc, address: ':1'}",
            "distributed_tracing.address: ",
        ),
        (
            "{type: grpc, address: 'a:99999'}",
            "distributed_tracing.address: ",
        ),
        (
            "{type: grpc, sample_percentage: 101}",
            "sample_percentage: `101` must be",
        ),
        (
            "{type: grpc, sample_percentage: -1}",
            "sample_percentage: `-1` must be",
        ),
        (
            "{type: grpc, sample_percentage: all}",
            "sample_percentage: must be a number",
        ),
        (
            "{type: grpc, encryption: on}",
            "distributed_tracing.encryption: `on` must",
        ),
        (
            "{type: grpc, encryption: mtls}",
            "distributed_tracing.encryption: needs `tls_cert_file`",
        ),
        (
            "{type: grpc, encryption: mtls, tls_cert_file: a}",
            "tls_cert_file: needs `tls_private_key_file`",
        ),
        (
            "{type: grpc, tls_private_key_file: a}",
            "tls_private_key_file: needs `tls_cert_file`",
        ),
    ] {
        fails(text, problem);
    }
}

#[test]
fn mistakes_about_what_is_sent_are_named_with_their_place() {
    for (text, problem) in [
        (
            "{type: grpc, headers: {grpc-timeout: 1S}}",
            "headers.grpc-timeout: is a header of",
        ),
        (
            "{type: grpc, headers: {Content-Type: a}}",
            "headers.Content-Type: is a header of",
        ),
        (
            "{type: grpc, headers: {'a b': c}}",
            "is not the name of a header",
        ),
        (
            "{type: grpc, headers: {a: \"b\\n\"}}",
            "headers.a: is not the value of a header",
        ),
        (
            "{type: grpc, resource: {service_nme: a}}",
            "distributed_tracing.resource.service_nme",
        ),
        (
            "{type: grpc, compression: zstd}",
            "distributed_tracing.compression: `zstd`",
        ),
        (
            "{type: grpc, batch_span_processor_options: {max_queue_size: 0}}",
            "max_queue_size: `0` must be",
        ),
        (
            "{type: grpc, batch_span_processor_options: {batch_timeout_ms: 0}}",
            "batch_timeout_ms: `0` must be",
        ),
    ] {
        fails(text, problem);
    }
}

#[test]
fn the_headers_are_no_ones_to_see() {
    let config = yaml("distributed_tracing: {type: grpc, headers: {x-key: t0ken}}").unwrap();
    assert!(!format!("{config:?}").contains("t0ken"));
    assert!(!config.redacted().to_string().contains("t0ken"));
}
