//! Where values of different types are ordered differently from OPA, with both answers.

use crate::{difference::Difference, generate::Case};

pub(crate) fn differences() -> Vec<Difference> {
    let row = |expression: &str, ours, theirs| Difference {
        case: Case {
            policy: format!("package t\n\ndecision := {expression}\n"),
            data: "{}".to_owned(),
            inputs: vec![r#"{"object":{"a":1},"elements":[1]}"#.to_owned()],
        },
        ours,
        theirs,
    };
    vec![
        row(
            "{element | some element in input.elements} < input.object",
            "true",
            "false",
        ),
        row(
            "input.object >= {element | some element in input.elements}",
            "true",
            "false",
        ),
        row(
            "min([input.object, {element | some element in input.elements}])",
            "[1]",
            r#"{"a":1}"#,
        ),
    ]
}
