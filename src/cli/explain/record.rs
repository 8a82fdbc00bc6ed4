//! Decision log records: one JSON object, an array of them, or a file with one on each line.

use anyhow::{Context, Result, bail};
use serde_json::Value as Json;

use crate::{
    input::{self, Value},
    outcome::{Answer, Reason},
    policy::Policy,
};

/// What a record says, as far as it takes to explain it.
#[derive(Debug)]
pub(super) struct Record {
    pub(super) decision_id: Option<String>,
    /// Segments of its `path`.
    pub(super) entrypoint: Option<Vec<String>>,
    /// Its input as the policy saw it.
    pub(super) input: Option<Value>,
    /// What was taken out of the input, as paths below `input`.
    pub(super) hidden: Vec<Vec<String>>,
    pub(super) answer: Option<Answer>,
    pub(super) reason: Option<String>,
    /// Its error, where it has one.
    pub(super) why: String,
    /// Name and revision of each bundle.
    bundles: Vec<(String, Option<String>)>,
    revision: Option<String>,
}

/// The record in `bytes`, with this id if there are several; nothing where they are something else.
pub(super) fn find(bytes: &[u8], decision_id: Option<&str>) -> Result<Option<Record>> {
    let json = serde_json::from_slice::<Json>(bytes);
    let mut records: Vec<Json> = match json {
        Ok(Json::Array(records)) => records,
        Ok(record) => vec![record],
        Err(_) => lines(bytes),
    };
    records.retain(is_record);
    if records.is_empty() {
        if decision_id.is_some() {
            bail!("no decision log record is in it");
        }
        return Ok(None);
    }
    if let Some(id) = decision_id {
        records.retain(|record| text(record, "decision_id").as_deref() == Some(id));
    }
    match records.as_slice() {
        [record] => read(record).map(Some),
        [] => bail!(
            "no record has the decision id `{}`",
            decision_id.unwrap_or_default()
        ),
        several => bail!(
            "there are {} records: choose one with `--decision-id`",
            several.len()
        ),
    }
}

fn lines(bytes: &[u8]) -> Vec<Json> {
    let lines = bytes.split(|byte| *byte == b'\n');
    lines
        .filter_map(|line| serde_json::from_slice(line).ok())
        .collect()
}

fn is_record(json: &Json) -> bool {
    json.get("decision_id").is_some() && json.get("attributes").is_none()
}

fn read(record: &Json) -> Result<Record> {
    let ours = record.get("portcullis").unwrap_or(&Json::Null);
    let input = match record.get("input") {
        None | Some(Json::Null) => None,
        Some(input) => {
            let input = Value::from_json_str(&input.to_string());
            let input = input.context("its `input` is no document")?;
            Some(input::restore(&input))
        }
    };
    let lists = [
        record.get("erased"),
        record.get("masked"),
        ours.get("redacted"),
        ours.get("truncated"),
    ];
    let pointers = lists.into_iter().flatten().filter_map(Json::as_array);
    let pointers = pointers.flatten().filter_map(Json::as_str);
    let error = record.get("error");
    Ok(Record {
        decision_id: text(record, "decision_id"),
        entrypoint: text(record, "path").map(|path| segments(&path)),
        input,
        hidden: pointers.filter_map(below_input).collect(),
        answer: answer(record, ours),
        reason: text(ours, "reason").or_else(|| error.and_then(|error| text(error, "code"))),
        why: error
            .and_then(|error| text(error, "message"))
            .unwrap_or_default(),
        bundles: bundles(record),
        revision: text(ours, "revision"),
    })
}

/// What the record says that the check was answered with.
fn answer(record: &Json, ours: &Json) -> Option<Answer> {
    if record.get("error").is_some() {
        let reason = text(ours, "reason");
        let known = Reason::ALL
            .iter()
            .find(|known| Some(known.as_str()) == reason.as_deref());
        return Some(known.map_or(Answer::Error, |known| known.answer()));
    }
    let result = record.get("result")?;
    let allowed = result
        .as_bool()
        .or_else(|| result.get("allowed")?.as_bool());
    Some(if allowed? {
        Answer::Allowed
    } else {
        Answer::Denied
    })
}

fn bundles(record: &Json) -> Vec<(String, Option<String>)> {
    let bundles = record.get("bundles").and_then(Json::as_object);
    let bundles = bundles.into_iter().flatten();
    bundles
        .map(|(name, bundle)| (name.clone(), text(bundle, "revision")))
        .collect()
}

