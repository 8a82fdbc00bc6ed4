//! What is never sent, and what is said about it.

use std::{net::SocketAddr, sync::Arc};

use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use serde_json::{Value, json};

use crate::{
    Sender,
    backend::{Answer, Backend, text},
    get, get_with,
};

#[tokio::test]
async fn nothing_is_allowed_unless_it_is_named() {
    let backend = Backend::start(text("")).await;
    let url = backend.url("/?token=s3cret");
    let nowhere = Sender::to(&[]);
    let error = nowhere.send(get(&url)).await.unwrap_err();
    let origin = backend.origin();
    assert_eq!(
        error,
        format!(
            "`{origin}` is not allowed: add it to `portcullis.http_send.allow` if policies may send there"
        )
    );
    assert_eq!(backend.count(), 0);
    assert_eq!(nowhere.count("refused"), 1);
    let allowed = Sender::to(&[&origin]);
    assert!(allowed.send(get(&url)).await.is_ok());
}

#[tokio::test]
async fn only_the_very_origin_is_allowed() {
    let backend = Backend::start(text("here")).await;
    let port = backend.address.port();
    let sender = Sender::to(&[&format!("http://127.0.0.1:{port}")]);
    for same in [
        format!("http://127.0.0.1:{port}/a/../b"),
        format!("HTTP://127.0.0.1:{port}"),
        format!("http://0x7f000001:{port}/"),
        format!("http://127.1:{port}/"),
        format!("http://2130706433:{port}/"),
        format!("http://0177.0.0.1:{port}/"),
    ] {
        assert_eq!(sender.body(get(&same)).await, "here", "{same}");
    }
    for other in [
        format!("https://127.0.0.1:{port}/"),
        "http://127.0.0.1/".to_owned(),
        format!("http://127.0.0.2:{port}/"),
        format!("http://localhost:{port}/"),
        format!("http://127.0.0.1.example.com:{port}/"),
        format!("http://[::ffff:127.0.0.1]:{port}/"),
    ] {
        let error = sender.send(get(&other)).await.unwrap_err();
        assert!(error.contains("is not allowed: add it"), "{other}: {error}");
    }
}

#[tokio::test]
async fn names_are_compared_as_they_are_resolved() {
    let backend = Backend::start(text("here")).await;
    let port = backend.address.port();
    let to_backend = Arc::new(To(vec!["127.0.0.1"]));
    let sender = Sender::resolving(&[&format!("http://API.Example.com:{port}")], to_backend);
    for same in [
        "api.example.com",
        "API.EXAMPLE.COM",
        "api.ex%61mple.com",
        "ａpi.example.com",
    ] {
        assert_eq!(
            sender.body(get(&format!("http://{same}:{port}/"))).await,
            "here",
            "{same}"
        );
    }
    for other in [
        "api.example.com.",
        "xapi.example.com",
        "example.com",
        "api.example.com.evil",
    ] {
        let error = sender
            .send(get(&format!("http://{other}:{port}/")))
            .await
            .unwrap_err();
        assert!(error.contains("is not allowed: add it"), "{other}: {error}");
    }
}

#[tokio::test]
async fn what_hides_the_host_is_no_url() {
    let sender = Sender::to(&["allowed.example", "127.0.0.1"]);
    for url in [
        "http://allowed.example@127.0.0.1/",
        "http://allowed.example:80@127.0.0.1/",
        "http://@allowed.example/",
        "http:allowed.example/",
        "http:/allowed.example/",
        "http:\\\\allowed.example/",
        "http://allowed.example\\@127.0.0.1/",
        " http://allowed.example/",
        "http://allowed.example/\n",
        "http://allowed\t.example/",
        "//allowed.example/",
        "/",
        "",
        "http://",
        "unix://allowed.example/?socket=%2Fvar%2Frun%2Fdocker.sock",
        "file:///etc/passwd",
        "ftp://allowed.example/",
        "http://allowed.example:99999/",
        "http://allowed.example%2f/",
    ] {
        let error = sender.send(get(url)).await.unwrap_err();
        let refused = error.contains("is not an absolute") || error.contains("user information");
        assert!(refused, "{url}: {error}");
    }
    assert_eq!(sender.count("invalid"), 19);
}

