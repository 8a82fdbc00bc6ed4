//! Built-ins that are replaced: what they come to below their caps, which OPA says too, and calls
//! above them.

use crate::generate::Case;

/// Expressions of `input`; each is asked with every input.
const BELOW: &[&str] = &[
    // On the virtual machine.
    "concat(\",\", split(input.s, \"/\"))",
    "contains(input.s, \"b\")",
    "endswith(input.s, \"c\")",
    "startswith(input.s, \"/a\")",
    "indexof(input.s, \"b\")",
    "lower(input.s)",
    "upper(input.s)",
    "max(input.xs)",
    "min(input.xs)",
    "sum(input.xs)",
    "object.get(input.o, \"a\", 7)",
    "object.get(input.o, [\"a\", \"b\"], 7)",
    "regex.match(\"^/[a-z]+/b\", input.s)",
    "regex.match(\"[\", input.s)",
    "replace(input.s, \"/\", \"--\")",
    "split(input.s, \"\")",
    "sprintf(\"%v %d %v\", [input.s, 3, input.xs])",
    "sprintf(\"%5d|%05d\", [42, 42])",
    "substring(input.s, 1, 2)",
    "trim(input.s, \"/c\")",
    "trim_prefix(input.s, \"/a\")",
    "trim_space(input.s)",
    "trim_suffix(input.s, \"c\")",
    "glob.match(\"/*/b/*\", [\"/\"], input.s)",
    "to_number(input.n)",
    "union({{1, 2}, {2, 3}, {x | some x in input.xs}})",
    "array.concat(input.xs, [1])",
    "net.cidr_contains(\"10.0.0.0/8\", input.ip)",
    // On the interpreter.
    "numbers.range(1, count(input.xs))",
    "numbers.range(3, 1)",
    "numbers.range_step(1, 10, 4)",
    "numbers.range_step(10, 1, 4)",
    "count(net.cidr_expand(\"10.0.0.0/29\"))",
    "array.reverse(input.xs)",
    "array.slice(input.xs, 1, 2)",
    "sort(input.xs)",
    "product(input.xs)",
    "intersection({{1, 2}, {x | some x in input.xs}})",
    "object.union(input.o, {\"a\": {\"c\": 1}})",
    "object.union_n([input.o, {\"a\": {\"c\": 1}}, {\"a\": 2}, {\"d\": input.xs}])",
    "object.keys(input.o)",
    "object.filter(input.o, [\"a\"])",
    "object.remove(input.o, [\"a\"])",
    "object.subset(input, {\"o\": {\"a\": {\"b\": 1}}})",
    "object.subset([2, 1, 3], [2, 1])",
    "object.subset([2, 1, 3], [])",
    "object.subset([2, 1, 3], {1, 2})",
    "json.unmarshal(json.marshal(input))",
    "json.filter(input, [\"o/a/b\", \"s\"])",
    "json.remove(input, [\"o/a\", \"s\"])",
    "json.patch(input.o, [{\"op\": \"add\", \"path\": \"/x\", \"value\": 1}, {\"op\": \"copy\", \"from\": \"/x\", \"path\": \"/y\"}])",
    "json.match_schema(input.o, {\"properties\": {\"a\": {\"type\": \"object\"}}})[0]",
    "yaml.unmarshal(\"a: [1, {b: 2}]\")",
    "base64.decode(base64.encode(input.s))",
    "base64url.encode_no_pad(input.s)",
    "hex.encode(input.s)",
    "urlquery.encode(input.s)",
    "urlquery.decode(\"a%2Fb\")",
    "regex.replace(input.s, \"[a-c]\", \"<$0>\")",
    "regex.split(\"/\", input.s)",
    "regex.find_n(\"[a-z]\", input.s, 2)",
    "regex.find_n(\"[a-z]\", input.s, -1)",
    "regex.find_all_string_submatch_n(\"/([a-z])\", input.s, -1)",
    "regex.is_valid(input.s)",
    "regex.template_match(\"/a/{.*}\", input.s, \"{\", \"}\")",
    "strings.count(input.s, \"/\")",
    "strings.count(input.s, \"\")",
    "strings.replace_n({\"/\": \"-\", \"a\": \"/\"}, input.s)",
    "strings.reverse(input.s)",
    "strings.any_prefix_match(input.s, [\"/x\", \"/a\"])",
    "strings.any_suffix_match([input.s], [\"c\"])",
    "indexof_n(input.s, \"/\")",
    "graph.reachable({\"a\": [\"b\"], \"b\": [\"c\"], \"c\": []}, [\"a\"])",
    "graph.reachable_paths({\"a\": [\"b\", \"c\"], \"b\": [\"c\"], \"c\": []}, [\"a\"])",
    "count([path | walk(input, [path, _])])",
    "bits.lsh(1, count(input.xs))",
    "format_int(255, 16)",
    "units.parse_bytes(\"10Ki\")",
    "units.parse(\"1.5K\")",
    "semver.compare(\"1.2.3\", \"1.10.0\")",
    "time.parse_duration_ns(\"1h\")",
    "time.parse_rfc3339_ns(\"2024-01-02T03:04:05Z\")",
    "count(input.xs) * 3 * to_number(input.n)",
    "(1 + count(input.xs)) * (2 + 3)",
];

