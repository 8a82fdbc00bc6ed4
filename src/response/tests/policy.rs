//! What the policy decided, on the wire.

use std::collections::HashMap;

use envoy_types::pb::{google::protobuf::Value as WireValue, google::rpc};

use super::*;

/// The response that has nothing but a code and the decision id, as prost writes it.
fn plain(code: i32, id: &str) -> Vec<u8> {
    let id = Kind::StringValue(id.to_owned());
    let response = CheckResponse {
        status: Some(rpc::Status {
            code,
            ..rpc::Status::default()
        }),
        dynamic_metadata: Some(Struct {
            fields: HashMap::from([("decision_id".to_owned(), WireValue { kind: Some(id) })]),
        }),
        http_response: None,
    };
    response.encode_to_vec()
}

#[test]
fn plain_answers_are_the_bytes_that_prost_would_write() {
    let long = "i".repeat(200);
    for (text, code) in [
        ("true", 0),
        ("false", 7),
        (r#"{"allowed": true}"#, 0),
        (r#"{"allowed": false}"#, 7),
    ] {
        for id in [ID, "", &long] {
            match respond(&decide(text), id, &Options::default()) {
                Reply::Response(bytes) => assert_eq!(bytes, plain(code, id), "{text} {id}"),
                Reply::GrpcError { .. } => panic!("{text}"),
            }
        }
    }
}

#[test]
fn an_allow_carries_its_changes() {
    let outcome = decide(
        r#"{"allowed": true,
            "headers": {"x-user": "ann", "x-group": ["a", "b"],
                        "x-via": {"value": "p", "append_action": "APPEND_IF_EXISTS_OR_ADD"}},
            "request_headers_to_remove": ["x-secret"],
            "response_headers_to_add": {"x-seen": {"value": "1", "append_action": "ADD_IF_ABSENT"}},
            "query_parameters_to_set": {"tenant": "a&b"},
            "query_parameters_to_remove": ["debug"],
            "body": 1, "http_status": "ignored"}"#,
    );
    let response = answer(&outcome, &Options::default());
    assert_eq!(code(&response), 0);
    assert_eq!(decision_id(&response), Some(ID));
    let ok = permitted(response);
    assert_eq!(
        lines(&ok.headers),
        [
            "x-group: a [0]",
            "x-group: b (append) [0]",
            "x-user: ann [0]",
            "x-via: p (append) [0]"
        ]
    );
    assert_eq!(ok.headers_to_remove, ["x-secret"]);
    assert_eq!(lines(&ok.response_headers_to_add), ["x-seen: 1 [1]"]);
    assert_eq!(ok.query_parameters_to_set[0].key, "tenant");
    assert_eq!(ok.query_parameters_to_set[0].value, "a%26b");
    assert_eq!(ok.query_parameters_to_remove, ["debug"]);
}

#[test]
fn a_denial_carries_its_status_headers_and_body() {
    let outcome = decide(
        r#"{"allowed": false, "http_status": 429, "body": "slow down",
            "headers": {"set-cookie": ["a=1", "b=2"], "retry-after": "9"},
            "reason": "too many", "request_headers_to_remove": 1}"#,
    );
    let response = answer(&outcome, &Options::default());
    assert_eq!(code(&response), 7);
    let denied = denied(response);
    assert_eq!(denied.status.expect("a status").code, 429);
    assert_eq!(
        lines(&denied.headers),
        [
            "retry-after: 9 [0]",
            "set-cookie: a=1 [0]",
            "set-cookie: b=2 [0]"
        ]
    );
    assert_eq!(denied.body, "slow down");
}

#[test]
fn a_401_is_unauthenticated() {
    let response = answer(
        &decide(r#"{"allowed": false, "http_status": 401}"#),
        &Options::default(),
    );
    assert_eq!(code(&response), 16);
    assert_eq!(denied(response).status.expect("a status").code, 401);
}

#[test]
fn every_status_we_take_is_one_that_envoy_knows_and_the_other_way_round() {
    for number in 0..=1000_u16 {
        let known = StatusCode::try_from(i32::from(number)).is_ok() && (200..600).contains(&number);
        assert_eq!(HttpStatus::new(number.into()).is_some(), known, "{number}");
    }
}

#[test]
fn metadata_arrives_whole_and_with_the_real_decision_id() {
    for allowed in [true, false] {
        let outcome = decide(&format!(
            r#"{{"allowed": {allowed}, "dynamic_metadata": {{
                "decision_id": "forged", "n": 2.5, "b": true, "z": null, "s": "{long}",
                "l": [1, "x", [], {{}}], "o": {{"i": {{"j": "k"}}}}}}}}"#,
            long = "s".repeat(300)
        ));
        let response = answer(&outcome, &Options::default());
        assert_eq!(decision_id(&response), Some(ID));
        let fields = &metadata(&response).fields;
        let kind = |name: &str| fields[name].kind.clone().expect("a kind");
        assert_eq!(kind("n"), Kind::NumberValue(2.5));
        assert_eq!(kind("b"), Kind::BoolValue(true));
        assert_eq!(kind("z"), Kind::NullValue(0));
        assert_eq!(kind("s"), Kind::StringValue("s".repeat(300)));
        let Kind::ListValue(list) = kind("l") else {
            panic!("no list")
        };
        assert_eq!(list.values.len(), 4);
        assert_eq!(list.values[0].kind, Some(Kind::NumberValue(1.0)));
        let Kind::StructValue(outer) = kind("o") else {
            panic!("no object")
        };
        let Some(Kind::StructValue(inner)) = &outer.fields["i"].kind else {
            panic!("no object")
        };
        assert_eq!(
            inner.fields["j"].kind,
            Some(Kind::StringValue("k".to_owned()))
        );
        assert_eq!(fields.len(), 7);
    }
}

#[test]
fn the_deepest_metadata_is_still_decoded() {
    let objects = r#"{"o":"#.repeat(15) + "{}" + &"}".repeat(15);
    let lists = format!(r#"{{"l": {}{}}}"#, "[".repeat(15), "]".repeat(15));
    for nested in [objects, lists] {
        let outcome = decide(&format!(
            r#"{{"allowed": true, "dynamic_metadata": {nested}}}"#
        ));
        assert_eq!(code(&answer(&outcome, &Options::default())), 0);
    }
}

#[test]
fn reason_and_decision_id_reach_the_caller_only_when_configured() {
    let outcome = decide("{\"allowed\": false, \"reason\": \"no\\r\\nx: y\"}");
    assert!(
        answer(&outcome, &Options::default())
            .http_response
            .is_none()
    );
    let options = Options {
        expose_reason: "X-Reason".parse().ok(),
        decision_id_header: "x-decision".parse().ok(),
        ..Options::default()
    };
    let denied = denied(answer(&outcome, &options));
    assert_eq!(
        lines(&denied.headers),
        [
            format!("x-decision: {ID} [0]"),
            "x-reason: no  x: y [0]".to_owned()
        ]
    );
    let ok = permitted(answer(
        &decide(r#"{"allowed": true, "reason": "yes"}"#),
        &options,
    ));
    assert_eq!(
        lines(&ok.response_headers_to_add),
        [format!("x-decision: {ID} [2]")]
    );
}

#[test]
fn header_names_in_the_configuration_are_checked() {
    for name in ["", "x y", ":path", "Content-Length", "x\n"] {
        assert!(name.parse::<HeaderName>().is_err(), "{name:?}");
    }
    assert_eq!(
        "X-Id".parse::<HeaderName>().expect("a name").as_str(),
        "x-id"
    );
}
