//! What is a decision and what is not, by table.

use super::*;

fn json(text: &str) -> Value {
    Value::from_json_str(text).expect("the test's JSON parses")
}

fn parse(text: &str) -> Result<Decision, MalformedDecision> {
    Decision::parse(&json(text))
}

fn permit(text: &str) -> Permit {
    match parse(text) {
        Ok(Decision::Allow(permit)) => permit,
        Ok(Decision::Deny(_)) => panic!("{text} is a denial"),
        Err(error) => panic!("{text}: {error}"),
    }
}

fn denial(text: &str) -> Denial {
    match parse(text) {
        Ok(Decision::Deny(denial)) => denial,
        Ok(Decision::Allow(_)) => panic!("{text} is an allow"),
        Err(error) => panic!("{text}: {error}"),
    }
}

fn refused(text: &str) -> String {
    match parse(text) {
        Ok(decision) => panic!("{text} is {decision:?}"),
        Err(error) => error.to_string(),
    }
}

fn set(items: &[&str]) -> Value {
    let mut set = Value::new_set();
    let content = set.as_set_mut().expect("a set");
    for item in items {
        content.insert(Value::from(*item));
    }
    set
}

fn object(fields: Vec<(&str, Value)>) -> Value {
    let mut object = Value::new_object();
    let content = object.as_object_mut().expect("an object");
    for (name, value) in fields {
        content.insert(Value::from(name), value);
    }
    object
}

fn pairs(headers: &[Header]) -> Vec<(&str, &str)> {
    headers
        .iter()
        .map(|header| (header.name().as_str(), header.value()))
        .collect()
}

#[test]
fn booleans_decide() {
    assert!(permit("true").changes_nothing());
    let denial = denial("false");
    assert_eq!(denial.http_status(), HttpStatus::FORBIDDEN);
    assert!(denial.headers().is_empty() && denial.body().is_none());
}

