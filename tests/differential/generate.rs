//! Policies, data and inputs out of a list of choices: every construct on the list of proven ones,
//! combined at random.
//!
//! The choices are plain bytes, so that a failing case shrinks by shrinking them: no choice left
//! means the first, simplest alternative everywhere. Types are mixed on purpose, because what an
//! expression does with the wrong type is where evaluators differ.

use std::fmt::Write as _;

use portcullis::policy::proven_builtins;

/// One generated case.
#[derive(Clone, Debug)]
pub(crate) struct Case {
    pub(crate) policy: String,
    pub(crate) data: String,
    pub(crate) inputs: Vec<String>,
}

/// Builds a case whose decision is `data.t.decision`.
pub(crate) fn case(choices: &[u8]) -> Case {
    let mut generator = Generator {
        choices,
        at: 0,
        fresh: 0,
        rules: Vec::new(),
        functions: Vec::new(),
    };
    let policy = generator.policy();
    let inputs = (0..3).map(|_| generator.document(3)).collect();
    let data = format!(
        "{{\"base\":{{\"roles\":{},\"users\":{},\"list\":{}}}}}",
        generator.document(2),
        generator.document(2),
        generator.array(2)
    );
    Case {
        policy,
        data,
        inputs,
    }
}

struct Generator<'c> {
    choices: &'c [u8],
    at: usize,
    fresh: usize,
    /// Names of the rules written so far: a rule refers only to earlier ones.
    rules: Vec<String>,
    functions: Vec<(String, usize)>,
}

