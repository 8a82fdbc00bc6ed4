//! `--set` and `--set-file`: values on the command line over values of the file.
//!
//! Read as OPA reads them: `a.b=1,c=x` sets two values; `a.b[0]=c` sets an item of a list, `a.b.0=c`
//! the key `0` of a mapping; `{a,b}` is a list; `true`, `false` and `null` in any case and integers
//! without a leading zero are typed, everything else (`1.5` too) is text; a backslash takes the next
//! character as it is, so `\,` `\.` `\=` `\[` stand for themselves. Mappings are merged into the
//! file's, everything else replaces: a list given here replaces the file's list as a whole, unnamed
//! items before an index are null. Unlike OPA, an empty key is an error.

use std::{iter::Peekable, str::Chars};

use serde_json::{Map, Value};

use super::problem::Complaint;

/// Adds the assignments in `text` to `tree`; `read` turns the text after `=` into a value.
pub(super) fn assign(
    tree: &mut Map<String, Value>,
    text: &str,
    read: impl Fn(&mut Cursor<'_>) -> Result<Value, Complaint>,
) -> Result<(), Complaint> {
    let mut cursor = Cursor::new(text);
    while !cursor.at_end() {
        let path = cursor.path()?;
        let value = read(&mut cursor)?;
        insert(tree, &path, value)?;
    }
    Ok(())
}

/// The value of `--set`.
pub(super) fn typed(cursor: &mut Cursor<'_>) -> Result<Value, Complaint> {
    if cursor.take('{') {
        return cursor.list();
    }
    let (word, _) = cursor.until(&[',']);
    Ok(type_of(word))
}

/// Lays `over` onto `base`: mappings are merged, everything else replaces.
pub(super) fn merge(base: &mut Map<String, Value>, over: Map<String, Value>) {
    for (key, value) in over {
        match (base.get_mut(&key), value) {
            (Some(Value::Object(below)), Value::Object(above)) => merge(below, above),
            (_, value) => {
                base.insert(key, value);
            }
        }
    }
}

/// What of a `--set` argument may be shown: the part before the first value.
pub(super) fn name_of(text: &str) -> &str {
    text.split_once('=').map_or("", |(name, _)| name)
}

/// One step of a key path.
#[derive(Debug, PartialEq, Eq)]
enum Step {
    Key(String),
    Index(usize),
}

/// The argument while it is read.
#[derive(Debug)]
pub(super) struct Cursor<'t> {
    rest: Peekable<Chars<'t>>,
}

impl<'t> Cursor<'t> {
    fn new(text: &'t str) -> Self {
        Self {
            rest: text.chars().peekable(),
        }
    }

    fn at_end(&mut self) -> bool {
        self.rest.peek().is_none()
    }

    fn take(&mut self, wanted: char) -> bool {
        self.rest.next_if_eq(&wanted).is_some()
    }

    /// The text up to one of `stops`, which is consumed; escapes are resolved.
    pub(super) fn until(&mut self, stops: &[char]) -> (String, Option<char>) {
        let mut word = String::new();
        while let Some(c) = self.rest.next() {
            match c {
                '\\' => word.extend(self.rest.next()),
                c if stops.contains(&c) => return (word, Some(c)),
                c => word.push(c),
            }
        }
        (word, None)
    }

    /// The key path with its `=`.
    fn path(&mut self) -> Result<Vec<Step>, Complaint> {
        let mut path = Vec::new();
        loop {
            if path.len() > MAX_STEPS {
                return Err(Complaint::new(format!("more than {MAX_STEPS} levels")));
            }
            let (name, mut stop) = self.until(&['.', '[', '=', ',']);
            if name.is_empty() {
                return Err(Complaint::new("a key is empty"));
            }
            path.push(Step::Key(name));
            while stop == Some('[') {
                path.push(Step::Index(self.index()?));
                stop = self.rest.next();
            }
            match stop {
                Some('.') => {}
                Some('=') => return Ok(path),
                // The key may be the second half of a secret with a comma in it: not shown.
                Some(',') | None => {
                    return Err(Complaint::new("a key has no `=` and value")
                        .hint("write `\\,` for a comma inside a value"));
                }
                Some(_) => return Err(Complaint::new("`]` must be followed by `.`, `[` or `=`")),
            }
        }
    }

    fn index(&mut self) -> Result<usize, Complaint> {
        let (digits, end) = self.until(&[']']);
        let plain = digits.bytes().all(|b| b.is_ascii_digit()) && end.is_some();
        digits
            .parse()
            .ok()
            .filter(|index| plain && *index <= MAX_INDEX)
            .ok_or_else(|| Complaint::new(format!("an index must be a number up to {MAX_INDEX}")))
    }

    /// The items after `{` up to `}`; a comma after it belongs to it.
    fn list(&mut self) -> Result<Value, Complaint> {
        let mut items = Vec::new();
        loop {
            let (word, stop) = self.until(&[',', '}']);
            items.push(type_of(word));
            match stop {
                Some(',') => {}
                Some(_) => break,
                None => return Err(Complaint::new("a list must end with `}`")),
            }
        }
        self.take(',');
        Ok(Value::Array(items))
    }
}

fn type_of(word: String) -> Value {
    let is = |literal: &str| word.eq_ignore_ascii_case(literal);
    if is("true") {
        return Value::Bool(true);
    }
    if is("false") {
        return Value::Bool(false);
    }
    if is("null") {
        return Value::Null;
    }
    let leading_zero = word.starts_with('0') && word != "0";
    match word.parse::<i64>() {
        Ok(number) if !leading_zero => number.into(),
        Ok(_) | Err(_) => Value::String(word),
    }
}

