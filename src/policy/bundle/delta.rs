//! Delta bundles: changes to the data of a bundle (`patch.json`), applied all or none.
//!
//! A path is a JSON pointer (RFC 6901), in which OPA reads `%2F` as well. The changed data shares
//! everything with the old one but the objects and arrays on the way to a change.

use std::str::FromStr;

use percent_encoding::percent_decode_str;
use regorus::{Rc, Value};

use super::manifest::Manifest;
use super::roots::Roots;
use super::{Archive, Bundle};
use crate::digest;
use crate::policy::LoadError;
use crate::policy::diagnostic::Diagnostic;
use crate::policy::document::{self, Budget};

/// Changes to the data of a bundle.
#[derive(Debug)]
pub struct Delta {
    manifest: Manifest,
    roots: Roots,
    operations: Vec<Operation>,
    archive: Archive,
}

/// One change.
#[derive(Debug)]
pub(super) struct Operation {
    /// As it is written.
    pointer: String,
    path: Vec<String>,
    change: Change,
}

/// What is to happen at a path.
#[derive(Clone, Debug)]
enum Change {
    /// `upsert`: put it there and make the objects on the way; into an array it is inserted.
    Upsert(Value),
    /// `replace`: put it in the place of what is there.
    Replace(Value),
    /// `remove`.
    Remove,
}

impl Delta {
    /// Operations that concern `roots` alone.
    pub(super) fn new(
        bundle: &str,
        manifest: Manifest,
        roots: Roots,
        operations: Vec<Operation>,
        archive: Archive,
    ) -> Result<Self, Vec<Diagnostic>> {
        let outside = operations.iter().filter(|it| !roots.contain(&it.path));
        let problems: Vec<Diagnostic> = outside
            .take(MAX_LISTED)
            .map(|operation| {
                let rule = format!("it lies outside the bundle's roots {}", roots.text());
                operation.problem(bundle, &rule)
            })
            .collect();
        if !problems.is_empty() {
            return Err(problems);
        }
        Ok(Self {
            manifest,
            roots,
            operations,
            archive,
        })
    }

    /// The manifest that the bundle has afterwards.
    pub fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// `revision` of its manifest; `None` when that is missing or empty.
    pub fn revision(&self) -> Option<&str> {
        self.manifest.revision()
    }

    /// Length of the archive it came in, in bytes.
    pub fn size(&self) -> u64 {
        self.archive.size
    }

    /// `bundle` with the changes.
    pub(super) fn applied_to(&self, bundle: &Bundle) -> Result<Bundle, LoadError> {
        let name = bundle.name();
        if !self.roots.same(&bundle.roots) {
            let (ours, theirs) = (self.roots.text(), bundle.roots.text());
            let rule = format!("the delta's roots {ours} are not the bundle's, {theirs}");
            return Err(LoadError(vec![Diagnostic::of_file(name, rule)]));
        }
        let mut data = bundle.data.clone();
        let mut moves = MOST_MOVES;
        for operation in &self.operations {
            let done = apply(&mut data, &operation.path, &operation.change, &mut moves);
            done.map_err(|rule| LoadError(vec![operation.problem(name, rule)]))?;
        }
        for operation in &self.operations {
            pack(&mut data, &operation.path);
        }
        let problems = bundle.roots.problems_of_data(name, &data);
        if !problems.is_empty() {
            return Err(LoadError(problems));
        }
        Ok(Bundle {
            name: bundle.name.clone(),
            manifest: self.manifest.clone(),
            etag: String::new(),
            signed_by: bundle.signed_by.clone(),
            roots: bundle.roots.clone(),
            modules: bundle.modules.clone(),
            data,
            archive: Archive {
                size: self.archive.size,
                digest: digest::of_parts([&bundle.archive.digest[..], &self.archive.digest]),
            },
        })
    }
}

