//! Data files: JSON and YAML documents, merged into the one tree below `data`.
//!
//! Pure and bounded: a document nests at most 128 deep, and two files that give one path
//! different values are a problem that names both. A tree of any size exists once: what is put
//! together shares it.

use regorus::Value;
use regorus::value::Object;

use super::diagnostic::Diagnostic;
use super::document::{self, Budget};

/// A document that was put into the tree, kept to name it when another one disagrees.
#[derive(Debug)]
struct Document {
    file: String,
    value: Value,
}

/// The tree below `data`.
#[derive(Debug)]
pub(super) struct DataTree {
    root: Value,
    documents: Vec<Document>,
}

impl DataTree {
    /// A tree with nothing in it.
    pub(super) fn new() -> Self {
        Self {
            root: Value::new_object(),
            documents: Vec::new(),
        }
    }

    /// Puts the document of `file` below `path`.
    pub(super) fn add(
        &mut self,
        file: &str,
        path: &[String],
        value: Value,
    ) -> Result<(), Diagnostic> {
        if path.is_empty() && value.as_object().is_err() {
            return Err(Diagnostic::of_file(
                file,
                "the document at the root of `data` must be an object",
            )
            .hinting("put the file into a folder to give its value a name"));
        }
        if path.len() > MAX_PATH_SEGMENTS {
            return Err(Diagnostic::of_file(
                file,
                format!("a data file lies at most {MAX_PATH_SEGMENTS} folders deep"),
            ));
        }
        let document = path.iter().rev().fold(value, |inner, segment| {
            let mut outer = Value::new_object();
            if let Ok(object) = outer.as_object_mut() {
                object.insert(Value::from(segment.as_str()), inner);
            }
            outer
        });
        if let Some(at) = conflict(&self.root, &document) {
            let other = self
                .documents
                .iter()
                .find(|other| lookup(&other.value, &at).is_some())
                .map_or("another file", |other| other.file.as_str());
            return Err(Diagnostic::of_file(
                file,
                format!(
                    "`{}` has a different value in `{other}`: a data path has one value",
                    display_path(&at)
                ),
            ));
        }
        merge(&mut self.root, &document);
        self.documents.push(Document {
            file: file.to_owned(),
            value: document,
        });
        Ok(())
    }

    /// The whole tree.
    pub(super) fn root(&self) -> &Value {
        &self.root
    }

    /// The whole tree without its files.
    pub(super) fn into_root(self) -> Value {
        self.root
    }

    /// The first file with a value at `path`.
    pub(super) fn file_with(&self, path: &[Value]) -> Option<&str> {
        self.documents
            .iter()
            .find(|document| lookup(&document.value, path).is_some())
            .map(|document| document.file.as_str())
    }
}

/// Reads one document; the name decides between JSON and YAML.
pub(super) fn parse(file: &str, bytes: &[u8]) -> Result<Value, Diagnostic> {
    document::parse(file, bytes, None, &mut Budget::new(MAX_DOCUMENT_BYTES))
}

/// The part of the file name behind its last dot.
pub(super) fn file_extension(file: &str) -> Option<&str> {
    let name = file.rsplit('/').next().unwrap_or(file);
    name.rsplit_once('.').map(|(_, extension)| extension)
}

/// The value at `path`, if there is one.
pub(super) fn lookup<'v>(value: &'v Value, path: &[Value]) -> Option<&'v Value> {
    path.iter()
        .try_fold(value, |node, key| node.as_object().ok()?.get(key))
}

/// `data.a["b c"]` for a path below `data`.
fn display_path(path: &[Value]) -> String {
    let mut text = String::from("data");
    for key in path {
        match key.as_string() {
            Ok(key) => super::refs::push_segment(&mut text, key),
            Err(_) => text.push_str("[_]"),
        }
    }
    text
}

/// The first path at which the two disagree.
fn conflict(left: &Value, right: &Value) -> Option<Vec<Value>> {
    match (left.as_object(), right.as_object()) {
        (Ok(left), Ok(right)) => right.iter().find_map(|(key, theirs)| {
            let mut path = conflict(left.get(key)?, theirs)?;
            path.insert(0, key.clone());
            Some(path)
        }),
        (Ok(_), Err(_)) | (Err(_), Ok(_)) => Some(Vec::new()),
        (Err(_), Err(_)) => (left != right).then(Vec::new),
    }
}

