//! The data files of one folder as its `data.json`.

use std::{collections::BTreeMap, path::Path};

use anyhow::Result;
use serde_json::value::{RawValue, to_raw_value};

use crate::{cli::Usage, policy::PolicyFile};

/// Names and contents of what a bundle has in the place of these files of one folder. A file that is
/// alone stays as it is; of several, objects are merged, and the texts of numbers are kept.
pub(super) fn merged(documents: Vec<PolicyFile>) -> Result<Vec<(&'static str, Vec<u8>)>> {
    let (json, yaml): (Vec<_>, Vec<_>) = documents.into_iter().partition(|document| {
        Path::new(&document.name)
            .extension()
            .is_some_and(|it| it == "json")
    });
    let mut merged = Vec::new();
    // A gate reads both names in one folder, but not two files of one name.
    if let [_, _, ..] = yaml.as_slice() {
        let names: Vec<_> = yaml.iter().map(|file| format!("`{}`", file.name)).collect();
        let names = names.join(", ");
        return Err(Usage(format!("{names}: a folder has one YAML file at most")).into());
    }
    merged.extend(yaml.into_iter().map(|file| ("data.yaml", file.bytes)));
    match json.as_slice() {
        [] => {}
        [only] => merged.push(("data.json", only.bytes.clone())),
        [first, others @ ..] => {
            let mut whole = parse(first)?;
            for file in others {
                whole = merge(&whole, &parse(file)?, &file.name)?;
            }
            merged.push(("data.json", whole.get().as_bytes().to_vec()));
        }
    }
    Ok(merged)
}

fn parse(file: &PolicyFile) -> Result<Box<RawValue>> {
    let parsed = serde_json::from_slice(&file.bytes);
    Ok(parsed.map_err(|error| Usage(format!("{}: {error}", file.name)))?)
}

fn merge(left: &RawValue, right: &RawValue, name: &str) -> Result<Box<RawValue>> {
    type Members<'t> = BTreeMap<String, Box<RawValue>>;
    let members = |value: &RawValue| serde_json::from_str::<Members<'_>>(value.get()).ok();
    let (Some(mut merged), Some(other)) = (members(left), members(right)) else {
        if left.get() == right.get() {
            return Ok(left.to_owned());
        }
        let problem =
            format!("{name}: another file of the folder has a different value in this place");
        return Err(Usage(problem).into());
    };
    for (key, value) in other {
        let value = match merged.get(&key) {
            Some(there) => merge(there, &value, name)?,
            None => value,
        };
        merged.insert(key, value);
    }
    Ok(to_raw_value(&merged)?)
}
