//! `everything.yaml`: a file with every key of ours and of opa-envoy's plugin.

use std::{collections::BTreeSet, fs, path::Path, time::Duration};

use portcullis::{
    config::{
        Admin, Admission, AllowedCaller, Config, EvaluationLimits, Http2, Identity, Isolation,
        ListenAddr, Log, Observe, ObserveAddr, Plugin, Portcullis, ProcessMemory, Shutdown,
        Telemetry, Tls,
    },
    http_send::{BreakerOptions, Options as HttpSend, Origin},
    identity::Xfcc,
    input::Encoding,
    observe::Keep,
    response::OnError,
    services::Service,
    status::Options,
    telemetry::{
        log::{Format, Level},
        recorder,
    },
};

use serde_json::Value;

use super::{
    bundles, decision_logs, discovery, distributed_tracing, fixture, jwt, load_file, path, services,
};

#[test]
fn every_key_arrives_where_it_belongs() {
    let config = everything();
    assert_eq!(config.plugin, every_plugin_key());
    assert_eq!(config.portcullis, every_key_of_ours());
    let services: Vec<Service> = config.services.iter().map(|one| (**one).clone()).collect();
    assert_eq!(services, services::every_service());
    assert_eq!(config.bundles, bundles::every_bundle(&config));
    assert_eq!(config.discovery, Some(discovery::every_key(&config)));
    let status = Options {
        service: Some(bundles::service(&config, "mutual")),
        partition: "edge/1".to_owned(),
        console: true,
        prometheus: true,
    };
    assert_eq!(config.status, Some(status));
    assert_eq!(
        config.decision_logs,
        Some(decision_logs::every_key(&config))
    );
    let traces = config.distributed_tracing.as_ref();
    assert_eq!(traces, Some(&distributed_tracing::every_key()));
    assert_eq!(config.labels["pod"], "authz-0");
    let kept = config.persistence_directory.as_deref();
    assert_eq!(kept, Some(Path::new("/var/lib/portcullis")));
    assert_eq!(
        config.warnings,
        [
            "these keys have no effect in this version: \
             `plugins.envoy_ext_authz_grpc.grpc-max-send-msg-size`",
            "`plugins.envoy_ext_authz_grpc.dry-run` is on: every request is let through",
            "`distributed_tracing.allow_insecure_tls` is on: whoever answers is believed",
            "`distributed_tracing.batch_span_processor_options.blocking` has no effect: no check waits \
             for a collector",
            "bundle `authz`: its order (`monotonic`) is forgotten at a restart without `persist`",
        ]
    );
    let shown = config.redacted();
    assert_eq!(shown["labels"]["pod"], "authz-0");
    assert!(!shown.to_string().contains("t0ken"));
}

fn everything() -> Config {
    let env = [
        ("POD_NAME", "authz-0"),
        ("BUNDLE_TOKEN", "t0ken"),
        ("JWT_SECRET", "t0ken of at least thirty-two bytes"),
        ("AWS_ACCESS_KEY_ID", "AKIA"),
        ("AWS_SECRET_ACCESS_KEY", "t0ken"),
        ("AWS_REGION", "eu-north-1"),
        ("AWS_ROLE_ARN", "arn:gate"),
        ("AWS_WEB_IDENTITY_TOKEN_FILE", "/aws/token"),
    ];
    load_file(&fixture("everything.yaml"), &env).unwrap()
}

/// Every key of the sections of OPA that are read here, and of `portcullis.bundles`, is documented.
#[test]
fn every_key_about_bundles_is_in_the_documentation() {
    let docs = fs::read_to_string("docs/configuration.md").unwrap();
    let file = fs::read_to_string(fixture("everything.yaml")).unwrap();
    let file: Value = yaml_serde::from_str(&file).unwrap();
    let mut keys = BTreeSet::new();
    for section in ["services", "bundles", "keys"] {
        file[section]
            .as_object()
            .unwrap()
            .values()
            .for_each(|entry| collect(entry, &mut keys));
    }
    for section in [
        &file["discovery"],
        &file["status"],
        &file["decision_logs"],
        &file["distributed_tracing"],
        &file["portcullis"]["bundles"],
        &file["portcullis"]["decision_logs"],
        &file["portcullis"]["telemetry"],
    ] {
        collect(section, &mut keys);
    }
    let free = ["X-Tenant", "X-Realm", "audience", "authz", "x-api-key"];
    let known = |key: &&str| {
        let forms = [
            format!("`{key}`"),
            format!(".{key}`"),
            format!("`{key}."),
            format!(".{key}."),
        ];
        free.contains(key) || forms.iter().any(|form| docs.contains(form))
    };
    let left_out: Vec<&str> = keys
        .iter()
        .map(String::as_str)
        .filter(|key| !known(key))
        .collect();
    assert_eq!(left_out, Vec::<&str>::new());
    assert!(keys.len() > 50, "{keys:?}");
}

/// Every key of `portcullis.observe` is documented, those of its `tls` by reference.
#[test]
fn every_key_about_observing_is_in_the_documentation() {
    let docs = fs::read_to_string("docs/configuration.md").unwrap();
    let (_, section) = docs.split_once("`portcullis.observe`:").unwrap();
    let section = section.split("\n`portcullis.").next().unwrap();
    let file = fs::read_to_string(fixture("everything.yaml")).unwrap();
    let file: Value = yaml_serde::from_str(&file).unwrap();
    let keys = file["portcullis"]["observe"].as_object().unwrap();
    assert_eq!(keys.len(), 4);
    for key in keys.keys() {
        assert!(section.contains(&format!("| `{key}` |")), "{key}");
    }
}