/// Adds `right` to `left`, which does not disagree with it.
fn merge(left: &mut Value, right: &Value) {
    if left.as_object().is_ok_and(Object::is_empty) {
        *left = right.clone();
        return;
    }
    let (Ok(left), Ok(right)) = (left.as_object_mut(), right.as_object()) else {
        return;
    };
    for (key, theirs) in right.iter() {
        match left.get_mut(key) {
            Some(ours) => merge(ours, theirs),
            None => {
                left.insert(key.clone(), theirs.clone());
            }
        }
    }
}

/// Folders between the root of `data` and a file; the parsers bound what is inside a file.
const MAX_PATH_SEGMENTS: usize = 64;

/// What one plain file may take in memory.
const MAX_DOCUMENT_BYTES: u64 = 4 << 30;

#[cfg(test)]
mod tests {
    use super::*;

    fn path(segments: &[&str]) -> Vec<String> {
        segments.iter().map(|s| (*s).to_owned()).collect()
    }

    #[test]
    fn files_merge_below_their_folders() {
        let mut tree = DataTree::new();
        let roles = parse("a/roles.json", br#"{"admin":["x"]}"#).unwrap();
        let more = parse("a/more.yaml", b"viewer:\n  - y\n").unwrap();
        tree.add("a/roles.json", &path(&["a"]), roles).unwrap();
        tree.add("a/more.yaml", &path(&["a"]), more).unwrap();
        let expected = Value::from_json_str(r#"{"a":{"admin":["x"],"viewer":["y"]}}"#).unwrap();
        assert_eq!(tree.root(), &expected);
    }

    #[test]
    fn two_files_with_different_values_are_both_named() {
        let mut tree = DataTree::new();
        let one = parse("one.json", br#"{"a":{"b c":1}}"#).unwrap();
        let two = parse("two.json", br#"{"a":{"b c":2}}"#).unwrap();
        tree.add("one.json", &[], one).unwrap();
        let problem = tree.add("two.json", &[], two).unwrap_err();
        assert_eq!(problem.file, "two.json");
        assert!(problem.message.contains("`data.a[\"b c\"]`"), "{problem}");
        assert!(problem.message.contains("`one.json`"), "{problem}");
    }

    #[test]
    fn the_same_value_twice_is_no_conflict() {
        let mut tree = DataTree::new();
        for file in ["one.json", "two.json"] {
            let value = parse(file, br#"{"a":1}"#).unwrap();
            tree.add(file, &[], value).unwrap();
        }
    }

    #[test]
    fn a_root_document_that_is_no_object_is_refused() {
        let problem = DataTree::new()
            .add("x.json", &[], Value::from(1_u64))
            .unwrap_err();
        assert!(problem.message.contains("object"));
    }

    #[test]
    fn a_syntax_error_has_its_place() {
        let problem = parse("a.json", b"{\n  \"a\": ,\n}").unwrap_err();
        assert_eq!(problem.position.map(|(line, _)| line), Some(2));
        let problem = parse("a.yaml", b"a: 1\n b: [\n").unwrap_err();
        assert!(problem.position.is_some(), "{problem}");
    }

    #[test]
    fn what_is_wrong_with_data_is_told_without_its_text() {
        for (file, text) in [
            ("a.json", "{\"token\": \"s3cret\" \"b\": 1}"),
            ("a.json", "{\"s3cret\": 1,, \"s3cret\"}"),
            ("a.yaml", "token: s3cret: [\n  s3cret"),
            ("a.yaml", "token: \"s3cret"),
        ] {
            let problem = parse(file, text.as_bytes()).unwrap_err();
            let text = problem.to_string();
            assert!(text.starts_with(&format!("{file}:")), "{text}");
            assert!(!text.contains("s3cret"), "{text}");
        }
    }

    #[test]
    fn deep_nesting_is_an_error_and_not_a_crash() {
        let deep = "[".repeat(10_000);
        assert!(parse("a.json", deep.as_bytes()).is_err());
        assert!(parse("a.yaml", deep.as_bytes()).is_err());
    }
}