impl Operation {
    fn problem(&self, bundle: &str, rule: &str) -> Diagnostic {
        let verb = match self.change {
            Change::Upsert(_) => "upsert",
            Change::Replace(_) => "replace",
            Change::Remove => "remove",
        };
        let file = format!("{bundle}/patch.json");
        Diagnostic::of_file(&file, format!("`{verb}` of `{}`: {rule}", self.pointer))
    }
}

/// Reads a `patch.json`.
pub(super) fn parse(
    file: &str,
    bytes: &[u8],
    budget: &mut Budget,
) -> Result<Vec<Operation>, Diagnostic> {
    let refuse = |rule: String| Diagnostic::of_file(file, rule);
    let patch = document::parse(file, bytes, None, budget)?;
    let list = field(&patch, "data").and_then(|data| data.as_array().ok());
    let list = list.ok_or_else(|| refuse("a patch is an object with a list `data`".to_owned()))?;
    if list.len() > MOST_OPERATIONS {
        let count = list.len();
        let rule = format!("`data` has {count} operations; {MOST_OPERATIONS} are the most");
        return Err(refuse(rule));
    }
    let numbered = list.iter().enumerate();
    let operations = numbered.map(|(at, value)| {
        operation(value).map_err(|rule| refuse(format!("`data[{at}]`: {rule}")))
    });
    operations.collect()
}

fn operation(value: &Value) -> Result<Operation, String> {
    let text = |key: &str| {
        let text = field(value, key).and_then(|value| value.as_string().ok());
        text.ok_or_else(|| format!("`{key}` must be a string"))
    };
    let verb = text("op")?;
    let pointer = text("path")?;
    let new = || field(value, "value").cloned().ok_or("`value` is missing");
    let change = match &**verb {
        "upsert" => Change::Upsert(new()?),
        "replace" => Change::Replace(new()?),
        "remove" => Change::Remove,
        other => {
            return Err(format!(
                "there is no operation `{other}`: they are `upsert`, `replace` and `remove`"
            ));
        }
    };
    Ok(Operation {
        path: segments(pointer)?,
        pointer: pointer.to_string(),
        change,
    })
}

fn field<'v>(value: &'v Value, key: &str) -> Option<&'v Value> {
    value.as_object().ok()?.get(&Value::from(key))
}

/// The keys that a pointer leads through. As in OPA slashes around it mean nothing.
fn segments(pointer: &str) -> Result<Vec<String>, String> {
    let inner = pointer.trim_matches('/');
    if inner.is_empty() {
        return Ok(Vec::new());
    }
    let decoded = inner.split('/').map(|segment| {
        let text = percent_decode_str(segment).decode_utf8().ok()?;
        (!broken_escape(segment)).then(|| text.replace("~1", "/").replace("~0", "~"))
    });
    let path: Option<Vec<String>> = decoded.collect();
    let path = path.ok_or_else(|| format!("the path `{pointer}` has a broken escape"))?;
    if path.len() > MAX_SEGMENTS {
        return Err(format!("a path has at most {MAX_SEGMENTS} parts"));
    }
    Ok(path)
}

/// Whether a percent sign stands before something else than two hexadecimal digits.
fn broken_escape(segment: &str) -> bool {
    segment.split('%').skip(1).any(|behind| {
        let digits = behind.bytes().take(2);
        digits.filter(u8::is_ascii_hexdigit).count() < 2
    })
}

