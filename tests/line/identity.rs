//! Who calls, and what only claims to say so.

use envoy_types::pb::envoy::config::core::v3::{HeaderMap, HeaderValue};

use crate::{
    failures::code,
    hostile::READS_ALL,
    requests::{self, GET},
    server::Server,
};

#[tokio::test(flavor = "multi_thread")]
async fn a_principal_that_is_no_spiffe_id_proves_no_namespace() {
    let server = Server::start(READS_ALL, &[]).await;
    let over_2048 = format!("spiffe://cluster.local/ns/foo/sa/{}", "a".repeat(2048));
    let long_domain = format!("spiffe://{}/ns/foo/sa/sleep", "a".repeat(256));
    for principal in [
        "",
        "foo",
        "CN=sleep,O=foo",
        "http://cluster.local/ns/foo/sa/sleep",
        "SPIFFE://cluster.local/ns/foo/sa/sleep",
        "spiffe:/cluster.local/ns/foo/sa/sleep",
        "spiffe:///ns/foo/sa/sleep",
        "spiffe://",
        "spiffe://cluster.local",
        "spiffe://Cluster.Local/ns/foo/sa/sleep",
        "spiffe://cluster.local:8443/ns/foo/sa/sleep",
        "spiffe://user@cluster.local/ns/foo/sa/sleep",
        "spiffe://cluster.local/ns/foo/sa/sleep?x=1",
        "spiffe://cluster.local/ns/foo/sa/sleep#x",
        "spiffe://cluster.local/ns/foo/./sa/sleep",
        "spiffe://cluster.local/ns/bar/../foo/sa/sleep",
        "spiffe://cluster.local/ns/%66oo/sa/sleep",
        "spiffe://cluster.local/ns/foo//sa/sleep",
        "spiffe://cluster.local/ns/foo/sa/sleep/",
        "spiffe://cluster.local/ns/foo/sa/sleep/extra",
        "spiffe://cluster.local/x/ns/foo/sa/sleep",
        "spiffe://cluster.local/ns/foo/sa/sleep\0",
        " spiffe://cluster.local/ns/foo/sa/sleep",
        "spiffe://cluster.local/ns/foo/sa/sleep,spiffe://cluster.local/ns/foo/sa/other",
        &over_2048,
        &long_domain,
    ] {
        let answer = server.check(&requests::principal(principal)).await;
        assert_eq!(code(&answer), 7, "`{principal}`");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_valid_spiffe_id_proves_its_namespace_and_no_other() {
    let server = Server::start(READS_ALL, &[]).await;
    let longest = format!("spiffe://cluster.local/ns/foo/sa/{}", "a".repeat(2048 - 33));
    for (principal, expected) in [
        ("spiffe://cluster.local/ns/foo/sa/sleep", 0),
        ("spiffe://other.domain_1/ns/foo/sa/S.l-e_ep", 0),
        (&longest, 0),
        ("spiffe://cluster.local/ns/foo2/sa/sleep", 7),
        ("spiffe://cluster.local/ns/bar/sa/foo", 7),
    ] {
        let answer = server.check(&requests::principal(principal)).await;
        assert_eq!(code(&answer), expected, "`{principal}`");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn identity_headers_prove_nothing() {
    let server = Server::start(READS_ALL, &[]).await;
    let spoofed = |principal: &str| {
        let mut request = requests::capture(GET);
        let attributes = request.attributes.as_mut().unwrap();
        let http = attributes.request.as_mut().unwrap().http.as_mut().unwrap();
        for name in ["x-forwarded-client-cert", "x-spiffe-id", "x-forwarded-user"] {
            let value = "URI=spiffe://cluster.local/ns/foo/sa/sleep".to_owned();
            http.headers.insert(name.to_owned(), value);
        }
        principal.clone_into(&mut attributes.source.as_mut().unwrap().principal);
        prost::Message::encode_to_vec(&request)
    };
    assert_eq!(code(&server.check(&spoofed("")).await), 7);
    let proven = spoofed("spiffe://cluster.local/ns/foo/sa/sleep");
    assert_eq!(code(&server.check(&proven).await), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_forbidden_header_is_seen_however_it_is_sent() {
    let policy = r#"package envoy.authz

default allow := true

allow := false if input.attributes.request.http.headers["x-debug"]

allow := false if contains(input.attributes.request.http.headers["x-role"], "admin")
"#;
    let server = Server::start(policy, &[]).await;
    let plain = |headers: &[(&str, &str)]| {
        requests::http(GET, |http| {
            let owned = headers
                .iter()
                .map(|(k, v)| ((*k).to_owned(), (*v).to_owned()));
            http.headers.extend(owned);
        })
    };
    let raw = |headers: &[(&str, &str)]| {
        let raw = headers.iter().map(|(key, value)| HeaderValue {
            key: (*key).to_owned(),
            raw_value: value.as_bytes().to_vec(),
            ..HeaderValue::default()
        });
        let headers = raw.collect();
        requests::http(GET, |http| {
            http.headers.clear();
            http.header_map = Some(HeaderMap { headers });
        })
    };
    for (headers, expected) in [
        (&[("x-other", "1")][..], 0),
        (&[("x-role", "user")], 0),
        (&[("x-debug", "1")], 7),
        (&[("X-Debug", "1")], 7),
        (&[("x-role", "user,admin")], 7),
        (&[("x-role", "user"), ("X-Role", "admin")], 7),
        (&[("X-Role", "admin"), ("x-role", "user")], 7),
    ] {
        for (form, bytes) in [("headers", plain(headers)), ("header_map", raw(headers))] {
            let answer = server.check(&bytes).await;
            assert_eq!(code(&answer), expected, "{headers:?} as {form}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn forwarded_headers_change_neither_path_nor_host_nor_scheme() {
    let policy = r#"package envoy.authz

default allow := false

allow if {
	input.parsed_path[0] == "public"
	input.attributes.request.http.path == "/public/page"
	input.attributes.request.http.host == "shop"
	input.attributes.request.http.scheme == "https"
}
"#;
    let server = Server::start(policy, &[]).await;
    let asks = |path: &str, host: &str, scheme: &str| {
        requests::http(GET, |http| {
            path.clone_into(&mut http.path);
            host.clone_into(&mut http.host);
            scheme.clone_into(&mut http.scheme);
            for (name, value) in [
                ("x-forwarded-uri", "/public/page"),
                ("x-original-url", "/public/page"),
                ("x-envoy-original-path", "/public/page"),
                ("x-forwarded-host", "shop"),
                ("x-forwarded-proto", "https"),
                ("forwarded", "host=shop;proto=https"),
            ] {
                http.headers.insert(name.to_owned(), value.to_owned());
            }
        })
    };
    for (request, expected) in [
        (asks("/admin", "shop", "https"), 7),
        (asks("/public/page", "other", "https"), 7),
        (asks("/public/page", "shop", "http"), 7),
        (asks("/public/page", "shop", "https"), 0),
    ] {
        assert_eq!(code(&server.check(&request).await), expected);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_path_rule_holds_in_every_spelling_and_with_any_query() {
    let policy = r#"package envoy.authz

default allow := false

allow if {
	input.parsed_path[0] == "public"
	count([s | some s in input.parsed_path; s in {"", ".", ".."}]) == 0
	every segment in input.parsed_path {
		not regex.match(`[/\\;]`, segment)
	}
}
"#;
    let server = Server::start(policy, &[]).await;
    for (path, expected) in [
        ("/public/a", 0),
        ("/public/a?x=y", 0),
        ("/public/a?x=/../admin", 0),
        ("/public%2fa", 0),
        ("/public%2f..%2fadmin", 7),
        ("//public/a", 0),
        ("//admin/public", 7),
        ("///admin/public", 7),
        ("/public/../admin", 7),
        ("/public/%2e%2e/admin", 7),
        ("/public/%2e/a", 7),
        ("/public/..%5cadmin", 7),
        ("/public/a%2f..%2fadmin", 7),
        ("/public/a;admin", 7),
        ("/admin?/public", 7),
        ("/%70ublic/a", 0),
    ] {
        let answer = server.check(&requests::path(path)).await;
        assert_eq!(code(&answer), expected, "{path}");
    }
}
