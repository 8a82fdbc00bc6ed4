//! `everything.yaml`: a file with every key of ours and of opa-envoy's plugin.

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use portcullis::{
    config::{
        Admin, Admission, AllowedCaller, EvaluationLimits, Http2, Identity, Isolation, ListenAddr,
        Log, Plugin, Portcullis, ProcessMemory, Shutdown, Tls,
    },
    http_send::{BreakerOptions, Options as HttpSend, Origin},
    identity::Xfcc,
    input::Encoding,
    response::OnError,
    telemetry::log::{Format, Level},
};

use super::{fixture, jwt, load_file, path};

#[test]
fn every_key_arrives_where_it_belongs() {
    let env = [
        ("POD_NAME", "authz-0"),
        ("BUNDLE_TOKEN", "t0ken"),
        ("JWT_SECRET", "t0ken of at least thirty-two bytes"),
    ];
    let config = load_file(&fixture("everything.yaml"), &env).unwrap();
    assert_eq!(config.plugin, every_plugin_key());
    assert_eq!(config.portcullis, every_key_of_ours());
    assert_eq!(config.bundles, [PathBuf::from("/policies/bundle.tar.gz")]);
    let kept = config.persistence_directory.as_deref();
    assert_eq!(kept, Some(Path::new("/var/lib/portcullis")));
    assert_eq!(
        config.warnings,
        [
            "these keys have no effect in this version: `services`, `labels`, \
             `plugins.envoy_ext_authz_grpc.grpc-max-send-msg-size`",
            "`plugins.envoy_ext_authz_grpc.dry-run` is on: every request is let through",
        ]
    );
    let shown = config.redacted();
    assert_eq!(shown["labels"]["pod"], "authz-0");
    assert!(!shown.to_string().contains("t0ken"));
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
        tls: Some(Tls {
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
        }),
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
        http2: http2(),
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
