//! What loads, and what is said about what does not.

use super::*;

#[test]
fn every_problem_of_every_file_comes_in_one_run() {
    let found = problems(
        &[
            file("one.rego", b"package a\nallow if {\n"),
            file("two.rego", b"package a\n\nallow if rego.metadata.rule()\n"),
            file("three.json", b"{"),
            file("four.txt", b""),
        ],
        &at("a/allow"),
    );
    let text = found.join("\n");
    for part in [
        "one.rego:",
        "two.rego:3:10: there is no function `rego.metadata.rule`",
        "three.json:1:",
        "four.txt:",
    ] {
        assert!(text.contains(part), "{part} in\n{text}");
    }
}

#[test]
fn unsafe_variables_are_all_found_with_place_and_line() {
    let found = problems(
        &[
            file("one.rego", b"package a\n\nallow if {\n  input.x == missing\n}\n\nother if {\n  also_missing\n}\n\nuses if other\n"),
            file("two.rego", b"package a\n\nthird if x == 1\n"),
        ],
        &at("a/allow"),
    );
    assert_eq!(found.len(), 3, "{found:#?}");
    assert_eq!(
        found[0],
        "one.rego:4:14: undefined variable `missing` is unsafe\n  |\n4 |   input.x == missing\n  |              ^"
    );
    assert!(
        found[1].starts_with("one.rego:8:3: undefined variable `also_missing`"),
        "{found:#?}"
    );
    assert!(
        found[2].starts_with("two.rego:3:10: undefined variable `x`"),
        "{found:#?}"
    );
}

#[test]
fn unknown_functions_and_wrong_arguments_are_found_even_in_branches_never_taken() {
    for (text, message, hint) in [
        (
            "allow if { false; rego.metadata.rule() }",
            "there is no function `rego.metadata.rule`",
            "not available",
        ),
        (
            "allow if http.send(\"GET\", \"http://a\", 1)",
            "`http.send`",
            "",
        ),
        (
            "allow if crypto.sha256(\"x\")",
            "there is no function `crypto.sha256`",
            "not available",
        ),
        (
            "allow if startwith(\"x\", \"y\")",
            "there is no function `startwith`",
            "did you mean `startswith`?",
        ),
        (
            "allow if helpr(1)\nhelper(x) if x",
            "there is no function `helpr`",
            "did you mean `helper`?",
        ),
        (
            "allow if data.b.c(1)",
            "there is no function `data.b.c`",
            "",
        ),
        (
            "allow if startswith(\"x\")",
            "`startswith` takes 2 argument(s), not 1",
            "",
        ),
        (
            "allow if helper(1, 2, 3)\nhelper(x) if x",
            "`helper` takes 1 argument(s), not 3",
            "",
        ),
    ] {
        let found = problems(&[module(&format!("package a\n{text}\n"))], &at("a/allow"));
        assert_eq!(found.len(), 1, "{found:#?}");
        assert!(found[0].contains(message), "{found:#?}");
        assert!(found[0].contains(hint), "{found:#?}");
        assert!(found[0].starts_with("policy.rego:2:"), "{found:#?}");
    }
    let text = "package a\nallow if { split(input.x, \",\", parts); parts[0] == \"x\" }\n";
    assert!(Policy::load(&[module(text)], &at("a/allow")).is_ok());
}

