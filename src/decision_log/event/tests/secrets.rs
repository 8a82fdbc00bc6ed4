//! Marked secrets in every place that a request, a decision and an answer have, and none in the event.

use base64::{Engine as _, engine::general_purpose::STANDARD};

use super::*;

/// What must not be seen, in the shape of a token.
const TOKEN: &str = "eyJhbGciOiJub25lIn0.MARKED.c2ln";
/// What must not be seen and looks like anything.
const WORD: &str = "MARKED-word";

/// The HTTP request, its body and headers in one of the two ways there are.
fn http(content_type: &str, body: &str, raw: bool) -> Vec<u8> {
    let path = format!("/a/{TOKEN}?x=1&access_token={WORD}&q={TOKEN}&api%5Fkey={WORD}");
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
    format!(r#"{{"password":"{WORD}","deep":[{{"apiKey":["{WORD}",1]}}],"note":"{TOKEN}"}}"#)
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
        r#"{{"allowed": false, "headers": {{"set-cookie": "a={WORD}", "location": "https://h/?token={WORD}"}},
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
            found.is_string() || place == "/nd_builtin_cache/http.send",
            "{place}: {found}"
        );
    }
}