#[test]
fn the_key_allowed_decides() {
    assert!(permit(r#"{"allowed": true}"#).changes_nothing());
    assert_eq!(denial(r#"{"allowed": false}"#).http_status().get(), 403);
}

#[test]
fn nothing_else_is_a_decision() {
    let cases = [
        (
            "null",
            "the decision must be a boolean or an object, is null",
        ),
        (
            "1",
            "the decision must be a boolean or an object, is a number",
        ),
        (
            r#""true""#,
            "the decision must be a boolean or an object, is a string",
        ),
        (
            "[true]",
            "the decision must be a boolean or an object, is an array",
        ),
        ("{}", "`allowed` is missing"),
        (r#"{"Allowed": true}"#, "`allowed` is missing"),
        (
            r#"{"allowed": "true"}"#,
            "`allowed` must be a boolean, is a string",
        ),
        (
            r#"{"allowed": 1}"#,
            "`allowed` must be a boolean, is a number",
        ),
        (
            r#"{"allowed": null}"#,
            "`allowed` must be a boolean, is null",
        ),
        (
            r#"{"allowed": [true]}"#,
            "`allowed` must be a boolean, is an array",
        ),
    ];
    for (text, message) in cases {
        assert_eq!(refused(text), message);
    }
    for (value, found) in [(set(&["true"]), "a set"), (Value::Undefined, "undefined")] {
        let error = Decision::parse(&value)
            .expect_err("no decision")
            .to_string();
        assert_eq!(
            error,
            format!("the decision must be a boolean or an object, is {found}")
        );
    }
}

#[test]
fn keys_of_a_wrong_type_are_refused_where_opa_envoy_refuses_them() {
    let on_both = [
        ("headers", "null"),
        ("headers", r#""x""#),
        ("headers", r#"["x"]"#),
        ("headers", r#"{"x": 1}"#),
        ("headers", r#"{"x": null}"#),
        ("headers", r#"{"x": ["1", 2]}"#),
        ("headers", r#"[{"x": "1"}, {"y": true}]"#),
        ("dynamic_metadata", "null"),
        ("dynamic_metadata", r#""x""#),
        ("dynamic_metadata", "[]"),
    ];
    let on_allow = [
        ("request_headers_to_remove", r#""x""#),
        ("request_headers_to_remove", "[1]"),
        ("request_headers_to_remove", "null"),
        ("response_headers_to_add", r#"{"x": 1}"#),
        ("response_headers_to_add", "null"),
        ("query_parameters_to_remove", r#""x""#),
        ("query_parameters_to_remove", "[null]"),
        ("query_parameters_to_set", r#"[{"x": "1"}]"#),
        ("query_parameters_to_set", r#"{"x": 1}"#),
        ("query_parameters_to_set", r#"{"x": [1]}"#),
        ("query_parameters_to_set", r#"{"x": {"value": "1"}}"#),
    ];
    let on_deny = [
        ("body", "1"),
        ("body", "null"),
        ("body", "{}"),
        ("http_status", "null"),
        ("http_status", r#""401""#),
        ("http_status", "401.5"),
    ];
    let check = |cases: &[(&str, &str)], allowed: bool, wrong: bool| {
        for (key, value) in cases {
            let text = format!(r#"{{"allowed": {allowed}, "{key}": {value}}}"#);
            match parse(&text) {
                Ok(_) => assert!(!wrong, "{text} is taken"),
                Err(error) => {
                    assert!(wrong, "{text}: {error}");
                    assert!(error.path().starts_with(key), "{text}: {error}");
                }
            }
        }
    };
    check(&on_both, true, true);
    check(&on_both, false, true);
    check(&on_allow, true, true);
    check(&on_allow, false, false);
    check(&on_deny, false, true);
    check(&on_deny, true, false);
}

#[test]
fn unknown_keys_and_a_reason_of_another_type_are_ignored() {
    let permit = permit(r#"{"allowed": true, "allow": false, "reason": ["x"], "7": 7}"#);
    assert!(permit.changes_nothing());
    let decision = parse(r#"{"allowed": false, "reason": "no badge"}"#).expect("a decision");
    assert_eq!(decision.reason(), Some("no badge"));
}

#[test]
fn headers_come_as_an_object_or_a_list_and_as_one_value_or_many() {
    let permit = permit(
        r#"{"allowed": true, "headers": [{"X-A": ["1", "2"], "x-b": "3"}, {"x-c": []}, {"x-A": "4"}]}"#,
    );
    let headers = permit.request_headers();
    assert_eq!(
        pairs(headers),
        [("x-a", "1"), ("x-a", "2"), ("x-b", "3"), ("x-a", "4")]
    );
    let appended: Vec<_> = headers.iter().map(Header::append).collect();
    let append = Some(AppendAction::AppendIfExistsOrAdd);
    assert_eq!(appended, [None, append, None, append]);
}

#[test]
fn sets_are_lists_in_their_order() {
    let decision = object(vec![
        ("allowed", Value::from(true)),
        ("headers", object(vec![("x", set(&["b", "a"]))])),
        ("request_headers_to_remove", set(&["z", "y"])),
        ("query_parameters_to_remove", set(&["q", "p"])),
        (
            "query_parameters_to_set",
            object(vec![("s", set(&["2", "1"]))]),
        ),
        (
            "dynamic_metadata",
            object(vec![("groups", set(&["b", "a"]))]),
        ),
    ]);
    let Ok(Decision::Allow(permit)) = Decision::parse(&decision) else {
        panic!("no allow");
    };
    assert_eq!(pairs(permit.request_headers()), [("x", "a"), ("x", "b")]);
    let removed = permit.request_headers_to_remove().iter();
    assert_eq!(
        removed.map(HeaderName::as_str).collect::<Vec<_>>(),
        ["y", "z"]
    );
    assert_eq!(permit.query_parameters_to_remove(), ["p", "q"]);
    let values = permit.query_parameters_to_set().iter();
    assert_eq!(
        values.map(QueryParameter::value).collect::<Vec<_>>(),
        ["1", "2"]
    );
    let groups = Json::List(vec![Json::String("a".into()), Json::String("b".into())]);
    let metadata = permit.dynamic_metadata().expect("metadata");
    assert_eq!(metadata.fields(), [("groups".into(), groups)]);
}

#[test]
fn append_actions_are_taken_where_envoy_honours_them() {
    let actions = [
        (
            "APPEND_IF_EXISTS_OR_ADD",
            AppendAction::AppendIfExistsOrAdd,
            true,
        ),
        ("ADD_IF_ABSENT", AppendAction::AddIfAbsent, false),
        (
            "OVERWRITE_IF_EXISTS_OR_ADD",
            AppendAction::OverwriteIfExistsOrAdd,
            true,
        ),
        (
            "OVERWRITE_IF_EXISTS",
            AppendAction::OverwriteIfExists,
            false,
        ),
    ];
    for (name, action, on_request) in actions {
        let header = format!(r#"{{"x": {{"value": "1", "append_action": "{name}"}}}}"#);
        let response = permit(&format!(
            r#"{{"allowed": true, "response_headers_to_add": {header}}}"#
        ));
        assert_eq!(response.response_headers()[0].append(), Some(action));
        let request = parse(&format!(r#"{{"allowed": true, "headers": {header}}}"#));
        assert_eq!(request.is_ok(), on_request, "{name}");
    }
    let wrong = [
        (
            r#"{"append_action": "ADD_IF_ABSENT"}"#,
            "`headers.x.value` is missing",
        ),
        (
            r#"{"value": "1", "append_action": "add"}"#,
            "`headers.x.append_action` is not one of Envoy's append actions",
        ),
        (
            r#"{"value": 1}"#,
            "`headers.x.value` must be a string, is a number",
        ),
    ];
    for (value, message) in wrong {
        let text = format!(r#"{{"allowed": false, "headers": {{"x": {value}}}}}"#);
        assert_eq!(refused(&text), message);
    }
}

mod hostile;
mod limits;
