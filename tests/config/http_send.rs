//! `portcullis.http_send`: what is allowed, and what is said about mistakes.

use portcullis::http_send::Options;

use super::yaml;

fn section(text: &str) -> Result<Options, String> {
    let config = yaml(&format!("portcullis:\n  http_send: {text}\n"))?;
    Ok(config.portcullis.http_send)
}

#[test]
fn nothing_is_allowed_by_default() {
    let default = yaml("{}").unwrap().portcullis.http_send;
    assert_eq!(default, Options::default());
    assert!(default.allow.is_empty());
    assert_eq!(default.stale_if_error, None);
}

#[test]
fn an_origin_that_is_named_twice_is_one() {
    let options = section("{allow: [a.b, 'http://A.B:80', 'https://a.b/']}").unwrap();
    assert_eq!(options.allow.len(), 2);
}

#[test]
fn mistakes_are_named_with_their_place() {
    for (text, problem) in [
        ("{allow: a.b}", "portcullis.http_send.allow: must be a list"),
        (
            "{allow: [1]}",
            "portcullis.http_send.allow[0]: must be text",
        ),
        (
            "{allow: [a.b, 'https://a.b/c']}",
            "portcullis.http_send.allow[1]: `https://a.b/c` is not a host, a `host:port` or a URL without a path",
        ),
        (
            "{allow: ['*.a.b']}",
            "`*.a.b` has a `*`: each host is named by itself",
        ),
        (
            "{allow: ['0.0.0.0']}",
            "`0.0.0.0` is a link-local, metadata",
        ),
        (
            "{allow: ['[::ffff:a9fe:a9fe]']}",
            "is a link-local, metadata",
        ),
        (
            "{timeout: 0s}",
            "portcullis.http_send.timeout: `0s` must be from 1ms",
        ),
        (
            "{max_response_bytes: 1}",
            "portcullis.http_send.max_response_bytes: ",
        ),
        ("{max_in_flight: 0}", "portcullis.http_send.max_in_flight: "),
        (
            "{max_in_flight_per_host: 0}",
            "portcullis.http_send.max_in_flight_per_host: ",
        ),
        ("{cache_bytes: x}", "portcullis.http_send.cache_bytes: "),
        (
            "{stale_if_error: 25h}",
            "portcullis.http_send.stale_if_error: ",
        ),
        (
            "{breaker: {failures: 0}}",
            "portcullis.http_send.breaker.failures: ",
        ),
        (
            "{breaker: {delay: 1ms}}",
            "portcullis.http_send.breaker.delay: ",
        ),
        (
            "{tls_files: ['']}",
            "portcullis.http_send.tls_files[0]: the path is empty",
        ),
        ("{alow: []}", "portcullis.http_send.alow: "),
    ] {
        let error = section(text).unwrap_err();
        assert!(error.contains(problem), "{text}: {error}");
    }
}
