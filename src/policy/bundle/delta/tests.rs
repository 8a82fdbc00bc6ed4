//! Changes as OPA 1.22 makes them, and those that it and we refuse.

use super::*;
use crate::policy::bundle::tests::{archive, contents, snapshot, value};
use crate::policy::bundle::{Contents, Limits};

const DATA: &str = r#"{"r":{"a":{"b":[1,2,3],"o":{"k":1},"s":"x","l":[{"k":1}]},"c":1}}"#;
const ROOTS: &str = r#"{"revision":"s","roots":["r"]}"#;

fn base() -> Bundle {
    let files: [(&str, &[u8]); 3] = [
        (".manifest", ROOTS.as_bytes()),
        ("data.json", DATA.as_bytes()),
        ("p.rego", b"package r.p\n"),
    ];
    snapshot(&archive(&files)).unwrap()
}

fn delta(manifest: &str, patch: &str) -> Result<Delta, String> {
    let files: [(&str, &[u8]); 2] = [
        ("/.manifest", manifest.as_bytes()),
        ("/patch.json", patch.as_bytes()),
    ];
    match contents(&archive(&files), &Limits::default())? {
        Contents::Delta(delta) => Ok(delta),
        Contents::Snapshot(_) => Err("a snapshot".to_owned()),
    }
}

