//! Names, values and statuses that Envoy would choke on.

use super::*;

/// A decision with one header in each place: `headers` of a denial, `headers` of an allow,
/// `response_headers_to_add`.
fn with_header(name: &str, value: &str) -> [Value; 3] {
    let headers = || object(vec![(name, Value::from(value))]);
    let allowed = |allowed: bool| ("allowed", Value::from(allowed));
    [
        object(vec![allowed(false), ("headers", headers())]),
        object(vec![allowed(true), ("headers", headers())]),
        object(vec![allowed(true), ("response_headers_to_add", headers())]),
    ]
}

#[test]
fn values_that_split_or_hang_an_answer_are_refused_everywhere() {
    let values = [
        ("a\rb", Rule::ControlCharacter),
        ("a\nb", Rule::ControlCharacter),
        ("a\r\nset-cookie: x", Rule::ControlCharacter),
        ("a\0b", Rule::ControlCharacter),
        ("\u{1}", Rule::ControlCharacter),
        ("\u{1b}[2J", Rule::ControlCharacter),
        ("\u{7f}", Rule::ControlCharacter),
        (" a", Rule::Padded),
        ("a\t", Rule::Padded),
    ];
    for (value, rule) in values {
        for decision in with_header("x", value) {
            let error = Decision::parse(&decision).expect_err("refused");
            assert_eq!(error.rule(), &rule, "{value:?}");
            assert!(error.path().ends_with("headers.x") || error.path().ends_with("add.x"));
        }
    }
}

#[test]
fn plain_values_pass_everywhere() {
    for value in [
        "",
        "a",
        "a b\tc",
        "caf\u{e9} \u{85}",
        "\u{4f60}\u{597d}",
        "%0d%0a",
    ] {
        for decision in with_header("X-Any.Name_1", value) {
            assert!(Decision::parse(&decision).is_ok(), "{value:?}");
        }
    }
}

#[test]
fn names_that_are_no_tokens_are_refused_everywhere() {
    let long = "x".repeat(257);
    for name in [
        "",
        " ",
        "x y",
        "x:",
        "x\r\n",
        "x\0",
        "\u{e9}",
        "x/y",
        "(x)",
        long.as_str(),
    ] {
        for decision in with_header(name, "1") {
            let error = Decision::parse(&decision).expect_err("refused");
            assert_eq!(error.rule(), &Rule::HeaderName, "{name:?}");
        }
    }
}

#[test]
fn headers_of_the_proxy_are_refused_everywhere() {
    let names = [
        ":status",
        ":scheme",
        ":protocol",
        ":",
        "Connection",
        "Content-Length",
        "Keep-Alive",
        "Proxy-Connection",
        "TE",
        "Trailer",
        "Transfer-Encoding",
        "Upgrade",
        "HTTP2-Settings",
    ];
    for name in names {
        for decision in with_header(name, "1") {
            let error = Decision::parse(&decision).expect_err("refused");
            assert_eq!(error.rule(), &Rule::ForbiddenHeader, "{name}");
        }
        let decision = object(vec![
            ("allowed", Value::from(true)),
            (
                "request_headers_to_remove",
                Value::from(vec![Value::from(name)]),
            ),
        ]);
        let error = Decision::parse(&decision).expect_err("refused");
        assert_eq!(error.rule(), &Rule::ForbiddenHeader, "{name}");
    }
}