impl Generator<'_> {
    fn pick(&mut self, alternatives: usize) -> usize {
        let choice = self.choices.get(self.at).copied().unwrap_or(0);
        self.at += 1;
        usize::from(choice) % alternatives
    }

    fn one_of<'t>(&mut self, texts: &[&'t str]) -> &'t str {
        texts[self.pick(texts.len())]
    }

    fn name(&mut self, prefix: &str) -> String {
        self.fresh += 1;
        format!("{prefix}{}", self.fresh)
    }

    // === JSON ===

    fn scalar_json(&mut self) -> &'static str {
        self.one_of(&[
            "1", "\"a\"", "true", "false", "0", "2", "\"b\"", "null", "\"\"", "1.5", "\"1\"", "-1",
            "\"a b\"",
        ])
    }

    fn json(&mut self, depth: usize) -> String {
        match self.pick(if depth == 0 { 1 } else { 4 }) {
            0 => self.scalar_json().to_owned(),
            1 | 2 => self.document(depth - 1),
            _ => self.array(depth - 1),
        }
    }

    fn array(&mut self, depth: usize) -> String {
        let length = self.pick(4);
        let items: Vec<String> = (0..length).map(|_| self.json(depth)).collect();
        format!("[{}]", items.join(","))
    }

    fn document(&mut self, depth: usize) -> String {
        let mut fields = Vec::new();
        for key in ["a", "b", "c", "1"] {
            if self.pick(3) > 0 {
                fields.push(format!("\"{key}\":{}", self.json(depth)));
            }
        }
        format!("{{{}}}", fields.join(","))
    }

    // === Rules ===

    fn policy(&mut self) -> String {
        let mut text = String::from("package t\n\n");
        for _ in 0..self.pick(5) {
            let rule = match self.pick(6) {
                0 => self.flag_rule(),
                1 => self.value_rule(),
                2 => self.set_rule(),
                3 => self.constants_rule(),
                _ => self.function(),
            };
            text.push_str(&rule);
            text.push('\n');
        }
        let name = "decision".to_owned();
        if self.pick(2) == 0 {
            let value = self.constant(1);
            let _ = writeln!(text, "default {name} := {value}");
        }
        let rule = match self.pick(3) {
            0 => self.flag_definitions(&name, &[]),
            1 => self.value_definition(&name, &[]),
            _ => self.constant_definitions(&name),
        };
        text.push_str(&rule);
        text
    }

    fn with_default(&mut self, name: &str, rule: String) -> String {
        if self.pick(3) == 0 {
            return rule;
        }
        let value = self.constant(1);
        format!("default {name} := {value}\n{rule}")
    }

    fn flag_rule(&mut self) -> String {
        let name = self.name("flag");
        let rule = self.flag_definitions(&name, &[]);
        let rule = self.with_default(&name, rule);
        self.rules.push(name);
        rule
    }

    fn value_rule(&mut self) -> String {
        let name = self.name("value");
        let rule = self.value_definition(&name, &[]);
        let rule = self.with_default(&name, rule);
        self.rules.push(name);
        rule
    }

    fn constants_rule(&mut self) -> String {
        let name = self.name("same");
        let rule = self.constant_definitions(&name);
        let rule = self.with_default(&name, rule);
        self.rules.push(name);
        rule
    }

    fn set_rule(&mut self) -> String {
        let name = self.name("set");
        let mut text = String::new();
        for _ in 0..=self.pick(2) {
            let mut scope = Vec::new();
            let body = self.body(&mut scope, true);
            let key = self.term(&scope, 2);
            let _ = writeln!(text, "{name} contains {key} if {{\n{body}}}");
        }
        self.rules.push(name);
        text
    }

    fn function(&mut self) -> String {
        let name = self.name("f");
        let parameters = self.parameters();
        let head = format!("{name}({})", parameters.join(", "));
        let rule = match self.pick(2) {
            0 => self.value_definition(&head, &parameters),
            _ => self.flag_definitions(&head, &parameters),
        };
        self.functions.push((name, parameters.len()));
        rule
    }

    fn parameters(&mut self) -> Vec<String> {
        (0..=self.pick(2)).map(|_| self.name("p")).collect()
    }

    /// `name if {...}`, one or more times.
    fn flag_definitions(&mut self, head: &str, scope: &[String]) -> String {
        let mut text = String::new();
        for _ in 0..=self.pick(3) {
            let body = self.body(&mut scope.to_vec(), true);
            let _ = writeln!(text, "{head} if {{\n{body}}}");
        }
        text
    }

    /// `name := constant if {...}`, one or more times with the same constant.
    fn constant_definitions(&mut self, head: &str) -> String {
        let value = self.constant(1);
        let mut text = String::new();
        for _ in 0..=self.pick(2) {
            let body = self.body(&mut Vec::new(), true);
            let _ = writeln!(text, "{head} := {value} if {{\n{body}}}");
        }
        text
    }

    /// `name := term if {...}` without iteration, with or without `else`.
    fn value_definition(&mut self, head: &str, scope: &[String]) -> String {
        if self.pick(3) == 1 {
            return self.chained_definition(head, scope);
        }
        let mut inner = scope.to_vec();
        if self.pick(4) == 1 {
            let value = self.term(scope, 3);
            return format!("{head} := {value}\n");
        }
        let body = self.body(&mut inner, false);
        let value = self.term(&inner, 2);
        format!("{head} := {value} if {{\n{body}}}\n")
    }

    /// `name := constant if {...} else := ...`.
    fn chained_definition(&mut self, head: &str, scope: &[String]) -> String {
        let mut text = String::new();
        for at in 0..=self.pick(3) {
            let body = self.body(&mut scope.to_vec(), false);
            let value = self.constant(2);
            let name = if at == 0 { head } else { " else" };
            let _ = write!(text, "{name} := {value} if {{\n{body}}}");
        }
        if self.pick(2) == 1 {
            let value = self.term(scope, 2);
            let _ = write!(text, " else := {value}");
        }
        text.push('\n');
        text
    }

    // === Statements ===

    fn body(&mut self, scope: &mut Vec<String>, may_iterate: bool) -> String {
        let mut text = String::new();
        if may_iterate && self.pick(5) == 1 {
            let items = self.reference(scope);
            let value = self.term(scope, 1);
            let name = self.name("i");
            let _ = writeln!(text, "  some {name}\n  {items}[{name}] == {value}");
            scope.push(name);
        }
        for _ in 0..=self.pick(3) {
            let statement = self.statement(scope, may_iterate, 2);
            let _ = writeln!(text, "  {statement}");
        }
        text
    }

    fn statement(&mut self, scope: &mut Vec<String>, may_iterate: bool, depth: usize) -> String {
        match self.pick(if may_iterate { 11 } else { 7 }) {
            0 => self.condition(scope, depth),
            1 => led(self.term(scope, depth)),
            2 => format!("not {}", self.condition(scope, depth)),
            3 => format!("not {}", self.term(scope, depth)),
            4 => {
                let value = self.term(scope, depth);
                let name = self.name("v");
                scope.push(name.clone());
                format!("{name} := {value}")
            }
            5 => self.every(scope, depth),
            6 => {
                let item = led(self.term(scope, 1));
                let items = self.term(scope, depth);
                format!("{item} in {items}")
            }
            7 => {
                let items = self.collection(scope, depth);
                let name = self.name("v");
                scope.push(name.clone());
                format!("some {name} in {items}")
            }
            8 => {
                let items = self.collection(scope, depth);
                let (key, value) = (self.name("k"), self.name("v"));
                scope.extend([key.clone(), value.clone()]);
                format!("some {key}, {value} in {items}")
            }
            9 => {
                let items = self.reference(scope);
                let value = self.term(scope, 1);
                format!("{items}[_] == {value}")
            }
            _ => {
                let items = self.reference(scope);
                let name = self.name("i");
                let value = self.term(scope, 1);
                scope.push(name.clone());
                format!("{items}[{name}] == {value}")
            }
        }
    }

    /// What `some ... in` iterates.
    fn collection(&mut self, scope: &[String], depth: usize) -> String {
        match self.pick(if depth == 0 { 3 } else { 7 }) {
            0..=2 => self.reference(scope),
            5 => {
                let (a, b) = (self.term(scope, depth - 1), self.term(scope, 0));
                format!("split({a}, {b})")
            }
            6 => {
                let (a, b) = (self.reference(scope), self.reference(scope));
                format!("array.concat({a}, {b})")
            }
            3 => {
                let (a, b) = (self.term(scope, depth - 1), self.term(scope, depth - 1));
                format!("[{a}, {b}]")
            }
            _ => self.comprehension(scope, depth, '{', '}'),
        }
    }

    fn every(&mut self, scope: &[String], depth: usize) -> String {
        let items = self.term(scope, depth);
        let mut inner = scope.to_vec();
        let value = self.name("v");
        inner.push(value.clone());
        let head = if self.pick(2) == 0 {
            value
        } else {
            let key = self.name("k");
            inner.push(key.clone());
            format!("{key}, {value}")
        };
        let condition = self.statement(&mut inner, false, depth.saturating_sub(1));
        format!("every {head} in {items} {{ {condition} }}")
    }

    fn condition(&mut self, scope: &[String], depth: usize) -> String {
        let left = led(self.term(scope, depth));
        if self.pick(3) == 0 {
            let operator = self.one_of(&["==", "!="]);
            return format!("{left} {operator} {}", self.term(scope, 1));
        }
        // Whatever is on the left, the right is never an object or a set: `order` has how these differ.
        let operator = self.one_of(&["<", "<=", ">", ">="]);
        let (first, second) = (self.scalar(), self.scalar());
        match self.pick(3) {
            0 => format!("{left} {operator} [{first}, {second}]"),
            _ => format!("{left} {operator} {first}"),
        }
    }

    // === Terms ===

    fn constant(&mut self, depth: usize) -> String {
        match self.pick(if depth == 0 { 1 } else { 3 }) {
            0 => self
                .one_of(&["true", "false", "1", "\"a\"", "null", "0", "\"b\""])
                .to_owned(),
            1 => {
                let (a, b) = (self.constant(depth - 1), self.constant(depth - 1));
                format!("{{\"allowed\": {a}, \"x\": {b}}}")
            }
            _ => {
                let (a, b) = (self.constant(depth - 1), self.constant(depth - 1));
                format!("[{a}, {b}]")
            }
        }
    }

    fn reference(&mut self, scope: &[String]) -> String {
        let mut text = match self.pick(5) {
            3 if !scope.is_empty() => scope[self.pick(scope.len())].clone(),
            4 if !self.rules.is_empty() => {
                let at = self.pick(self.rules.len());
                let rule = self.rules[at].clone();
                match self.pick(2) {
                    0 => rule,
                    _ => format!("data.t.{rule}"),
                }
            }
            2 => format!("data.base.{}", self.one_of(&["roles", "users", "list"])),
            _ => format!("input.{}", self.one_of(&["a", "b", "c"])),
        };
        for _ in 0..self.pick(3) {
            match self.pick(6) {
                0 => text.push_str(".a"),
                1 => text.push_str("[\"b\"]"),
                2 => text.push_str("[0]"),
                3 => text.push_str(".c"),
                4 if !scope.is_empty() => {
                    let name = scope[self.pick(scope.len())].clone();
                    let _ = write!(text, "[{name}]");
                }
                _ => {
                    let index = self.one_of(&["input.a", "input.b", "data.base.users.a"]);
                    let _ = write!(text, "[{index}]");
                }
            }
        }
        text
    }

    fn term(&mut self, scope: &[String], depth: usize) -> String {
        if depth == 0 {
            return match self.pick(2) {
                0 => self.scalar().to_owned(),
                _ => self.reference(scope),
            };
        }
        match self.pick(14) {
            0 | 8 => self.scalar().to_owned(),
            1..=4 => self.reference(scope),
            5 => {
                let (a, b) = (self.term(scope, depth - 1), self.term(scope, depth - 1));
                format!("[{a}, {b}]")
            }
            6 => {
                let (a, b) = (self.term(scope, depth - 1), self.term(scope, depth - 1));
                format!("{{\"a\": {a}, \"b\": {b}}}")
            }
            7 => {
                let (a, b) = (self.term(scope, depth - 1), self.term(scope, depth - 1));
                format!("{{{a}, {b}}}")
            }
            9 => self.comprehension(scope, depth, '[', ']'),
            10 => self.comprehension(scope, depth, '{', '}'),
            11 if !self.functions.is_empty() => {
                let at = self.pick(self.functions.len());
                let (name, parameters) = self.functions[at].clone();
                let arguments: Vec<String> = (0..parameters)
                    .map(|_| self.term(scope, depth - 1))
                    .collect();
                format!("{name}({})", arguments.join(", "))
            }
            12 => {
                let (a, b) = (self.term(scope, 1), self.term(scope, depth - 1));
                format!("({a} in {b})")
            }
            _ => self.builtin(scope, depth),
        }
    }

    fn scalar(&mut self) -> &'static str {
        self.one_of(&[
            "1", "\"a\"", "true", "false", "0", "2", "\"b\"", "null", "1.5", "`a`", "\"\"",
        ])
    }

    fn comprehension(&mut self, scope: &[String], depth: usize, open: char, close: char) -> String {
        let mut inner = scope.to_vec();
        let name = self.name("v");
        let first = match self.pick(3) {
            0 => {
                let items = self.collection(&inner, depth - 1);
                format!("some {name} in {items}")
            }
            1 => {
                let items = self.reference(&inner);
                format!("{name} := {items}[_]")
            }
            _ => {
                let items = self.reference(&inner);
                format!("{items}[{name}]")
            }
        };
        inner.push(name);
        let more = match self.pick(2) {
            0 => String::new(),
            _ => format!("; {}", self.statement(&mut inner, true, depth - 1)),
        };
        let at = self.pick(inner.len());
        let variable = inner[at].clone();
        let head = match self.pick(3) {
            0 => variable,
            1 => self.scalar().to_owned(),
            _ => format!("[{variable}, {}]", inner[inner.len() - 1]),
        };
        format!("{open}{head} | {first}{more}{close}")
    }

    fn builtin(&mut self, scope: &[String], depth: usize) -> String {
        // It has no answer here, and OPA would send.
        let local = |(name, _): &&(&str, usize)| *name != "http.send";
        let builtins: Vec<_> = proven_builtins().iter().filter(local).collect();
        let (name, arguments) = *builtins[self.pick(builtins.len())];
        let arguments: Vec<String> = (0..arguments)
            .map(|_| self.term(scope, depth - 1))
            .collect();
        format!("{name}({})", arguments.join(", "))
    }
}

/// A bracket at the start of a line would make the line before a call.
fn led(term: String) -> String {
    if term.starts_with('(') {
        format!("true == {term}")
    } else {
        term
    }
}
