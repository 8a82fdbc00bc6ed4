//! Any JSON as a policy's answer: an allow only where `allowed` is true, and nothing in an answer
//! that could split or hang it.
#![no_main]

use envoy_types::pb::envoy::{
    config::core::v3::HeaderValueOption, service::auth::v3::check_response::HttpResponse,
};
use libfuzzer_sys::fuzz_target;
use portcullis::{
    decision::Decision,
    input::Value,
    outcome::{CheckError, Outcome},
};
use portcullis_fuzz::answer;

fuzz_target!(|text: &str| {
    let Ok(value) = Value::from_json_str(text) else {
        return;
    };
    let yes = Value::from(true);
    let says_yes = value == yes || (value.as_object().is_ok() && value["allowed"] == yes);
    let outcome: Outcome = Decision::parse(&value).map_err(CheckError::from);
    let answer = answer(&outcome);
    let allowed = answer.status.is_some_and(|status| status.code == 0);
    assert!(!allowed || says_yes, "an allow out of {text}");
    match answer.http_response {
        Some(HttpResponse::OkResponse(ok)) => {
            assert!(allowed);
            check(&ok.headers);
            check(&ok.response_headers_to_add);
        }
        Some(HttpResponse::DeniedResponse(denied)) => {
            assert!(!allowed);
            check(&denied.headers);
            let status = denied.status.expect("a status").code;
            assert!((200..600).contains(&status));
        }
        Some(HttpResponse::ErrorResponse(_)) => panic!("a decision is not an error"),
        None => (),
    }
});

fn check(headers: &[HeaderValueOption]) {
    for header in headers.iter().filter_map(|option| option.header.as_ref()) {
        assert!(!header.key.is_empty());
        assert!(!header.key.bytes().any(|b| b <= b' ' || b == 0x7f));
        assert!(!header.value.bytes().any(|b| matches!(b, 0 | b'\r' | b'\n')));
    }
}