fn insert(tree: &mut Map<String, Value>, path: &[Step], value: Value) -> Result<(), Complaint> {
    let Some((Step::Key(key), rest)) = path.split_first() else {
        return Err(Complaint::new("a key is empty"));
    };
    let mut place = tree.entry(key.as_str()).or_insert(Value::Null);
    for step in rest {
        place = match step {
            Step::Key(key) => {
                if place.is_null() {
                    *place = Value::Object(Map::new());
                }
                let fields = place.as_object_mut().ok_or_else(|| mixed("a mapping"))?;
                fields.entry(key.as_str()).or_insert(Value::Null)
            }
            Step::Index(index) => {
                if place.is_null() {
                    *place = Value::Array(Vec::new());
                }
                let items = place.as_array_mut().ok_or_else(|| mixed("a list"))?;
                if items.len() <= *index {
                    items.resize(index.saturating_add(1), Value::Null);
                }
                items.get_mut(*index).ok_or_else(|| mixed("a list"))?
            }
        };
    }
    *place = value;
    Ok(())
}

fn mixed(kind: &str) -> Complaint {
    Complaint::new(format!("is used as {kind} and as something else"))
}

/// Largest index of a list (OPA takes up to 65,536; no section has that many entries).
const MAX_INDEX: usize = 1024;
/// Most keys in one path.
const MAX_STEPS: usize = 32;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn tree(text: &str) -> Result<Value, String> {
        let mut tree = Map::new();
        assign(&mut tree, text, typed)
            .map(|()| Value::Object(tree))
            .map_err(|complaint| complaint.message)
    }

    #[test]
    fn each_form_reads_as_opa_reads_it() {
        for (text, want) in [
            ("a=1", json!({"a": 1})),
            ("a.b=-5,c=x", json!({"a": {"b": -5}, "c": "x"})),
            ("a=01", json!({"a": "01"})),
            ("a=0", json!({"a": 0})),
            ("a=1.5", json!({"a": "1.5"})),
            ("a=0x10", json!({"a": "0x10"})),
            (
                "a=12345678901234567890",
                json!({"a": "12345678901234567890"}),
            ),
            (
                "a=TRUE,b=False,c=null",
                json!({"a": true, "b": false, "c": null}),
            ),
            ("a=", json!({"a": ""})),
            ("a=b=c", json!({"a": "b=c"})),
            ("a= lead ", json!({"a": " lead "})),
            ("a=\"q\"", json!({"a": "\"q\""})),
            ("a=a{b", json!({"a": "a{b"})),
            ("a={x,1,true}", json!({"a": ["x", 1, true]})),
            ("a={x, y }", json!({"a": ["x", " y "]})),
            ("a={}", json!({"a": [""]})),
            ("a={x},b=2", json!({"a": ["x"], "b": 2})),
            ("a[2]=q", json!({"a": [null, null, "q"]})),
            ("a[0].k=v,a[0].l=w", json!({"a": [{"k": "v", "l": "w"}]})),
            ("a[0][1]=2", json!({"a": [[null, 2]]})),
            ("a.0=c", json!({"a": {"0": "c"}})),
            (r"a=x\,y,b\.c=1", json!({"a": "x,y", "b.c": 1})),
            (r"a\=b=1", json!({"a=b": 1})),
            (
                "plugins.envoy_ext_authz_grpc.dry-run=true",
                json!({"plugins": {"envoy_ext_authz_grpc": {"dry-run": true}}}),
            ),
        ] {
            assert_eq!(tree(text), Ok(want), "{text}");
        }
    }

    #[test]
    fn wrong_forms_are_refused() {
        for text in [
            "a",
            "=1",
            "a.=1",
            ".a=1",
            "a=1,b",
            "a={x",
            "a={x,{y,z}}",
            "a[-1]=2",
            "a[x]=2",
            "a[0=2",
            "a[0]b=2",
            "a[70000]=2",
            "a=1,a.b=2",
            "a.b=1,a[0]=2",
            "a[]=1",
        ] {
            assert!(tree(text).is_err(), "{text}");
        }
        assert!(tree(&format!("{}a=1", "a.".repeat(100))).is_err());
    }

    proptest! {
        #[test]
        fn an_escaped_text_arrives_as_it_was(key in "[ -~]{1,20}", value in "[ -~é]{0,20}") {
            let escaped = |text: &str| -> String {
                text.chars().flat_map(|c| ['\\', c]).collect()
            };
            // A letter in front keeps the value from being read as a number or a word.
            let text = format!("{}=v{}", escaped(&key), escaped(&value));
            let want = Value::Object(Map::from_iter([(key, Value::from(format!("v{value}")))]));
            prop_assert_eq!(tree(&text), Ok(want));
        }

        #[test]
        fn any_argument_is_read_or_refused(text in "([a-c.=,{}\\[\\]\\\\0-9]|.){0,40}") {
            if let Err(message) = tree(&text) {
                prop_assert!(!message.is_empty());
            }
        }
    }

    #[test]
    fn mappings_are_merged_and_everything_else_replaces() {
        let Value::Object(mut base) = json!({"a": {"b": 1, "l": [1, 2]}, "c": 1}) else {
            panic!("a mapping");
        };
        let Ok(Value::Object(over)) = tree("a.l[1]=9,a.d=2,c.e=3") else {
            panic!("a mapping");
        };
        merge(&mut base, over);
        let want = json!({"a": {"b": 1, "l": [null, 9], "d": 2}, "c": {"e": 3}});
        assert_eq!(Value::Object(base), want);
    }
}