#[tokio::test]
async fn metadata_addresses_are_never_sent_to_however_they_are_written() {
    let sender = Sender::to(&["allowed.example"]);
    for host in [
        "169.254.169.254",
        "169.254.169.254.",
        "2852039166",
        "0xa9fea9fe",
        "0xA9.0xFE.0xA9.0xFE",
        "0251.0376.0251.0376",
        "169.254.43518",
        "169.16689662",
        "１６９.254.169.254",
        "%31%36%39.254.169.254",
        "[::ffff:169.254.169.254]",
        "[::ffff:a9fe:a9fe]",
        "[0:0:0:0:0:ffff:a9fe:a9fe]",
        "[64:ff9b::a9fe:a9fe]",
        "[2002:a9fe:a9fe::]",
        "[fe80::1]",
        "[fd00:ec2::254]",
        "[::]",
        "0.0.0.0",
        "0",
        "100.100.100.200",
    ] {
        let error = sender
            .send(get(&format!("http://{host}/latest/")))
            .await
            .unwrap_err();
        assert!(error.contains("never allowed"), "{host}: {error}");
    }
}

/// Resolves every name to these.
struct To(Vec<&'static str>);

impl Resolve for To {
    fn resolve(&self, _name: Name) -> Resolving {
        let address = |text: &&str| SocketAddr::new(text.parse().unwrap(), 0);
        let found: Vec<SocketAddr> = self.0.iter().map(address).collect();
        Box::pin(async move {
            let addresses: Addrs = Box::new(found.into_iter());
            Ok(addresses)
        })
    }
}

#[tokio::test]
async fn an_allowed_name_that_resolves_to_metadata_is_not_sent_to() {
    for found in [
        vec!["169.254.169.254"],
        vec!["::ffff:169.254.169.254"],
        vec!["fe80::1", "0.0.0.0"],
        vec!["fd00:ec2::254"],
    ] {
        let sender = Sender::resolving(&["api.example.com"], Arc::new(To(found.clone())));
        let error = sender
            .send(get("http://api.example.com/"))
            .await
            .unwrap_err();
        assert!(error.contains("never allowed"), "{found:?}: {error}");
        assert_eq!(sender.count("refused"), 1);
    }
    // Of several addresses the others are used.
    let backend = Backend::start(text("here")).await;
    let port = backend.address.port();
    let mixed = Arc::new(To(vec!["169.254.169.254", "127.0.0.1"]));
    let sender = Sender::resolving(&[&format!("api.example.com:{port}")], mixed);
    let url = format!("http://api.example.com:{port}/");
    assert_eq!(sender.body(get(&url)).await, "here");
    assert_eq!(
        backend.seen()[0].header("host"),
        Some(&*format!("api.example.com:{port}"))
    );
}

#[tokio::test]
async fn a_redirect_to_metadata_is_not_followed() {
    let metadata = "http://169.254.169.254/latest/meta-data/";
    let backend = Backend::start(text("").status(307).with("location", metadata)).await;
    let sender = Sender::to(&[&backend.origin()]);
    let response = sender.send(get(&backend.url("/"))).await.unwrap();
    assert_eq!(response["status_code"], 307);
    let asked = get_with(&backend.url("/"), json!({"enable_redirect": true}));
    assert!(sender.send(asked).await.is_err());
    assert_eq!(backend.count(), 2);
}

#[tokio::test]
async fn the_host_header_is_that_of_the_url() {
    let backend = Backend::start(text("here")).await;
    let port = backend.address.port();
    let sender = Sender::to(&[&backend.origin()]);
    let with = |host: &str| get_with(&backend.url("/"), json!({"headers": {"Host": host}}));
    assert_eq!(
        sender.body(with(&format!("127.0.0.1:{port}"))).await,
        "here"
    );
    for other in [
        "other.example",
        "127.0.0.1",
        &format!("127.0.0.1:{port}0"),
        "",
    ] {
        let error = sender.send(with(other)).await.unwrap_err();
        assert!(
            error.contains("the header `host` must be that of the URL"),
            "{other}: {error}"
        );
    }
    assert_eq!(backend.count(), 1);
}

/// Request objects that are none, and what is said.
#[expect(clippy::too_many_lines, reason = "a table")]
fn wrongs(url: &str) -> Vec<(Value, &'static str)> {
    let with = |more: Value| get_with(url, more);
    vec![
        (json!("GET"), "must be an object"),
        (
            json!({"url": url}),
            "missing required request parameter `method`",
        ),
        (
            json!({"method": "GET"}),
            "missing required request parameter `url`",
        ),
        (
            with(json!({"follow": true})),
            "unknown request parameter \"follow\"",
        ),
        (
            with(json!({"method": 1})),
            "`method` must be a string, not a number",
        ),
        (with(json!({"method": "G T"})), "`method` is not a method"),
        (
            with(json!({"method": "CONNECT"})),
            "the method CONNECT is refused",
        ),
        (
            with(json!({"url": null})),
            "`url` must be a string, not null",
        ),
        (with(json!({"headers": []})), "`headers` must be an object"),
        (with(json!({"headers": {"a": 1}})), "must have strings"),
        (with(json!({"headers": {"a": ["b"]}})), "must have strings"),
        (
            with(json!({"headers": {"a b": "c"}})),
            "a name that is none",
        ),
        (
            with(json!({"headers": {"a": "b\r\nc: d"}})),
            "a value for `a` that is none",
        ),
        (
            with(json!({"headers": {"a": "x".repeat(70_000)}})),
            "more than 65536 bytes",
        ),
        (
            with(json!({"raw_body": {}})),
            "`raw_body` must be a string, not an object",
        ),
        (
            with(json!({"raw_body": "x".repeat(1 << 21)})),
            "larger than 1048576 bytes",
        ),
        (
            with(json!({"body": "x".repeat(1 << 21)})),
            "larger than 1048576 bytes",
        ),
        (
            with(json!({"enable_redirect": "true"})),
            "`enable_redirect` must be a boolean",
        ),
        (
            with(json!({"force_json_decode": 1})),
            "`force_json_decode` must be a boolean",
        ),
        (
            with(json!({"force_yaml_decode": "x"})),
            "`force_yaml_decode` must be a boolean",
        ),
        (with(json!({"cache": "yes"})), "`cache` must be a boolean"),
        (
            with(json!({"force_cache": 1})),
            "`force_cache` must be a boolean",
        ),
        (
            with(json!({"force_cache": true})),
            "needs `force_cache_duration_seconds`",
        ),
        (
            with(json!({"force_cache": true, "force_cache_duration_seconds": "1"})),
            "`force_cache_duration_seconds` must be an integer",
        ),
        (
            with(json!({"cache_ignored_headers": "a"})),
            "must be an array of strings",
        ),
        (
            with(json!({"cache_ignored_headers": [1]})),
            "must be an array of strings",
        ),
        (
            with(json!({"caching_mode": "lazy"})),
            "must be serialized or deserialized",
        ),
        (
            with(json!({"max_retry_attempts": -1})),
            "must not be negative",
        ),
        (
            with(json!({"max_retry_attempts": 1.5})),
            "must be an integer",
        ),
        (
            with(json!({"timeout": "soon"})),
            "neither nanoseconds nor a time span",
        ),
        (
            with(json!({"timeout": [1]})),
            "`timeout` must be an integer",
        ),
        (
            with(json!({"raise_error": "no"})),
            "`raise_error` must be a boolean",
        ),
        (
            with(json!({"tls_insecure_skip_verify": true})),
            "give the authority in `tls_ca_cert`",
        ),
        (
            with(json!({"tls_insecure_skip_verify": 1})),
            "must be a boolean",
        ),
        (
            with(json!({"tls_server_name": "other"})),
            "must be the host of the URL",
        ),
        (
            with(json!({"tls_use_system_certs": "no"})),
            "must be a boolean",
        ),
        (
            with(json!({"tls_ca_cert": 1})),
            "`tls_ca_cert` must be a string",
        ),
        (
            with(json!({"tls_client_cert": "x"})),
            "a client certificate needs its key",
        ),
        (
            with(json!({"tls_ca_cert_env_variable": "CA"})),
            "the environment is not the policy's",
        ),
        (
            with(json!({"tls_client_key_env_variable": "K"})),
            "the environment is not the policy's",
        ),
    ]
}

#[tokio::test]
async fn what_is_no_request_is_an_error_that_says_why() {
    let backend = Backend::start(text("")).await;
    let sender = Sender::to(&[&backend.origin()]);
    for (request, why) in wrongs(&backend.url("/")) {
        let error = sender.send(request.clone()).await.unwrap_err();
        assert!(error.contains(why), "{request}: {error}");
    }
    assert_eq!(backend.count(), 0);
    assert_eq!(
        sender.count("invalid"),
        u64::try_from(wrongs("").len()).unwrap()
    );
}

#[tokio::test]
async fn no_error_tells_a_secret_of_its_request() {
    let backend = Backend::start(Answer::HangUp).await;
    let origin = backend.origin();
    let secret = json!({
        "headers": {"authorization": "s3cret", "host": "s3cret"}, "raw_body": "s3cret",
        "tls_ca_cert": "s3cret", "tls_client_cert": "s3cret", "tls_client_key": "s3cret",
    });
    let url = format!("{origin}/s3cret?s3cret#s3cret");
    for (allow, more) in [
        (
            vec![],
            json!({"headers": {"authorization": "s3cret"}, "raw_body": "s3cret"}),
        ),
        (
            vec![&*origin],
            json!({"headers": {"authorization": "s3cret"}, "raw_body": "s3cret"}),
        ),
        (vec![&*origin], json!({"timeout": "1ns"})),
        (vec![&*origin], json!({"timeout": "s3cret"})),
        (vec![&*origin], json!({"headers": {"a": "s3cret\n"}})),
        (vec![&*origin], json!({"caching_mode": "s3cret"})),
        (vec![&*origin], secret),
    ] {
        let sender = Sender::to(&allow);
        let error = sender.send(get_with(&url, more)).await.unwrap_err();
        assert!(!error.contains("s3cret"), "{error}");
    }
    let sender = Sender::to(&["a.b"]);
    let tls =
        json!({"tls_ca_cert": "s3cret", "tls_client_cert": "s3cret", "tls_client_key": "s3cret"});
    let error = sender
        .send(get_with("https://a.b/?s3cret", tls))
        .await
        .unwrap_err();
    assert!(!error.contains("s3cret"), "{error}");
    let error = sender
        .send(get("http://s3cret:s3cret@a.b/"))
        .await
        .unwrap_err();
    assert!(!error.contains("s3cret"), "{error}");
}

#[tokio::test]
async fn every_key_of_the_reference_is_known() {
    let backend = Backend::start(text("here")).await;
    let sender = Sender::to(&[&backend.origin()]);
    let request = get_with(
        &backend.url("/"),
        json!({
            "body": null, "raw_body": "", "headers": {}, "enable_redirect": false,
            "force_json_decode": false, "force_yaml_decode": false, "tls_use_system_certs": true,
            "tls_insecure_skip_verify": false, "timeout": "5s", "cache": true, "force_cache": true,
            "force_cache_duration_seconds": 1, "caching_mode": "deserialized", "raise_error": true,
            "max_retry_attempts": 0, "cache_ignored_headers": ["a"], "tls_server_name": "127.0.0.1",
        }),
    );
    assert_eq!(sender.body(request).await, "here");
}
