//! The list: each construct with a policy that consists of it.

use portcullis::policy::Construct;

/// A construct and rules that use it, with what `decision` comes to for one of [`INPUTS`].
pub(crate) struct Row {
    pub(crate) construct: Construct,
    pub(crate) rules: &'static str,
    pub(crate) expected: &'static str,
}

impl Row {
    pub(crate) fn module(&self) -> String {
        format!("package t\n\n{}\n", self.rules)
    }
}

/// Base data of every row.
pub(crate) const DATA: &str = r#"{"base":{"list":[1,2,3],"users":{"alice":["admin"]},"empty":[]}}"#;

/// Every row is evaluated on each.
pub(crate) const INPUTS: &[&str] = &[
    r#"{"a":1,"b":"x","c":{"d":"y"},"xs":[1,"x"],"user":"alice"}"#,
    r#"{"a":"1","b":["x"],"c":"d","xs":"x","user":"bob"}"#,
    "{}",
];

const fn row(construct: Construct, rules: &'static str, expected: &'static str) -> Row {
    Row {
        construct,
        rules,
        expected,
    }
}

/// Each runs on the virtual machine.
pub(crate) const PROVEN: &[Row] = &[
    row(Construct::Scalar, "decision := 1.5", "1.5"),
    row(Construct::ArrayLiteral, "decision := [1, input.a]", "[1,1]"),
    row(
        Construct::SetLiteral,
        "decision if input.a in {1, 2}",
        "true",
    ),
    row(
        Construct::ObjectLiteral,
        "decision := {\"allowed\": true, \"x\": input.b}",
        r#"{"allowed":true,"x":"x"}"#,
    ),
    row(Construct::InputReference, "decision := input.c.d", r#""y""#),
    row(
        Construct::DataReference,
        "decision := data.base.list",
        "[1,2,3]",
    ),
    row(
        Construct::RuleReference,
        "decision if data.t.other\nother if input.a == 1",
        "true",
    ),
    row(
        Construct::LocalReference,
        "decision if {\n  x := input.c\n  x.d == \"y\"\n}",
        "true",
    ),
    row(
        Construct::LiteralIndex,
        "decision := data.base.list[1]",
        "2",
    ),
    row(
        Construct::BoundIndex,
        "decision := data.base.users[input.user]",
        r#"["admin"]"#,
    ),
    row(
        Construct::ReferenceIteration,
        "decision if data.base.list[_] == input.a",
        "true",
    ),
    row(Construct::Comparison, "decision if input.a >= 1", "true"),
    row(
        Construct::Membership,
        "decision if input.a in data.base.list",
        "true",
    ),
    row(
        Construct::Assignment,
        "decision if {\n  x := input.missing\n  not x == 1\n} else := 7",
        "7",
    ),
    row(Construct::Negation, "decision if not input.a == 1", "true"),
    row(
        Construct::SomeIn,
        "decision if {\n  some x in input.xs\n  x == 1\n}",
        "true",
    ),
    row(
        Construct::SomeKeyIn,
        "decision if {\n  some i, x in [4, 1]\n  x == input.a\n  i == 1\n}",
        "true",
    ),
    row(
        Construct::SomeDeclaration,
        "decision if {\n  some i\n  input.xs[i] == \"x\"\n}",
        "true",
    ),
    row(
        Construct::Every,
        "decision if every x in data.base.list { x >= input.a }",
        "true",
    ),
    row(
        Construct::ArrayComprehension,
        "decision := [x | x := input.xs[_]]",
        r#"[1,"x"]"#,
    ),
    row(
        Construct::SetComprehension,
        "decision if 1 in {x | some x in input.xs}",
        "true",
    ),
    row(
        Construct::Builtin,
        "decision if startswith(input.b, \"x\")",
        "true",
    ),
    row(
        Construct::FunctionCall,
        "decision if is_x(input.b)\nis_x(v) if v == \"x\"",
        "true",
    ),
    row(
        Construct::CompleteRule,
        "decision := input.a if input.b",
        "1",
    ),
    row(
        Construct::EqualDefinitions,
        "decision if input.a == 1\ndecision if input.b == \"x\"",
        "true",
    ),
    row(
        Construct::DefaultRule,
        "default decision := false\ndecision if input.a == 1",
        "false",
    ),
    row(
        Construct::Else,
        "decision := 1 if input.a == 1 else := 2 if input.b else := 3",
        "3",
    ),
    row(
        Construct::PartialSet,
        "decision if \"x\" in names\nnames contains x if some x in input.xs",
        "true",
    ),
    row(
        Construct::Function,
        "decision := second(input.xs)\nsecond(xs) := xs[1]",
        r#""x""#,
    ),
];

/// Each goes to the interpreter. On the first of them the virtual machine was seen to differ or not
/// to compile, on the rest nothing was shown.
pub(crate) const INTERPRETED: &[Row] = &[
    // The machine goes on where the interpreter gives up.
    row(
        Construct::Arithmetic,
        "default decision := 7\ndecision := input.a + 1",
        "2",
    ),
    row(
        Construct::SetOperator,
        "default decision := 7\ndecision if 1 in ({1} | {input.a})",
        "true",
    ),
    row(
        Construct::SomeInComputed,
        "decision if {\n  some x in f(input.xs)\n  x == 1\n}\nf(x) := x",
        "true",
    ),
    row(
        Construct::LateDeclaration,
        "decision if {\n  input.b\n  some i\n  input.xs[i] == \"x\"\n}",
        "true",
    ),
    // The machine answers undefined.
    row(
        Construct::DifferingDefinitions,
        "decision := 1 if input.a\ndecision := 2 if input.b",
        "conflict",
    ),
    row(
        Construct::IteratedValue,
        "decision := x if some x in input.xs",
        "conflict",
    ),
    row(
        Construct::DefaultFunction,
        "decision := f(input.b)\ndefault f(_) := 7\nf(x) := 1 if x == \"y\"",
        "7",
    ),
    row(
        Construct::ElseBehindValue,
        "decision := input.missing if input.a else := 7",
        "7",
    ),
    // The machine keeps terms that are undefined.
    row(
        Construct::ComputedTerm,
        "decision := [x.d | some x in [input.c, input.b]]",
        r#"["y"]"#,
    ),
    // The machine does not look at the key.
    row(
        Construct::KeyMembership,
        "default decision := false\ndecision if 1, \"x\" in input.xs",
        "true",
    ),
    // The machine iterates where the interpreter looks up.
    row(
        Construct::EveryIndex,
        "default decision := false\ndecision if every i, x in [2, 1] { x == data.base.list[i] }",
        "false",
    ),
    // The machine does not assert inside.
    row(
        Construct::NegatedComprehension,
        "default decision := false\ndecision if not [x | some x in input.xs; x == 9] == [1]",
        "true",
    ),
    // The machine does not compile them.
    row(
        Construct::With,
        "decision if other with input as {\"z\": 1}\nother if input.z",
        "true",
    ),
    row(
        Construct::VirtualDocument,
        "decision := count(data.t.sub)\nsub.a := input.a\nsub.b := 2",
        "2",
    ),
    row(
        Construct::PartialObject,
        "decision := o.k\no[k] := 1 if some k in {\"k\"}",
        "1",
    ),
    row(Construct::UnaryMinus, "decision := - 1 if input.a", "-1"),
    // Nothing shown.
    row(
        Construct::ComputedObjectKey,
        "decision := {input.b: 1}",
        r#"{"x":1}"#,
    ),
    row(Construct::ExpressionReference, "decision := [1, 2][1]", "2"),
    row(
        Construct::PatternIndex,
        "decision if pairs[[1, input.b]]\npairs contains [1, \"x\"]",
        "true",
    ),
    row(
        Construct::Destructuring,
        "decision := y if [_, y] := input.xs",
        r#""x""#,
    ),
    row(
        Construct::Unification,
        "decision if input.b = \"x\"",
        "true",
    ),
    row(
        Construct::NegatedIteration,
        "decision if { some i in [0, 1]; not data.base.empty[i] }",
        "true",
    ),
    row(
        Construct::SomeInPattern,
        "decision := y if some [1, y] in [[1, input.b]]",
        r#""x""#,
    ),
    row(
        Construct::LateIteration,
        "default decision := false\ndecision if count([1 | input.missing]) == 1",
        "false",
    ),
    row(
        Construct::ObjectComprehension,
        "decision := {k: 1 | some k in input.xs}",
        r#"{"1":1,"x":1}"#,
    ),
    row(Construct::OtherBuiltin, "decision := abs(input.a)", "1"),
    row(
        Construct::OutputArgument,
        "decision := n if count(input.xs, n)",
        "2",
    ),
    row(
        Construct::ComputedDefault,
        "default decision := [x | some x in [1]]\ndecision := 1 if input.nope",
        "[1]",
    ),
    row(
        Construct::SeveralBodies,
        "decision if { input.nope } { input.a }",
        "true",
    ),
    row(
        Construct::ReferenceHead,
        "decision := sub.a\nsub.a := input.a",
        "1",
    ),
    row(
        Construct::FunctionPattern,
        "decision := f(input.xs)\nf([_, y]) := y",
        r#""x""#,
    ),
    row(Construct::RegoV0, "decision { input.a == 1 }", "true"),
    row(
        Construct::DocumentEntrypoint,
        "decision := 1",
        r#"{"decision":1}"#,
    ),
    row(Construct::QueryEntrypoint, "decision := 1", "1"),
    row(
        Construct::StrictBuiltinErrors,
        "decision := to_number(input.a)",
        "1",
    ),
];