#[test]
fn the_request_line_is_rewritten_on_requests_only_and_never_removed() {
    let lines = [
        (":path", "/a?b=c"),
        (":method", "POST"),
        (":authority", "a:80"),
        ("host", "a"),
    ];
    for (name, value) in lines {
        let [on_denial, on_request, on_response] = with_header(name, value);
        assert!(Decision::parse(&on_request).is_ok(), "{name}");
        for decision in [on_denial, on_response] {
            let error = Decision::parse(&decision).expect_err("refused");
            assert_eq!(error.rule(), &Rule::ForbiddenHeader, "{name}");
        }
        let removed = format!(r#"{{"allowed": true, "request_headers_to_remove": ["{name}"]}}"#);
        assert_eq!(
            refused(&removed),
            "`request_headers_to_remove[0]` is a header that a policy may not touch here"
        );
    }
}

#[test]
fn a_rewritten_request_line_is_one_that_envoy_can_send() {
    let wrong = [
        (":path", ""),
        (":path", "a"),
        (":path", "/a b"),
        (":path", "/#a"),
        (":path", "/\u{e9}"),
        (":method", ""),
        (":method", "GE T"),
        (":authority", ""),
        (":authority", "a/b"),
        ("host", "user@a"),
        ("host", "a b"),
    ];
    for (name, value) in wrong {
        let [_, on_request, _] = with_header(name, value);
        let error = Decision::parse(&on_request).expect_err("refused");
        assert_eq!(error.rule(), &Rule::PseudoHeaderValue, "{name} {value:?}");
    }
    let twice = refused(r#"{"allowed": true, "headers": {":path": ["/a", "/b"]}}"#);
    assert_eq!(twice, "`headers.:path[1]` takes one value only");
}

#[test]
fn only_statuses_that_envoy_can_send_are_taken() {
    let taken = [
        "200", "204", "226", "302", "401", "401.0", "4e2", "404", "429", "503", "511",
    ];
    for status in taken {
        let text = format!(r#"{{"allowed": false, "http_status": {status}}}"#);
        let number: f64 = status.parse().expect("a number");
        assert!((f64::from(denial(&text).http_status().get()) - number).abs() < 0.5);
    }
    let refused_ones = [
        "0",
        "-1",
        "1",
        "99",
        "100",
        "101",
        "103",
        "199",
        "209",
        "299",
        "306",
        "418",
        "425",
        "451",
        "499",
        "509",
        "512",
        "599",
        "600",
        "700",
        "403.5",
        "1e400",
        "65939",
        "18446744073709551616",
        "340282366920938463463374607431768211859",
    ];
    for status in refused_ones {
        let text = format!(r#"{{"allowed": false, "http_status": {status}}}"#);
        let Ok(value) = Value::from_json_str(&text) else {
            continue;
        };
        let error = Decision::parse(&value).expect_err(status).to_string();
        assert_eq!(
            error,
            "`http_status` is not an HTTP status from 200 to 599 that Envoy knows"
        );
    }
}

#[test]
fn statuses_without_a_body_have_none() {
    for status in [204, 205, 304] {
        let text = format!(r#"{{"allowed": false, "http_status": {status}, "body": "x"}}"#);
        assert_eq!(
            refused(&text),
            format!("`body` must be empty with status {status}")
        );
        let text = format!(r#"{{"allowed": false, "http_status": {status}, "body": ""}}"#);
        assert_eq!(denial(&text).http_status().get(), status);
    }
}

#[test]
fn query_text_is_percent_encoded() {
    let permit = permit(
        r#"{"allowed": true,
            "query_parameters_to_set": {"a[b]": "x y", "n&=": ["1&admin=true", "ä+%#"]},
            "query_parameters_to_remove": ["a[b]", "n&="]}"#,
    );
    let set: Vec<_> = permit
        .query_parameters_to_set()
        .iter()
        .map(|parameter| (parameter.name(), parameter.value()))
        .collect();
    assert_eq!(
        set,
        [
            ("a[b]", "x%20y"),
            ("n%26%3D", "1%26admin%3Dtrue"),
            ("n%26%3D", "%C3%A4%2B%25%23"),
        ]
    );
    assert_eq!(permit.query_parameters_to_remove(), ["a[b]", "n%26%3D"]);
    let line_break = refused(r#"{"allowed": true, "query_parameters_to_set": {"a": "x\ny"}}"#);
    assert_eq!(
        line_break,
        "`query_parameters_to_set.a` contains a control character"
    );
}

#[test]
fn a_key_path_is_short_and_printable() {
    let name = format!("\u{1b}[2J\n{}", "x".repeat(500));
    let [decision, _, _] = with_header(&name, "1");
    let error = Decision::parse(&decision).expect_err("refused").to_string();
    assert!(error.len() < 200, "{error}");
    assert!(!error.contains(char::is_control), "{error:?}");
}