/// One of each type, and nothing at all.
const INPUTS: &[&str] = &[
    r#"{"s":"/a/b/c","xs":[2,1,3],"o":{"a":{"b":1},"z":0},"n":"12","ip":"10.1.2.3"}"#,
    r#"{"s":"","xs":[],"o":{},"n":"-1.5","ip":"192.0.2.1"}"#,
    r#"{"s":7,"xs":"no","o":[1],"n":"x","ip":"::"}"#,
    "{}",
];

/// Expressions that are above a cap with [`LARGE`].
pub(crate) const ABOVE: &[&str] = &[
    "concat(input.s, [input.s, input.s])",
    "replace(input.s, \"a\", input.s)",
    "lower(concat(\"\", [input.s, input.s, input.s]))",
    "split(input.s, \"\")",
    "sprintf(\"%100000d\", [1])",
    "sprintf(\"%v%v%v\", [input.s, input.s, input.s])",
    "max(array.concat(input.xs, [input.xs, input.xs, input.xs]))",
    "regex.match(\"[ab]*a[ab]{50}c\", input.s)",
    "regex.match(\"\\\\w{500}\", input.s)",
    "regex.match(concat(\"\", [\"(\", substring(input.s, 0, 5000), \")\"]), \"a\")",
    "glob.match(\"*a*a*a*a*a*b\", null, input.s)",
    "union({{x | some x in input.xs}, {[x] | some x in input.xs}})",
    "numbers.range(1, 1000000)",
    "net.cidr_expand(\"10.0.0.0/8\")",
    "sort(input.xs)",
    "json.marshal(input.xs)",
    "json.unmarshal(concat(\"\", [\"\\\"\", input.s, input.s, \"\\\"\"]))",
    "walk(input.xs)",
    "bits.lsh(1, 100000)",
    "units.parse(\"1e999999999\")",
    "regex.replace(input.s, \"a\", \"bbbb\")",
];

/// Text of 200,000 bytes and 30,000 numbers.
pub(crate) fn large() -> String {
    let xs: Vec<String> = (0..30_000).map(|x| x.to_string()).collect();
    format!(
        r#"{{"s":"{}","xs":[{}]}}"#,
        "a".repeat(200_000),
        xs.join(",")
    )
}

pub(crate) fn case(expression: &str) -> Case {
    Case {
        policy: format!("package t\n\nimport rego.v1\n\ndecision := {expression}\n"),
        data: "{}".to_owned(),
        inputs: INPUTS.iter().map(|input| (*input).to_owned()).collect(),
    }
}

pub(crate) fn below() -> Vec<Case> {
    BELOW.iter().map(|expression| case(expression)).collect()
}
