//! Masks by OPA's rules, and pointers that mean nothing.

use proptest::prelude::*;

use super::*;
use crate::decision_log::samples::json;

const EVENT: &str = r#"{
    "input": {"a": {"b": 1, "c/d": 2, "~1": 3}, "list": [1, {"x": 2}, 3], "n": null},
    "result": {"allowed": true},
    "labels": {"id": "x"}
}"#;

/// Input, result and what was done.
fn masked(rules: &str) -> (String, String, Vec<String>, Vec<String>) {
    let rules = Rule::list(&json(rules)).unwrap();
    let mut event = Maskable::of(&json(EVENT));
    let Done { erased, masked } = apply(&rules, &mut event);
    let text = |value: Option<Value>| value.map_or_else(|| "-".to_owned(), |v| v.to_string());
    (text(event.input), text(event.result), erased, masked)
}

#[test]
fn paths_are_removed_where_they_are_there_and_passed_over_where_they_are_not() {
    for (path, input) in [
        (
            "/input/a/b",
            Some(r#"{"a":{"c/d":2,"~1":3},"list":[1,{"x":2},3],"n":null}"#),
        ),
        (
            "/input/a/c~1d",
            Some(r#"{"a":{"b":1,"~1":3},"list":[1,{"x":2},3],"n":null}"#),
        ),
        (
            "/input/a/~1",
            Some(r#"{"a":{"b":1,"c/d":2},"list":[1,{"x":2},3],"n":null}"#),
        ),
        (
            "/input/a/~01",
            Some(r#"{"a":{"b":1,"c/d":2},"list":[1,{"x":2},3],"n":null}"#),
        ),
        (
            "/input/list/0",
            Some(r#"{"a":{"b":1,"c/d":2,"~1":3},"list":[{"x":2},3],"n":null}"#),
        ),
        (
            "/input/list/1/x",
            Some(r#"{"a":{"b":1,"c/d":2,"~1":3},"list":[1,{},3],"n":null}"#),
        ),
        (
            "/input/n",
            Some(r#"{"a":{"b":1,"c/d":2,"~1":3},"list":[1,{"x":2},3]}"#),
        ),
        ("/input", Some("-")),
        ("/input/list/3", None),
        ("/input/list/-1", None),
        ("/input/list/+0", None),
        ("/input/a/b/c", None),
        ("/input/n/x", None),
        ("/input/", None),
        ("/input/z/y", None),
        ("/nd_builtin_cache/x", None),
    ] {
        let (found, _, erased, _) = masked(&format!(r#"["{path}"]"#));
        let untouched = masked("[]").0;
        assert_eq!(found, input.unwrap_or(&untouched), "{path}");
        assert_eq!(!erased.is_empty(), input.is_some(), "{path}");
    }
}

#[test]
fn values_are_put_where_there_is_a_place_for_them() {
    for (path, input) in [
        (
            "/input/a/b",
            Some(r#"{"a":{"b":"X","c/d":2,"~1":3},"list":[1,{"x":2},3],"n":null}"#),
        ),
        (
            "/input/new/deep",
            Some(
                r#"{"a":{"b":1,"c/d":2,"~1":3},"list":[1,{"x":2},3],"n":null,"new":{"deep":"X"}}"#,
            ),
        ),
        (
            "/input/list/2",
            Some(r#"{"a":{"b":1,"c/d":2,"~1":3},"list":[1,{"x":2},"X"],"n":null}"#),
        ),
        ("/input", Some(r#""X""#)),
        ("/input/list/3", None),
        ("/input/n/x", None),
        ("/input/a/b/c", None),
    ] {
        let (found, _, _, done) = masked(&format!(
            r#"[{{"op": "upsert", "path": "{path}", "value": "X"}}]"#
        ));
        let untouched = masked("[]").0;
        assert_eq!(found, input.unwrap_or(&untouched), "{path}");
        assert_eq!(!done.is_empty(), input.is_some(), "{path}");
    }
}

#[test]
fn what_was_done_is_told_in_the_order_of_the_rules() {
    let (_, result, erased, done) = masked(
        r#"["/result/allowed", "/input/a/b", "/input/none",
            {"op": "remove", "path": "/input/n"}, {"op": "upsert", "path": "/input/a/b", "value": {}}]"#,
    );
    assert_eq!(result, "{}");
    assert_eq!(erased, ["/result/allowed", "/input/a/b", "/input/n"]);
    assert_eq!(done, ["/input/a/b"]);
}

#[test]
fn an_answer_that_is_no_mask_is_refused() {
    for (answer, error) in [
        (r#"{"a": 1}"#, "the mask is neither a set nor an array"),
        ("true", "the mask is neither a set nor an array"),
        (
            "[1]",
            "a mask rule is neither a path nor an object with `op` and `path`",
        ),
        (
            r#"[{"path": "/input"}]"#,
            "a mask rule is neither a path nor an object with `op` and `path`",
        ),
        (
            r#"[{"op": "move", "path": "/input"}]"#,
            "the mask op `move` is not `remove` or `upsert`",
        ),
        (
            r#"["/labels"]"#,
            "the mask path `/labels` does not begin with `/input`, `/result` or `/nd_builtin_cache`",
        ),
        (
            r#"[""]"#,
            "the mask path `` does not begin with `/input`, `/result` or `/nd_builtin_cache`",
        ),
        (
            r#"["input"]"#,
            "the mask path `input` does not begin with `/input`, `/result` or `/nd_builtin_cache`",
        ),
    ] {
        assert_eq!(Rule::list(&json(answer)).unwrap_err().to_string(), error);
    }
}

fn tree() -> impl Strategy<Value = serde_json::Value> {
    use serde_json::Value as Json;
    let leaf = prop_oneof![
        Just(Json::Null),
        any::<i64>().prop_map(Json::from),
        "[a-c~/]{0,3}".prop_map(Json::from)
    ];
    leaf.prop_recursive(4, 24, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Json::from),
            prop::collection::btree_map("[a-c~/]{1,2}", inner, 0..4)
                .prop_map(|map| Json::Object(map.into_iter().collect())),
        ]
    })
}

/// Every pointer into the tree, by the rules of RFC 6901.
fn pointers(tree: &serde_json::Value, at: &str, found: &mut Vec<String>) {
    found.push(at.to_owned());
    if let Some(items) = tree.as_array() {
        for (index, item) in items.iter().enumerate() {
            pointers(item, &format!("{at}/{index}"), found);
        }
    }
    for (key, value) in tree.as_object().into_iter().flatten() {
        let key = key.replace('~', "~0").replace('/', "~1");
        pointers(value, &format!("{at}/{key}"), found);
    }
}

proptest! {
    #[test]
    fn every_place_that_is_there_can_be_removed_and_replaced(
        input in prop::collection::btree_map("[a-c/]{1,2}", tree(), 0..4),
        choice in any::<prop::sample::Index>(),
    ) {
        let input = serde_json::Value::Object(input.into_iter().collect());
        let mut found = Vec::new();
        pointers(&input, "", &mut found);
        let path = format!("/input{}", choice.get(&found));
        let event = || Maskable { input: Some(json(&input.to_string())), ..Maskable::default() };
        for op in [Op::Remove, Op::Upsert(json("\"new\""))] {
            let mut event = event();
            prop_assert!(Rule::new(&path, op.clone()).unwrap().apply(&mut event), "{} in {}", path, input);
            let after = serde_json::json!({ "input": event.input });
            match op {
                Op::Upsert(_) => prop_assert_eq!(after.pointer(&path).unwrap(), "new"),
                Op::Remove => {
                    let mut left = Vec::new();
                    pointers(&after["input"], "", &mut left);
                    prop_assert!(left.len() < found.len() || path == "/input");
                }
            }
        }
    }

    #[test]
    fn no_path_and_no_tree_makes_a_mask_panic(path in "(/[a-c0-9~/]{0,3}){0,4}", tree in tree(), put in any::<bool>()) {
        let op = if put { Op::Upsert(Value::Null) } else { Op::Remove };
        let mut event = Maskable { input: Some(json(&tree.to_string())), ..Maskable::default() };
        let before = event.clone();
        let applied = Rule::new(&format!("/input{path}"), op).is_ok_and(|rule| rule.apply(&mut event));
        // What was not done has changed nothing but objects on the way.
        prop_assert!(applied || put || event == before);
    }
}
