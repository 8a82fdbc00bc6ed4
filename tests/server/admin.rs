//! The admin port.

use std::{
    io::Read as _,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use flate2::read::GzDecoder;
use portcullis::{app::App, ready::Ready, telemetry::Metrics};

use crate::support::{Running, check_service, client, config, soon, tcp, views_with_bundles};

const JSON: &str = "application/json";

#[tokio::test]
async fn every_endpoint_answers_as_documented() {
    let server = Running::start(|_| ()).await;
    let metrics = "text/plain; version=0.0.4; charset=utf-8";
    for (path, expected) in [
        ("/livez", (200, "text/plain; charset=utf-8", "ok\n")),
        ("/readyz", (200, JSON, r#"{"ready":true}"#)),
        ("/metrics", (200, metrics, "")),
        ("/version", (200, JSON, r#"{"version":"0.0.0"}"#)),
        ("/config", (200, JSON, r#"{"listen":":9191"}"#)),
        ("/policy", (200, JSON, r#"{"revision":"r1"}"#)),
        ("/nothing", (404, "", "")),
    ] {
        let (status, content_type, body) = soon(client::get(server.admin, path)).await;
        assert_eq!(
            (status, content_type.as_str(), body.as_str()),
            expected,
            "{path}"
        );
    }
}

#[tokio::test]
async fn metrics_come_in_the_format_and_encoding_that_is_asked_for() {
    let server = Running::start(|_| ()).await;
    let openmetrics = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    let plain = "text/plain; version=0.0.4; charset=utf-8";
    for (asked, media_type, encoding, text) in [
        (&[][..], plain, None, ""),
        (
            &[("accept", "application/openmetrics-text")],
            openmetrics,
            None,
            "# EOF\n",
        ),
        (&[("accept-encoding", "gzip")], plain, Some("gzip"), ""),
        (
            &[
                ("accept", "application/openmetrics-text"),
                ("accept-encoding", "gzip"),
            ],
            openmetrics,
            Some("gzip"),
            "# EOF\n",
        ),
    ] {
        let (headers, body) = soon(client::get_with(server.admin, "/metrics", asked)).await;
        assert_eq!(headers["content-type"], media_type, "{asked:?}");
        let told = headers
            .get("content-encoding")
            .map(|value| value.to_str().unwrap());
        assert_eq!(told, encoding, "{asked:?}");
        let mut read = String::new();
        match encoding {
            Some(_) => GzDecoder::new(&*body).read_to_string(&mut read).unwrap(),
            None => body.as_ref().read_to_string(&mut read).unwrap(),
        };
        assert_eq!(read, text, "{asked:?}");
    }
}

#[tokio::test]
async fn health_answers_as_opa_does() {
    let active = Arc::new(AtomicBool::new(true));
    let views = views_with_bundles(Ready::new(), Arc::clone(&active));
    let (config, metrics) = (config(), Arc::new(Metrics::new(None)));
    let app = App::start(&config, views, metrics).await.unwrap();
    let admin = tcp(app.admin());
    let healthy = (200, "{}");
    let bundles = (500, r#"{"error":"one or more bundles are not activated"}"#);
    let plugins = (500, r#"{"error":"one or more plugins are not up"}"#);
    for (path, down) in [
        ("/health", healthy),
        ("/health?bundles", bundles),
        ("/health?bundle=true", bundles),
        ("/health?bundles=TRUE", bundles),
        ("/health?bundles=false", healthy),
        ("/health?bundles=false&bundles=true", bundles),
        ("/health?bundles=1", healthy),
        ("/health?plugins", plugins),
        ("/health?plugins=", plugins),
        ("/health?bundles&plugins", bundles),
        ("/health?plugins&exclude-plugin=bundle", healthy),
        (
            "/health?plugins&exclude-plugin=status&exclude-plugin=bundle",
            healthy,
        ),
        ("/health?plugins&exclude-plugin=status", plugins),
        ("/health?bundles&exclude-plugin=bundle", bundles),
    ] {
        for (up, expected) in [(true, healthy), (false, down)] {
            active.store(up, Ordering::SeqCst);
            let (status, content_type, body) = soon(client::get(admin, path)).await;
            assert_eq!((status, body.as_str()), expected, "{path} {up}");
            assert_eq!(content_type, JSON, "{path} {up}");
        }
    }
}

#[tokio::test]
async fn readyz_names_what_is_pending_before_the_grpc_port_opens() {
    let ready = Ready::new();
    let policy = ready.register("policy");
    let active = Arc::new(AtomicBool::new(true));
    let views = views_with_bundles(ready.clone(), active);
    let (config, metrics) = (config(), Arc::new(Metrics::new(None)));
    let app = App::start(&config, views, Arc::clone(&metrics))
        .await
        .unwrap();
    let admin = tcp(app.admin());
    let readyz = async || {
        let (status, _, body) = soon(client::get(admin, "/readyz")).await;
        (status, body)
    };
    let pending = |names: &str| (503, format!(r#"{{"pending":[{names}],"ready":false}}"#));
    assert_eq!(readyz().await, pending(r#""listener","policy""#));
    policy.done();
    assert_eq!(readyz().await, pending(r#""listener""#));
    let _bound = app.listen(check_service(&config, &metrics)).await.unwrap();
    assert_eq!(readyz().await, (200, r#"{"ready":true}"#.to_owned()));
    ready.drain();
    let draining = r#"{"draining":true,"ready":false}"#.to_owned();
    assert_eq!(readyz().await, (503, draining));
}