#[test]
fn v0_is_refused_with_a_hint_and_taken_with_the_flag() {
    let v0 = "package a\ndefault allow = false\nallow { input.x }\n";
    let text = problems(&[module(v0)], &at("a/allow")).concat();
    assert!(text.contains("hint: this is Rego v0"), "{text}");
    let options = LoadOptions {
        v0_compatible: true,
        ..at("a/allow")
    };
    let policy = Policy::load(&[module(v0)], &options).unwrap();
    assert_eq!(policy.engine(), Engine::Interpreter);
    assert_eq!(
        policy.evaluate(json(r#"{"x":1}"#), LIMITS).unwrap(),
        Value::from(true)
    );
    // A module that says so is v1 either way.
    let v1 = "package a\nimport rego.v1\ndefault allow := false\nallow if input.x\n";
    for options in [&options, &at("a/allow")] {
        assert!(Policy::load(&[module(v1)], options).is_ok());
    }
    assert!(Policy::load(&[module(&format!("{v1}allow {{ input.y }}\n"))], &options).is_err());
}

#[test]
fn a_rule_where_data_is_is_refused() {
    let rule = module("package a\nallow := true\n");
    for data in [&br#"{"a":{"allow":1}}"#[..], br#"{"a":1}"#] {
        let found = problems(&[rule.clone(), file("d.json", data)], &at("a/allow")).concat();
        assert!(found.contains("stands where `d.json` has data"), "{found}");
    }
    let beside = file("d.json", br#"{"a":{"other":1}}"#);
    assert!(Policy::load(&[rule, beside], &at("a/allow")).is_ok());
}

#[test]
fn a_package_may_be_spread_over_files() {
    let files = [
        file("one.rego", b"package a\nallow if helper\n"),
        file("two.rego", b"package a\nhelper if input.x\n"),
    ];
    let policy = Policy::load(&files, &at("a/allow")).unwrap();
    assert_eq!(
        policy.evaluate(json(r#"{"x":1}"#), LIMITS).unwrap(),
        Value::from(true)
    );
    assert_eq!(policy.summary().packages, ["data.a"]);
    assert_eq!((policy.summary().modules, policy.summary().rules), (2, 2));
    assert_eq!(policy.summary().entrypoint, "data.a.allow");
}

#[test]
fn imports_that_mean_two_things_in_one_package_are_refused() {
    let files = [
        file(
            "one.rego",
            b"package a\nimport input.x as http\nallow if http\n",
        ),
        file(
            "two.rego",
            b"package a\nimport input.y as http\nother if http\n",
        ),
    ];
    let text = problems(&files, &at("a/allow")).concat();
    assert!(
        text.contains("`http` means `input.y` here and `input.x` in `one.rego`"),
        "{text}"
    );
    let shadowed = module("package a\nimport data.roles\nallow if roles\nroles := 1\n");
    let text = problems(&[shadowed], &at("a/allow")).concat();
    assert!(text.contains("imported and also a rule"), "{text}");
}

#[test]
fn data_files_go_below_their_folders() {
    let mut roles = file("conf/roles.yaml", b"admin: [alice]\n");
    roles.data_path = vec!["conf".to_owned()];
    let text = "package a\nallow if input.who in data.conf.admin\n";
    let policy = Policy::load(&[module(text), roles], &at("a/allow")).unwrap();
    assert_eq!(policy.engine(), Engine::Rvm);
    assert_eq!(
        policy.evaluate(json(r#"{"who":"alice"}"#), LIMITS).unwrap(),
        Value::from(true)
    );
    let bob = policy.evaluate(json(r#"{"who":"bob"}"#), LIMITS);
    assert!(matches!(bob, Err(EvalError::Undefined)));
}

#[test]
fn the_revision_is_a_digest_of_the_files() {
    let one = Policy::load(&[module(SKELETON)], &at("envoy/authz/allow")).unwrap();
    let same = Policy::load(&[module(SKELETON)], &at("envoy/authz/allow")).unwrap();
    let other = module(&format!("{SKELETON}\n"));
    let other = Policy::load(&[other], &at("envoy/authz/allow")).unwrap();
    assert!(one.revision().starts_with("sha256:"));
    assert_eq!(one.revision(), same.revision());
    assert_ne!(one.revision(), other.revision());
}

#[test]
fn the_interpreters_reasons_have_their_places() {
    let text = "package a\nallow if {\n  helper with input as {}\n}\nhelper if 1 + input.x == 2\n";
    let policy = Policy::load(&[module(text)], &at("a/allow")).unwrap();
    assert_eq!(policy.engine(), Engine::Interpreter);
    let reasons: Vec<String> = policy
        .interpreted_because()
        .iter()
        .map(ToString::to_string)
        .collect();
    let text = reasons.join("\n");
    assert!(text.contains("policy.rego:5:"), "{text}");
    assert!(text.contains("3 |   helper with input as {}"), "{text}");
}

#[test]
fn common_policies_run_on_the_machine() {
    for (what, text) in [
        (
            "several bodies of one flag",
            "default allow := false\nallow if input.x == 1\nallow if startswith(input.y, \"/a\")\n",
        ),
        (
            "helpers",
            "allow if { is_get; owner }\nis_get if input.m == \"GET\"\nowner if input.u == input.o\n",
        ),
        (
            "RBAC",
            "allow if {\n  some role in data.users[input.user]\n  some p in data.roles[role]\n  p.method == input.method\n}\n",
        ),
        (
            "object decision",
            "default allow := {\"allowed\": false, \"http_status\": 403}\nallow := {\"allowed\": true, \"headers\": {\"x-user\": input.user}} if input.ok\n",
        ),
        (
            "membership",
            "allow if input.method in {\"GET\", \"HEAD\"}\n",
        ),
        (
            "function",
            "allow if has(input.scope, \"admin\")\nhas(scope, name) if {\n  some s in split(scope, \" \")\n  s == name\n}\n",
        ),
    ] {
        let policy = Policy::load(&[module(&format!("package a\n{text}"))], &at("a/allow"));
        let policy = policy.unwrap();
        let reasons = policy.interpreted_because();
        assert_eq!(policy.engine(), Engine::Rvm, "{what}: {reasons:?}");
    }
}