fn collect(value: &Value, keys: &mut BTreeSet<String>) {
    for (key, value) in value.as_object().into_iter().flatten() {
        keys.insert(key.clone());
        collect(value, keys);
    }
}

fn every_plugin_key() -> Plugin {
    Plugin {
        addr: ListenAddr::Unix("/run/authz.sock".into()),
        entrypoint: path(&["authz", "commerce", "allow"]),
        dry_run: true,
        enable_reflection: true,
        proto_descriptor: Some("/descriptors/shop.pb".into()),
        max_recv_msg_size: 1_048_576,
        max_send_msg_size: Some(65_536),
        skip_request_body_parse: true,
        enable_performance_metrics: true,
        request_duration_buckets: vec![0.001, 0.01, 1.0],
    }
}

fn every_limit() -> EvaluationLimits {
    EvaluationLimits {
        memory: 33_554_432,
        process_memory: ProcessMemory::Bytes(268_435_456),
        instructions: 50_000,
    }
}

fn every_key_of_ours() -> Portcullis {
    Portcullis {
        budget: Duration::from_millis(1500),
        reply_margin: Duration::from_millis(10),
        on_error: OnError::ErrorResponse,
        input_encoding: Encoding::ProtoJson,
        lenient_query: true,
        strict_builtin_errors: true,
        v0_compatible: true,
        watch: true,
        decision_id_header: Some("x-decision-id".parse().unwrap()),
        reason_header: Some("x-decision-reason".parse().unwrap()),
        admin: Admin {
            addr: ListenAddr::Tcp {
                host: "127.0.0.1".to_owned(),
                port: 8383,
            },
        },
        tls: Some(tls()),
        identity: Identity {
            xfcc: Xfcc::Trusted,
        },
        jwt: jwt::every_key(),
        admission: Admission {
            max_in_flight: 64,
            retry_after: Duration::from_secs(2),
        },
        isolation: Isolation {
            slice: Some(Duration::from_millis(2)),
            threads: 3,
            queue: 12,
        },
        limits: every_limit(),
        http_send: http_send(),
        bundles: bundles::every_wish(),
        decision_logs: decision_logs::every_key_of_ours(),
        telemetry: Telemetry {
            queue: recorder::Options {
                records: 1024,
                bytes: 1_048_576,
            },
        },
        http2: http2(),
        observe: observe(),
        shutdown: Shutdown {
            grace: Duration::ZERO,
            drain_timeout: Duration::from_mins(1),
        },
        log: Log {
            level: Level::Debug,
            format: Format::Text,
        },
    }
}

fn tls() -> Tls {
    Tls {
        cert_file: "/tls/tls.crt".into(),
        key_file: "/tls/tls.key".into(),
        client_ca_file: Some("/tls/ca.crt".into()),
        allowed_callers: Some(vec![
            AllowedCaller::Id(
                "spiffe://cluster.local/ns/istio-system/sa/istio-ingressgateway".to_owned(),
            ),
            AllowedCaller::Below("spiffe://cluster.local/ns/commerce/".to_owned()),
        ]),
        reload_interval: Duration::from_secs(30),
    }
}

fn observe() -> Observe {
    Observe {
        addr: ObserveAddr::At("0.0.0.0:9393".parse().unwrap()),
        capacity: 256,
        record: Keep::Refused,
        tls: Some(Tls {
            cert_file: "/observe/tls.crt".into(),
            key_file: "/observe/tls.key".into(),
            client_ca_file: Some("/observe/ca.crt".into()),
            allowed_callers: Some(vec![AllowedCaller::Below(
                "spiffe://cluster.local/ns/ops/".to_owned(),
            )]),
            reload_interval: Duration::from_mins(1),
        }),
    }
}

fn http2() -> Http2 {
    Http2 {
        max_connections: 512,
        max_concurrent_streams: 100,
        initial_stream_window_size: 131_072,
        initial_connection_window_size: 262_144,
        max_frame_size: 32_768,
        max_header_list_size: 8192,
        keepalive_interval: Duration::from_secs(15),
        keepalive_timeout: Duration::from_secs(5),
        max_connection_age: Some(Duration::from_mins(30)),
    }
}

fn http_send() -> HttpSend {
    HttpSend {
        allow: [
            "http://127.0.0.1:9000",
            "http://opa.internal",
            "https://127.0.0.1:9000",
            "https://opa.internal",
            "https://users.internal:8443",
        ]
        .iter()
        .flat_map(|entry| Origin::of_entry(entry).unwrap())
        .collect(),
        timeout: Duration::from_millis(750),
        max_response_bytes: 65_536,
        max_request_bytes: 4096,
        max_in_flight: 32,
        max_in_flight_per_host: 8,
        cache_bytes: 1_048_576,
        stale_if_error: Some(Duration::from_mins(2)),
        breaker: BreakerOptions {
            failures: 3,
            delay: Duration::from_millis(500),
        },
        tls_files: vec!["/tls/internal-ca.crt".into()],
    }
}
