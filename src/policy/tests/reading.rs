//! What of the input a policy is found to read.

use super::*;

/// The reads of `data.a.allow`, one a line without the leading `input`.
fn reads(text: &str) -> String {
    reads_of(&[module(text)], &at("a/allow"))
}

fn reads_of(files: &[PolicyFile], options: &LoadOptions) -> String {
    let policy = match Policy::load(files, options) {
        Ok(policy) => policy,
        Err(error) => panic!("{:?}", error.0),
    };
    let text = policy.reads().to_string();
    let lines = text.lines().map(|line| line.strip_prefix("input").unwrap());
    lines.collect::<Vec<_>>().join(" ")
}

#[expect(clippy::too_many_lines, reason = "a table")]
#[test]
fn reads_are_found_wherever_they_stand() {
    for (what, body, expected) in [
        ("nothing", "allow := 1", ""),
        ("bare input", "allow if input", ""),
        ("statement", "allow if input.x", ".x"),
        ("value", "allow := input.x.y", ".x.y"),
        ("brackets", "allow if input[\"x y\"].z", "[\"x y\"].z"),
        ("raw string", "allow if input[`x`].z", ".x.z"),
        ("comparison", "allow if input.x == input.y", ".x .y"),
        ("negation", "allow if not input.x", ".x"),
        ("number index", "allow if input.x[0].y", ".x"),
        ("variable index", "allow if input.x[_].y", ".x"),
        ("index by a read", "allow if data.b[input.x]", ".x"),
        (
            "index by a read below input",
            "allow if input.x[input.y].z",
            ".x .y",
        ),
        ("some in", "allow if { some x in input.x; x }", ".x"),
        (
            "some key in",
            "allow if { some k, v in input.x; v == k }",
            ".x",
        ),
        (
            "every",
            "allow if every x in input.x { x == input.y }",
            ".x .y",
        ),
        (
            "comprehension",
            "allow if count({x | x := input.x[_]; input.y}) > 0",
            ".x .y",
        ),
        (
            "object comprehension",
            "allow := {input.x: v | v := input.y}",
            ".x .y",
        ),
        ("array", "allow := [input.x]", ".x"),
        (
            "object key and value",
            "allow := {input.x: input.y}",
            ".x .y",
        ),
        ("argument", "allow if startswith(input.x, input.y)", ".x .y"),
        (
            "own function",
            "allow if f(input.x)\nf(y) if y.z == input.y",
            ".x .y",
        ),
        ("function head", "allow if f(1)\nf(input.x) if true", ".x"),
        (
            "else",
            "allow if input.x else := input.y if input.z",
            ".x .y .z",
        ),
        ("default", "default allow := false\nallow if input.x", ".x"),
        ("helper", "allow if helper\nhelper if input.x", ".x"),
        (
            "helper by data",
            "allow if data.a.helper\nhelper if input.x",
            ".x",
        ),
        ("unreachable", "allow if input.x\nother if input.y", ".x"),
        (
            "partial set",
            "allow if s.q\ns contains input.x if input.y",
            ".x .y",
        ),
        (
            "partial object",
            "allow if o.q\no[input.x] := input.y",
            ".x .y",
        ),
        (
            "dynamic data",
            "allow if data[input.x]\nother if input.y",
            ".x .y",
        ),
        ("package", "allow := data.a.other\nother if input.x", ".x"),
        ("assigned", "allow if { x := input.x.y; x.z }", ".x.y.z"),
        (
            "assigned and read twice",
            "allow if { x := input.x; x.y; x[\"z\"].a == x.y }",
            ".x.y .x.z.a",
        ),
        ("assigned alone", "allow if { x := input.x.y }", ".x.y"),
        (
            "assigned and used as a whole",
            "allow if { x := input.x; x.y; count(x) > 1 }",
            ".x",
        ),
        (
            "assigned and looked up by a value",
            "allow if { x := input.x; x.y; x[data.b] }",
            ".x",
        ),
        (
            "assigned in two bodies",
            "allow if { x := input.x; x.z }\nelse if { x := input.y; x.z }",
            ".x .y",
        ),
        (
            "assigned by an unknown step",
            "allow if { x := input.x[data.b]; x.z }",
            ".x",
        ),
        ("membership", "allow if input.x in input.y", ".x .y"),
        ("arithmetic", "allow if input.x + input.y > 1", ".x .y"),
        (
            "with input",
            "allow if helper with input as {\"x\": input.y}\nhelper if input.x",
            ".x .y",
        ),
        (
            "with a part",
            "allow if helper with input.x.z as 1\nhelper if input.x.z",
            ".x",
        ),
        (
            "with data",
            "allow if helper with data.b as input.y\nhelper if data.b == input.x",
            ".x .y",
        ),
        (
            "with a function",
            "allow if startswith(\"a\", \"b\") with startswith as f\nf(_, _) if input.x",
            ".x",
        ),
    ] {
        let expected = if what == "bare input" { "" } else { expected };
        assert_eq!(reads(&format!("package a\n{body}\n")), expected, "{what}");
    }
}

#[test]
fn input_as_a_whole_is_everything() {
    for body in [
        "allow if input",
        "allow if input[data.x]",
        "allow if f(input)\nf(x) if x.y",
        "allow if { x := input; count(x) > 1 }",
        "allow if walk(input, [_, \"x\"])",
        "allow if { some x in input; x }",
        "allow if object.get(input, \"x\", 1)",
    ] {
        let policy = Policy::load(&[module(&format!("package a\n{body}\n"))], &at("a/allow"));
        assert_eq!(policy.unwrap().reads(), &Reads::Everything, "{body}");
    }
    let policy = Policy::load(&[module("package a\nallow := 1\n")], &at("a/allow")).unwrap();
    assert_eq!(policy.reads(), &Reads::Nothing);
}

#[test]
fn imports_are_followed() {
    let text = "package a\nimport input.attributes.request.http as http_request\nimport data.roles\n\
                allow if { http_request.method == \"GET\"; roles[http_request.headers.x] }\n";
    assert_eq!(
        reads(text),
        ".attributes.request.http.headers.x .attributes.request.http.method"
    );
    assert_eq!(reads("package a\nimport input.x\nallow if x.y\n"), ".x.y");
    assert_eq!(
        reads("package a\nimport input as whole\nallow if whole.y\n"),
        ".y"
    );
}

#[test]
fn other_packages_are_followed() {
    let library = file(
        "lib.rego",
        b"package lib\nok(x) if x == input.y\nname := input.z\n",
    );
    let text = "package a\nimport data.lib\nallow if { lib.ok(input.x); data.lib.name }\n";
    assert_eq!(
        reads_of(&[module(text), library], &at("a/allow")),
        ".x .y .z"
    );
}

#[test]
fn v0_modules_are_followed() {
    let options = LoadOptions {
        v0_compatible: true,
        ..at("a/allow")
    };
    let text = "package a\ndefault allow = false\nallow { input.x = y; y == input.z[_] }\nallow { helper[\"q\"] }\nhelper[k] { k := input.k }\n";
    assert_eq!(reads_of(&[module(text)], &options), ".k .x .z");
}

#[test]
fn a_query_is_followed() {
    let text = "package a\nallow if input.x\n";
    assert_eq!(
        reads_of(&[module(text)], &query("data.a.allow == input.y")),
        ".x .y"
    );
    assert_eq!(reads_of(&[module(text)], &query("input.z")), ".z");
}