/// `r` after one change.
fn changed(op: &str, path: &str, new: &str) -> Result<Value, String> {
    let patch = format!(r#"{{"data":[{{"op":"{op}","path":"{path}","value":{new}}}]}}"#);
    let delta = delta(r#"{"revision":"d","roots":["r"]}"#, &patch)?;
    let next = base().patched(&delta).map_err(|error| error.to_string())?;
    Ok(next.data["r"].clone())
}

#[test]
fn changes_are_made_as_opa_makes_them() {
    for (op, path, new, expected) in [
        (
            "upsert",
            "/r/a/o/new",
            "1",
            r#"{"a":{"b":[1,2,3],"o":{"k":1,"new":1},"s":"x","l":[{"k":1}]},"c":1}"#,
        ),
        ("upsert", "/r/a", "{}", r#"{"a":{},"c":1}"#),
        (
            "upsert",
            "/r/x/y/z",
            "1",
            r#"{"a":{"b":[1,2,3],"o":{"k":1},"s":"x","l":[{"k":1}]},"c":1,"x":{"y":{"z":1}}}"#,
        ),
        ("remove", "/r/a", "null", r#"{"c":1}"#),
        ("replace", "/r/a", "7", r#"{"a":7,"c":1}"#),
        ("upsert", "/r", "{\"z\":1}", r#"{"z":1}"#),
        ("upsert", "/r", "1", "1"),
        ("replace", "/r", "2", "2"),
    ] {
        let ours = changed(op, path, new).unwrap();
        assert_eq!(ours, value(expected), "{op} {path}");
    }
    for (op, index, expected) in [
        ("upsert", "0", "[9,1,2,3]"),
        ("upsert", "-", "[1,2,3,9]"),
        ("upsert", "3", "[1,2,3,9]"),
        ("upsert", "01", "[1,9,2,3]"),
        ("replace", "1", "[1,9,3]"),
        ("remove", "1", "[1,3]"),
    ] {
        let ours = changed(op, &format!("/r/a/b/{index}"), "9").unwrap();
        assert_eq!(ours["a"]["b"], value(expected), "{op} {index}");
    }
    for (path, key) in [
        ("x~1y", "x/y"),
        ("x~0y", "x~y"),
        ("x%2Fy", "x/y"),
        ("t/", "t"),
    ] {
        let ours = changed("upsert", &format!("/r/a/o/{path}"), "9").unwrap();
        assert_eq!(ours["a"]["o"][key], value("9"), "{path}");
    }
    let ours = changed("upsert", "/r/a//o", "1").unwrap();
    assert_eq!(ours["a"][""]["o"], value("1"));
    let ours = changed("replace", "/r/a/l/0/k", "5").unwrap();
    assert_eq!(ours["a"]["l"], value(r#"[{"k":5}]"#));
}

#[test]
fn changes_that_opa_refuses_are_refused() {
    for (op, path, rule) in [
        ("remove", "/r/a/o/nope", "there is nothing"),
        ("replace", "/r/a/o/nope", "there is nothing"),
        ("replace", "/r/nope/k", "there is nothing"),
        ("upsert", "/r/a/s/z", "nothing lies below"),
        ("upsert", "/r/a/b/4", "there is nothing"),
        ("upsert", "/r/a/b/-1", "numbers for keys"),
        ("upsert", "/r/a/b/0/q", "nothing lies below"),
        ("replace", "/r/a/b/3", "there is nothing"),
        ("replace", "/r/a/b/-", "numbers for keys"),
        ("remove", "/r/a/b/3", "there is nothing"),
        ("add", "/r/a", "there is no operation `add`"),
        ("upsert", "/other", "outside the bundle's roots"),
        ("upsert", "/", "outside the bundle's roots"),
        ("upsert", "/r%2Fa", "outside the bundle's roots"),
        ("upsert", "/r/%zz", "broken escape"),
        ("upsert", "/r/%ff", "broken escape"),
        ("upsert", "/r/%2", "broken escape"),
    ] {
        let problem = changed(op, path, "9").unwrap_err();
        assert!(problem.contains(rule), "{op} {path}: {problem}");
        assert!(problem.contains("b.tar.gz/patch.json"), "{problem}");
    }
    let deep = |more: usize| format!("/r{}", "/x".repeat(more));
    assert!(
        changed("upsert", &deep(64), "1")
            .unwrap_err()
            .contains("at most 64 parts")
    );
    assert!(changed("upsert", &deep(63), "1").is_ok());
}

#[test]
fn the_manifest_of_the_delta_is_the_next_one() {
    let next = r#"{"revision":"d","roots":["/r/"],"metadata":{"k":2}}"#;
    let delta = delta(next, r#"{"data":[]}"#).unwrap();
    assert_eq!(delta.revision(), Some("d"));
    let before = base();
    let after = before.patched(&delta).unwrap();
    assert_eq!(after.revision(), Some("d"));
    assert_eq!(after.manifest().metadata(), Some(&value(r#"{"k":2}"#)));
    assert_eq!(after.data, before.data);
    assert_eq!(after.modules.len(), 1);
    assert_eq!(before.revision(), Some("s"));
}

#[test]
fn other_roots_are_refused() {
    for manifest in [r#"{"roots":["r","q"]}"#, "{}", r#"{"roots":["r/a"]}"#] {
        let delta = delta(
            manifest,
            r#"{"data":[{"op":"upsert","path":"/r/a/g","value":1}]}"#,
        );
        let problem = base().patched(&delta.unwrap()).unwrap_err().to_string();
        assert!(
            problem.contains("are not the bundle's"),
            "{manifest}: {problem}"
        );
    }
}

#[test]
fn all_changes_are_made_or_none() {
    let patch = r#"{"data":[{"op":"upsert","path":"/r/good","value":1},
        {"op":"remove","path":"/r/nope"}]}"#;
    let before = base();
    let delta = delta(ROOTS, patch).unwrap();
    assert!(before.patched(&delta).is_err());
    assert_eq!(before.data, value(DATA));
}

#[test]
fn what_no_change_touches_is_shared() {
    let address = |bundle: &Bundle, key: &str| {
        let text = bundle.data["r"][key].as_string().unwrap();
        text.as_ptr()
    };
    let files: [(&str, &[u8]); 2] = [
        (".manifest", ROOTS.as_bytes()),
        ("data.json", br#"{"r":{"s":"kept","o":{"k":1}}}"#),
    ];
    let before = snapshot(&archive(&files)).unwrap();
    let patch = r#"{"data":[{"op":"upsert","path":"/r/o/l","value":1}]}"#;
    let after = before.patched(&delta(ROOTS, patch).unwrap()).unwrap();
    assert_eq!(address(&before, "s"), address(&after, "s"));
    assert_eq!(before.data["r"]["o"], value(r#"{"k":1}"#));
    assert_eq!(after.data["r"]["o"], value(r#"{"k":1,"l":1}"#));
}

#[test]
fn what_the_gate_says_about_bundles_cannot_be_patched() {
    let all = snapshot(&archive(&[("data.json", b"{}")])).unwrap();
    let apply = |path: &str, new: &str| {
        let patch = format!(r#"{{"data":[{{"op":"upsert","path":"{path}","value":{new}}}]}}"#);
        all.patched(&delta("{}", &patch).unwrap())
            .map_err(|error| error.to_string())
    };
    assert!(apply("/system/log", "1").is_ok());
    for path in ["/system/bundles/other", "/system/bundles"] {
        assert!(
            apply(path, "1").unwrap_err().contains("by the gate itself"),
            "{path}"
        );
    }
    assert!(apply("/system", r#"{"bundles":1}"#).is_err());
    assert!(apply("/", "{\"a\":1}").is_ok());
    assert!(apply("/", "1").unwrap_err().contains("must be an object"));
}

#[test]
fn a_delta_holds_nothing_else() {
    let with = |name: &str, bytes: &[u8]| {
        let files: [(&str, &[u8]); 3] = [
            (".manifest", ROOTS.as_bytes()),
            ("patch.json", br#"{"data":[]}"#),
            (name, bytes),
        ];
        contents(&archive(&files), &Limits::default())
    };
    for (name, bytes) in [
        ("data.json", &br#"{"r":{}}"#[..]),
        ("p.rego", b"package r"),
        ("README.md", b"text"),
    ] {
        let problem = with(name, bytes).unwrap_err();
        assert!(
            problem.contains(name) && problem.contains("no other files"),
            "{problem}"
        );
    }
}

#[test]
fn a_patch_has_its_form() {
    for (patch, rule) in [
        ("{}", "a list `data`"),
        ("[]", "a list `data`"),
        (r#"{"data":{}}"#, "a list `data`"),
        (r#"{"data":[1]}"#, "`data[0]`: `op` must be a string"),
        (r#"{"data":[{"op":"remove"}]}"#, "`path` must be a string"),
        (
            r#"{"data":[{"op":"upsert","path":"/r/a"}]}"#,
            "`value` is missing",
        ),
        (r#"{"data":[]"#, "invalid JSON"),
    ] {
        let problem = delta(ROOTS, patch).unwrap_err();
        assert!(problem.contains(rule), "{patch}: {problem}");
    }
    assert!(
        delta(
            ROOTS,
            r#"{"data":[{"op":"remove","path":"/r/a","x":1}],"y":2}"#
        )
        .is_ok()
    );
}

#[test]
fn a_delta_is_only_so_much_work() {
    let patch = |count: usize, operation: &str| {
        let operations = vec![operation; count].join(",");
        format!(r#"{{"data":[{operations}]}}"#)
    };
    let upsert = r#"{"op":"upsert","path":"/r/c","value":1}"#;
    assert!(delta(ROOTS, &patch(10_000, upsert)).is_ok());
    let problem = delta(ROOTS, &patch(10_001, upsert)).unwrap_err();
    assert!(
        problem.contains("`data` has 10001 operations; 10000 are the most"),
        "{problem}"
    );
    let data = format!(r#"{{"r":[{}0]}}"#, "0,".repeat(100_000));
    let files: [(&str, &[u8]); 2] = [
        (".manifest", ROOTS.as_bytes()),
        ("data.json", data.as_bytes()),
    ];
    let long = snapshot(&archive(&files)).unwrap();
    for operation in [
        r#"{"op":"upsert","path":"/r/0","value":1}"#,
        r#"{"op":"remove","path":"/r/0"}"#,
    ] {
        let few = delta(ROOTS, &patch(900, operation)).unwrap();
        assert!(long.patched(&few).is_ok());
        let many = delta(ROOTS, &patch(1_100, operation)).unwrap();
        let problem = long.patched(&many).unwrap_err().to_string();
        assert!(problem.contains("moves more than 100000000"), "{problem}");
    }
    let at_the_end = r#"{"op":"upsert","path":"/r/-","value":1}"#;
    let all = delta(ROOTS, &patch(10_000, at_the_end)).unwrap();
    assert!(long.patched(&all).is_ok());
}