/// The segments of a JSON pointer, if it points below `/input`.
fn below_input(pointer: &str) -> Option<Vec<String>> {
    let rest = pointer.strip_prefix("/input")?;
    let mut segments = rest.split('/');
    // What is in front of the first slash.
    if !segments.next()?.is_empty() {
        return None;
    }
    Some(
        segments
            .map(|segment| segment.replace("~1", "/").replace("~0", "~"))
            .collect(),
    )
}

fn segments(path: &str) -> Vec<String> {
    let segments = path.split('/').filter(|segment| !segment.is_empty());
    segments.map(str::to_owned).collect()
}

fn text(json: &Json, key: &str) -> Option<String> {
    Some(json.get(key)?.as_str()?.to_owned())
}

impl Record {
    /// Whether the record is of a check that came as far as the policy.
    pub(super) fn policy_was_asked(&self) -> bool {
        let reason = self.reason.as_deref();
        let known = Reason::ALL
            .iter()
            .find(|known| Some(known.as_str()) == reason);
        known.is_none_or(|known| super::was_asked(*known))
    }

    /// What tells that `policy` is not the one that decided.
    pub(super) fn other_policy(&self, policy: &Policy) -> Vec<String> {
        let mut warnings = Vec::new();
        for (name, recorded) in &self.bundles {
            let Some(recorded) = recorded else { continue };
            let loaded = policy.bundles().iter();
            let same = loaded.clone().any(|(_, it)| it.as_ref() == Some(recorded));
            if !same {
                let loaded: Vec<String> = loaded
                    .map(|(name, it)| {
                        format!("`{name}` {}", it.as_deref().unwrap_or("without one"))
                    })
                    .collect();
                let loaded = if loaded.is_empty() {
                    policy.revision().to_owned()
                } else {
                    loaded.join(", ")
                };
                warnings.push(format!(
                    "the record was decided by revision `{recorded}` of bundle `{name}`, this is {loaded}"
                ));
            }
        }
        if let Some(recorded) = &self.revision
            && self.bundles.is_empty()
            && recorded != policy.revision()
        {
            warnings.push(format!(
                "the record was decided by revision `{recorded}`, this is `{}`",
                policy.revision()
            ));
        }
        warnings
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_is_found_by_its_id_in_every_form() {
        let (one, two) = (
            r#"{"decision_id":"1","path":"a/b","input":{},"result":true}"#,
            r#"{"decision_id":"2","path":"a/b","input":{},"result":{"allowed":false}}"#,
        );
        for text in [
            format!("{one}\n{two}\n"),
            format!("[{one},{two}]"),
            format!("not a record\n{two}\n{{\"level\":\"info\"}}\n{one}"),
        ] {
            let record = find(text.as_bytes(), Some("2")).unwrap().unwrap();
            assert_eq!(record.decision_id.as_deref(), Some("2"));
            assert_eq!(record.answer, Some(Answer::Denied));
            assert!(find(text.as_bytes(), Some("3")).is_err(), "{text}");
            assert!(find(text.as_bytes(), None).is_err(), "{text}");
        }
        let alone = find(one.as_bytes(), None).unwrap().unwrap();
        assert_eq!(alone.answer, Some(Answer::Allowed));
        assert_eq!(alone.entrypoint, Some(vec!["a".to_owned(), "b".to_owned()]));
    }

    #[test]
    fn a_check_request_is_no_record() {
        for text in [
            r#"{"attributes":{}}"#,
            r#"{"check_request":{}}"#,
            "\u{1}\u{2}",
            "",
        ] {
            assert!(find(text.as_bytes(), None).unwrap().is_none(), "{text}");
        }
        assert!(find(br#"{"attributes":{}}"#, Some("1")).is_err());
    }

    #[test]
    fn pointers_outside_of_the_input_hide_nothing_of_it() {
        for (pointer, expected) in [
            ("/input/a/b~1c", Some(vec!["a", "b/c"])),
            ("/input/a~0~01", Some(vec!["a~~1"])),
            ("/input", Some(vec![])),
            ("/result/headers", None),
            ("/inputs/a", None),
        ] {
            let expected = expected.map(|it| it.into_iter().map(str::to_owned).collect());
            assert_eq!(below_input(pointer), expected, "{pointer}");
        }
    }
}
