//! No combination lets a request through but a permit and dry-run.

use proptest::prelude::*;

use super::*;
use crate::identity::jwt::JwtError;

fn errors() -> impl Strategy<Value = CheckError> {
    let stages = proptest::sample::select(Stage::ALL.to_vec());
    prop_oneof![
        stages.prop_map(CheckError::Budget),
        Just(()).prop_map(|()| CheckError::Overload(Shed::InFlight)),
        Just(()).prop_map(|()| CheckError::NotReady),
        Just(()).prop_map(|()| CheckError::Internal),
        proptest::sample::select(JwtError::ALL.to_vec()).prop_map(CheckError::Token),
        Just(()).prop_map(|()| EvalError::Undefined.into()),
        Just(()).prop_map(|()| EvalError::Conflict(None).into()),
        Just(()).prop_map(|()| EvalError::TimeLimit.into()),
        any::<usize>().prop_map(|n| EvalError::InstructionLimit(n).into()),
        ".*".prop_map(|text| EvalError::Failed(EvaluatorError(text)).into()),
    ]
}

/// Any JSON, with the keys and values of decisions among it.
fn answers() -> impl Strategy<Value = serde_json::Value> {
    let leaf = prop_oneof![
        Just(serde_json::Value::Null),
        any::<bool>().prop_map(Into::into),
        any::<i64>().prop_map(Into::into),
        (0..700_u16).prop_map(Into::into),
        "[a-z\r\n\0 é]{0,8}".prop_map(Into::into),
    ];
    let keys = proptest::sample::select(vec![
        "allowed",
        "headers",
        "body",
        "http_status",
        "dynamic_metadata",
        "reason",
        "value",
        "response_headers_to_add",
        "query_parameters_to_set",
        ":path",
        "host",
        "x-any",
        "te",
    ]);
    let value = leaf.prop_recursive(4, 32, 6, move |inner| {
        let object = proptest::collection::hash_map(keys.clone(), inner.clone(), 0..6);
        prop_oneof![
            proptest::collection::vec(inner, 0..4).prop_map(Into::into),
            object.prop_map(|fields| {
                fields
                    .into_iter()
                    .map(|(key, value)| (key.to_owned(), value))
                    .collect()
            }),
        ]
    });
    (any::<bool>(), any::<bool>(), value).prop_map(|(likely, allowed, mut value)| {
        if let (true, Some(fields)) = (likely, value.as_object_mut()) {
            fields.insert("allowed".to_owned(), allowed.into());
        }
        value
    })
}

fn options() -> impl Strategy<Value = Options> {
    let on_error = proptest::sample::select(vec![
        OnError::DeniedResponse,
        OnError::ErrorResponse,
        OnError::GrpcError,
    ]);
    (on_error, any::<bool>(), any::<bool>()).prop_map(|(on_error, dry_run, named)| Options {
        on_error,
        dry_run,
        expose_reason: named.then(|| "x-reason".parse().expect("a name")),
        decision_id_header: named.then(|| "x-id".parse().expect("a name")),
        retry_after: 1,
    })
}

fn is_allow(outcome: &Outcome) -> bool {
    matches!(outcome, Ok(Decision::Allow(_)))
}

/// Envoy lets a request through when the code is zero, whatever else is there.
fn lets_through(reply: &Reply) -> bool {
    match reply {
        Reply::Response(bytes) => decode(bytes).status.is_none_or(|status| status.code == 0),
        Reply::GrpcError { .. } => false,
    }
}

proptest! {
    #[test]
    fn only_a_permit_or_dry_run_lets_a_request_through(
        answer in answers(), error in errors(), fails in any::<bool>(), options in options(), id in ".*",
    ) {
        let outcome = if fails { Err(error) } else { decide(&answer.to_string()) };
        let reply = respond(&outcome, &id, &options);
        prop_assert_eq!(lets_through(&reply), is_allow(&outcome) || options.dry_run);
        if let Reply::GrpcError { .. } = reply {
            prop_assert!(!options.dry_run && options.on_error == OnError::GrpcError);
            prop_assert_eq!(Answer::of(&outcome), Answer::Error);
        }
    }

    #[test]
    fn only_the_boolean_allowed_makes_a_permit(answer in answers()) {
        let says_so = answer == true || answer.get("allowed") == Some(&true.into());
        if is_allow(&decide(&answer.to_string())) {
            prop_assert!(says_so);
        }
    }

    #[test]
    fn dry_run_changes_nothing(answer in answers(), error in errors(), fails in any::<bool>(), options in options()) {
        let options = Options { dry_run: true, ..options };
        let outcome = if fails { Err(error) } else { decide(&answer.to_string()) };
        let Reply::Response(bytes) = respond(&outcome, ID, &options) else {
            return Err(TestCaseError::fail("a gRPC error"));
        };
        let response = decode(&bytes);
        prop_assert_eq!(code(&response), 0);
        prop_assert_eq!(decision_id(&response), Some(ID));
        prop_assert!(response.http_response.is_none());
    }

    #[test]
    fn no_text_that_leaves_can_split_an_answer(answer in answers(), options in options()) {
        let Reply::Response(bytes) = respond(&decide(&answer.to_string()), "a\r\nb", &options) else {
            return Err(TestCaseError::fail("a gRPC error"));
        };
        let headers = match decode(&bytes).http_response {
            Some(HttpResponse::OkResponse(ok)) => [ok.headers, ok.response_headers_to_add].concat(),
            Some(HttpResponse::DeniedResponse(denied) | HttpResponse::ErrorResponse(denied)) => denied.headers,
            None => Vec::new(),
        };
        for header in headers.into_iter().filter_map(|option| option.header) {
            prop_assert!(!header.value.contains(['\r', '\n', '\0']));
            prop_assert!(!header.key.contains(char::is_control));
        }
    }
}

#[test]
fn the_policys_metadata_stays_in_dry_run() {
    let options = Options {
        dry_run: true,
        ..Options::default()
    };
    for allowed in [true, false] {
        let outcome = decide(&format!(
            r#"{{"allowed": {allowed}, "headers": {{"x": "1"}}, "dynamic_metadata": {{"k": "v"}}}}"#
        ));
        let response = answer(&outcome, &options);
        assert_eq!(code(&response), 0);
        assert_eq!(response.http_response, None);
        assert_eq!(metadata(&response).fields.len(), 2);
    }
}
