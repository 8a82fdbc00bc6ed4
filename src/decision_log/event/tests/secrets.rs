//! Marked secrets in every place that a request, a decision and an answer have, and none in the event.

use base64::{Engine as _, engine::general_purpose::STANDARD};

use super::*;

/// What must not be seen, in the shape of a token.
const TOKEN: &str = "eyJhbGciOiJub25lIn0.MARKED.c2ln";
/// What must not be seen and looks like anything.
const WORD: &str = "MARKED-word";

/// The HTTP request, its body and headers in one of the two ways there are.
fn http(content_type: &str, body: &str, raw: bool) -> Vec<u8> {
    let path = format!(
        "/a/{TOKEN};jsessionid={WORD}?x=1&access_token={WORD}&q={TOKEN}&api%5Fkey={WORD}&{TOKEN}\
         &user[password]={WORD}&redirect=https%3A%2F%2Fx%2F%3Faccess_token%3D{WORD}&code={WORD}"
    );
    let headers = [
        ("authorization", format!("Bearer {WORD}")),
        ("proxy-authorization", format!("Basic {WORD}")),
        ("cookie", format!("session={WORD}; theme=dark")),
        ("x-api-key", WORD.to_owned()),
        ("x-provider-token", WORD.to_owned()),
        ("x-forwarded-client-cert", format!("By={WORD}")),
        ("referer", format!("https://h/?code={WORD}&ticket={WORD}")),
        (":path", path.clone()),
        ("x-anything", TOKEN.to_owned()),
        ("x-authorization", format!("Bearer {WORD}")),
        ("x-original", format!("Basic {WORD}")),
        ("x-session-token", WORD.to_owned()),
        ("x-context", format!(r#"{{"password":"{WORD}"}}"#)),
        ("origin", format!("https://u:{WORD}@h/")),
        ("content-type", content_type.to_owned()),
    ];
    let mut fields: Vec<Vec<u8>> = if raw {
        let headers = headers
            .iter()
            .map(|(key, value)| field(1, [field(1, key), field(3, value)].concat()));
        vec![
            field(13, headers.collect::<Vec<_>>().concat()),
            field(12, body),
        ]
    } else {
        let headers = headers.iter().map(|(key, value)| entry(3, key, value));
        headers.chain([field(11, body)]).collect()
    };
    fields.extend([
        field(2, "POST"),
        field(4, path),
        field(7, format!("token={WORD}")),
        field(8, format!("id_token={WORD}")),
    ]);
    http_request(&fields)
}

fn json_body() -> String {
    format!(
        r#"{{"password":"{WORD}","deep":[{{"apiKey":["{WORD}",1]}}],"note":"{TOKEN}","{TOKEN}":1,"new_password":"{WORD}"}}"#
    )
}

fn request(http: Vec<u8>) -> bytes::Bytes {
    let structure = [
        entry(1, "t", field(3, TOKEN)),
        entry(1, "secret", field(3, WORD)),
    ];
    let structure = entry(1, "ns", structure.concat());
    let any = [
        field(1, "type.googleapis.com/x"),
        field(2, format!("..{TOKEN}..")),
    ];
    let any = entry(2, "ns", any.concat());
    check_request(&[
        field(1, [field(2, TOKEN), entry(3, "password", WORD)].concat()),
        http,
        entry(10, "token", WORD),
        entry(10, "url", format!("https://h/?sig={WORD}")),
        entry(10, "t", TOKEN),
        field(11, [structure.clone(), any].concat()),
        field(13, structure),
    ])
}

fn options_with_locations() -> Options {
    let mut options = options();
    options.redact.headers.push("X-Provider-Token".to_owned());
    options.redact.parameters.push("ticket".to_owned());
    options.request_context_headers = vec!["authorization".to_owned(), "x-anything".to_owned()];
    options
}

fn filled(http: Vec<u8>) -> Record {
    let outcome = format!(
        r#"{{"allowed": false, "headers": {{"set-cookie": "a={WORD}", "x-auth-request": "Bearer {WORD}", "location": "https://h/?token={WORD}"}},
            "body": "{{\"access_token\": \"{WORD}\"}}", "reason": "saw {TOKEN}",
            "dynamic_metadata": {{"secret": {{"a": ["{WORD}"]}}, "t": "{TOKEN}"}}}}"#
    );
    let mut record = record(request(http), decision(&outcome));
    let sent =
        format!(r#"{{"url": "https://h/?sig={WORD}", "headers": {{"Authorization": "{WORD}"}}}}"#);
    let answer =
        format!(r#"{{"body": {{"token": "{WORD}"}}, "raw_body": "{{\"token\": \"{WORD}\"}}"}}"#);
    record.externals.answer(json(&sent), Ok(json(&answer)));
    record.token = Some(token(&format!(r#"{{"nested":"{TOKEN}","sub":"alice"}}"#)));
    record
}

/// Every string of the event, and what it is the base64 of.
fn strings(event: &Event, found: &mut Vec<String>) {
    match event {
        Event::String(text) => {
            let bytes = STANDARD.decode(text).unwrap_or_default();
            found.push(String::from_utf8_lossy(&bytes).into_owned());
            found.push(text.clone());
        }
        Event::Array(items) => items.iter().for_each(|item| strings(item, found)),
        Event::Object(fields) => {
            for (key, value) in fields {
                found.push(key.clone());
                strings(value, found);
            }
        }
        Event::Null | Event::Bool(_) | Event::Number(_) => {}
    }
}

fn leaks(options: &Options, record: &Record) -> Vec<String> {
    let event: Event = serde_json::from_str(&text(options, record)).unwrap();
    let mut found = Vec::new();
    strings(&event, &mut found);
    found.retain(|text| text.contains("MARKED"));
    found
}

#[test]
fn no_marked_secret_is_in_an_event_whatever_the_body_is() {
    let bodies = [
        ("application/json", json_body()),
        ("application/json", format!(r#"{{"password":"{WORD}","#)),
        (
            "application/x-www-form-urlencoded",
            format!("a=1&password={WORD}&t={TOKEN}"),
        ),
        ("application/x-www-form-urlencoded", TOKEN.to_owned()),
        ("application/x-www-form-urlencoded", format!("code={WORD}")),
        ("text/plain; charset=utf-16", format!("x={WORD}")),
        (
            "application/xml",
            format!("<a><password>{WORD}</password></a>"),
        ),
        ("application/octet-stream", format!("\0p\0w\0{WORD}")),
        ("text/plain", format!("it is {TOKEN}.")),
        (
            "multipart/form-data; boundary=b",
            format!(
                "--b\r\nContent-Disposition: form-data; name=\"password\"\r\n\r\n{WORD}\r\n--b--\r\n"
            ),
        ),
    ];
    for (content_type, body) in bodies {
        for raw in [false, true] {
            let http = http(content_type, &body, raw);
            let leaked = leaks(&options_with_locations(), &filled(http));
            assert!(leaked.is_empty(), "{content_type}: {leaked:#?}");
        }
    }
}

#[test]
fn with_redaction_off_the_same_secrets_are_there() {
    let mut options = options_with_locations();
    options.redact.off = true;
    assert!(
        leaks(
            &options,
            &filled(http("application/json", &json_body(), false))
        )
        .len()
            > 30
    );
}

#[test]
fn what_was_taken_out_is_listed_and_is_where_the_list_says() {
    let text = text(
        &options_with_locations(),
        &filled(http("application/json", &json_body(), false)),
    );
    let event: Event = serde_json::from_str(&text).unwrap();
    let places = event["portcullis"]["redacted"].as_array().unwrap();
    assert!(
        places
            .iter()
            .any(|p| p == "/input/attributes/request/http/headers/authorization")
    );
    for place in places {
        let place = place.as_str().unwrap();
        let found = event
            .pointer(place)
            .unwrap_or_else(|| panic!("nothing at {place}"));
        assert!(
            // A key that was one: what stands under it is shown.
            found.is_string()
                || place == "/nd_builtin_cache/http.send"
                || place.contains("/sha256:"),
            "{place}: {found}"
        );
    }
}

#[test]
fn a_compressed_body_is_not_shown_and_one_that_only_says_identity_is() {
    for (encoding, shown) in [("gzip", false), ("br", false), ("identity", true)] {
        let fields = [
            entry(3, "content-encoding", encoding),
            field(12, "MARKED-plain"),
        ];
        let record = record(request(http_request(&fields)), decision("true"));
        let leaked = leaks(&options(), &record);
        assert_eq!(leaked.len() > 1, shown, "{encoding}: {leaked:#?}");
    }
}

#[test]
fn a_body_that_says_why_stays_readable() {
    for body in [
        r#"{"code":403,"message":"denied"}"#,
        r#"{"error":"token"}"#,
        "Unauthorized Request",
    ] {
        let said = serde_json::json!({"allowed": false, "body": body});
        let record = record(request(http_request(&[])), decision(&said.to_string()));
        let event: Event = serde_json::from_str(&text(&options(), &record)).unwrap();
        assert_eq!(event["result"]["body"], body);
    }
}

/// What an event holds at most for each byte of its request; a byte takes six as `\\u0000`.
const MOST_FOR_EACH: usize = 12;

#[test]
fn an_event_is_not_much_larger_than_its_request_however_that_is_made() {
    let long = "k".repeat(60_000);
    let many = |item: &str, times: usize| vec![item; times].join(",");
    let bodies = [
        format!(r#"{{"{long}":[{}]}}"#, many(r#""eyJ""#, 3_000)),
        format!(r#"{{"{long}":[{}]}}"#, many(r#""sig=1""#, 3_000)),
        format!(r#"{{"{long}":{{"password":[{}]}}}}"#, many("1", 9_000)),
        format!("[{}]", many("1e300", 30_000)),
        format!("[{}]", many("[]", 600_000)),
        format!(r#""{}""#, "\u{7f}".repeat(2_000_000)),
        many("eyJ", 20_000),
    ];
    for body in bodies {
        let fields = [
            entry(3, "content-type", "application/json"),
            field(11, &body),
        ];
        let record = record(check_request(&[http_request(&fields)]), decision("true"));
        let text = text(&options(), &record);
        let most = record.request.len().saturating_mul(MOST_FOR_EACH);
        let shown: String = body.chars().skip(60_000).take(20).collect();
        assert!(text.len() < most.min(5 << 20), "{shown}: {}", text.len());
        let event: Event = serde_json::from_str(&text).unwrap();
        let places = event["portcullis"]["redacted"].to_string();
        assert!(places.len() < 20_000, "{shown}: {}", places.len());
    }
}

#[test]
fn a_body_that_is_too_long_is_left_out_and_listed_and_a_shorter_one_is_not() {
    let http_path = "/input/attributes/request/http";
    for (length, is_cut) in [(1 << 20, false), ((1 << 20) + 1, true)] {
        let body = "a".repeat(length);
        let record = record(
            check_request(&[http_request(&[field(11, &body)])]),
            decision("true"),
        );
        let event: Event = serde_json::from_str(&text(&options(), &record)).unwrap();
        let shown = event.pointer(&format!("{http_path}/body")).unwrap();
        assert_eq!(shown == body.as_str(), !is_cut);
        let listed = event["portcullis"]["truncated"].as_array();
        let listed = listed.is_some_and(|it| it.contains(&format!("{http_path}/rawBody").into()));
        assert_eq!(listed, is_cut);
    }
}