/// Makes one change below `node`; the rule that forbids it otherwise. `moves` is how many items of
/// arrays may still be moved.
fn apply(
    node: &mut Value,
    path: &[String],
    change: &Change,
    moves: &mut usize,
) -> Result<(), &'static str> {
    let Some((key, rest)) = path.split_first() else {
        return replace_all(node, change);
    };
    match node {
        Value::Object(object) => {
            let object = Rc::make_mut(object);
            let name = Value::from(key.as_str());
            if !rest.is_empty() {
                if matches!(change, Change::Upsert(_)) && !object.contains_key(&name) {
                    object.insert(name.clone(), Value::new_object());
                }
                return apply(object.get_mut(&name).ok_or(NOTHING)?, rest, change, moves);
            }
            match change {
                Change::Upsert(value) => {
                    object.insert(name, value.clone());
                }
                Change::Replace(value) => {
                    *object.get_mut(&name).ok_or(NOTHING)? = value.clone();
                }
                Change::Remove => {
                    object.remove(&name).ok_or(NOTHING)?;
                }
            }
            Ok(())
        }
        Value::Array(array) => {
            let array = Rc::make_mut(array);
            if rest.is_empty() {
                let mut items = std::mem::take(array).into_vec();
                let done = change_item(&mut items, key, change, moves);
                *node = Value::from(items);
                return done;
            }
            let at = usize::from_str(key).map_err(|_| NO_INDEX)?;
            apply(array.get_mut(at).ok_or(NOTHING)?, rest, change, moves)
        }
        Value::Null
        | Value::Bool(_)
        | Value::Number(_)
        | Value::String(_)
        | Value::Set(_)
        | Value::Undefined => Err("on the way is a value that nothing lies below"),
    }
}

/// A change of the whole document.
fn replace_all(node: &mut Value, change: &Change) -> Result<(), &'static str> {
    match change {
        Change::Upsert(value) | Change::Replace(value) if value.as_object().is_ok() => {
            *node = value.clone();
            Ok(())
        }
        Change::Upsert(_) | Change::Replace(_) => {
            Err("the document at the root of `data` must be an object")
        }
        Change::Remove => Err("the root of `data` cannot be removed"),
    }
}

/// Makes a change at an index of an array; `-` is the place behind its end.
fn change_item(
    array: &mut Vec<Value>,
    key: &str,
    change: &Change,
    moves: &mut usize,
) -> Result<(), &'static str> {
    let at = match (key, change) {
        ("-", Change::Upsert(_)) => array.len(),
        _ => usize::from_str(key).map_err(|_| NO_INDEX)?,
    };
    match change {
        Change::Upsert(_) | Change::Remove => {
            let behind = array.len().saturating_sub(at);
            *moves = moves.checked_sub(behind).ok_or(TOO_MANY_MOVES)?;
        }
        Change::Replace(_) => {}
    }
    match change {
        Change::Upsert(value) if at <= array.len() => array.insert(at, value.clone()),
        Change::Upsert(_) => return Err(NOTHING),
        Change::Replace(value) => *array.get_mut(at).ok_or(NOTHING)? = value.clone(),
        Change::Remove => {
            if at >= array.len() {
                return Err(NOTHING);
            }
            array.remove(at);
        }
    }
    Ok(())
}

/// Packs the objects along a path that a change unpacked.
fn pack(node: &mut Value, path: &[String]) {
    if let Value::Object(object) = node
        && let Some(own) = Rc::get_mut(object)
    {
        *node = std::mem::take(own).into_value();
    }
    let Some((key, rest)) = path.split_first() else {
        return;
    };
    let below = match node {
        Value::Object(object) => {
            Rc::get_mut(object).and_then(|object| object.get_mut(&Value::from(key.as_str())))
        }
        Value::Array(array) => Rc::get_mut(array)
            .zip(key.parse().ok())
            .and_then(|(array, at): (_, usize)| array.get_mut(at)),
        Value::Null
        | Value::Bool(_)
        | Value::Number(_)
        | Value::String(_)
        | Value::Set(_)
        | Value::Undefined => None,
    };
    if let Some(below) = below {
        pack(below, rest);
    }
}

const NOTHING: &str = "there is nothing";
const NO_INDEX: &str = "an array has numbers for keys";

const TOO_MANY_MOVES: &str =
    "the delta moves more than 100000000 items of arrays; replace the arrays as a whole";

/// How many items of arrays one delta may move to make room or to fill a gap.
const MOST_MOVES: usize = 100_000_000;

/// How many changes one delta makes.
const MOST_OPERATIONS: usize = 10_000;

/// Parts of a path; what a path makes on its way nests so deep.
const MAX_SEGMENTS: usize = 64;

/// How many problems are told.
const MAX_LISTED: usize = 20;

#[cfg(test)]
mod tests;
