//! Reads one mapping of a configuration key by key, and reports the keys nobody asked for.

use serde_json::{Map, Value};

use super::{
    problem::{Complaint, Report, join},
    value::{boolean, text},
};

/// One mapping of the configuration while it is read.
#[derive(Debug)]
pub(super) struct Section<'a> {
    report: &'a Report,
    path: String,
    fields: Option<&'a Map<String, Value>>,
    known: Vec<&'static str>,
}

impl<'a> Section<'a> {
    /// Reads the mapping at `path`; every key of it that `read` does not ask for is a problem.
    /// `None` and null read like an empty mapping.
    pub(super) fn read<T>(
        report: &'a Report,
        path: String,
        value: Option<&'a Value>,
        read: impl FnOnce(&mut Self) -> T,
    ) -> T {
        let fields = match value {
            None | Some(Value::Null) => None,
            Some(Value::Object(fields)) => Some(fields),
            Some(other) => {
                report.add(path.clone(), Complaint::wrong_type("a mapping", other));
                None
            }
        };
        let mut section = Self {
            report,
            path,
            fields,
            known: Vec::new(),
        };
        let result = read(&mut section);
        section.report_unknown();
        result
    }

    /// The value of `key`; null counts as absent.
    pub(super) fn raw(&mut self, key: &'static str) -> Option<&'a Value> {
        self.known.push(key);
        self.fields?.get(key).filter(|value| !value.is_null())
    }

    /// Those of `keys` that are given.
    pub(super) fn given(&mut self, keys: &[&'static str]) -> Vec<&'static str> {
        let given = |key: &&&'static str| self.raw(key).is_some();
        keys.iter().filter(given).copied().collect()
    }

    /// The value of `key` as `parse` reads it; `None` when it is absent or wrong.
    pub(super) fn value<T>(
        &mut self,
        key: &'static str,
        parse: impl FnOnce(&'a Value) -> Result<T, Complaint>,
    ) -> Option<T> {
        let value = self.raw(key)?;
        parse(value)
            .map_err(|complaint| self.problem(key, complaint))
            .ok()
    }

    /// The value of `key`, which must be there, as `parse` reads it.
    pub(super) fn required<T>(
        &mut self,
        key: &'static str,
        parse: impl FnOnce(&'a Value) -> Result<T, Complaint>,
    ) -> Option<T> {
        if self.raw(key).is_none() {
            self.problem(key, Complaint::new("is missing"));
        }
        self.value(key, parse)
    }

    /// The switch at `key`; off when it is absent or wrong.
    pub(super) fn flag(&mut self, key: &'static str) -> bool {
        self.value(key, boolean).unwrap_or(false)
    }

    /// Each item of the list at `key` as `parse` reads it; wrong ones are reported and left out.
    pub(super) fn list<T>(
        &mut self,
        key: &'static str,
        parse: impl Fn(&'a Value) -> Result<T, Complaint>,
    ) -> Option<Vec<T>> {
        let items = self.value(key, list)?;
        let mut parsed = Vec::with_capacity(items.len());
        for (index, item) in items.iter().enumerate() {
            match parse(item) {
                Ok(item) => parsed.push(item),
                Err(complaint) => self.problem_at(key, index, complaint),
            }
        }
        Some(parsed)
    }

    /// The mapping at `key`, read like this one; an absent one reads as empty.
    pub(super) fn section<T>(&mut self, key: &'static str, read: impl FnOnce(&mut Self) -> T) -> T {
        let value = self.raw(key);
        Self::read(self.report, join(&self.path, key), value, read)
    }

    /// The mapping at `key` if it is there.
    pub(super) fn optional_section<T>(
        &mut self,
        key: &'static str,
        read: impl FnOnce(&mut Self) -> T,
    ) -> Option<T> {
        let value = self.raw(key)?;
        let path = join(&self.path, key);
        Some(Self::read(self.report, path, Some(value), read))
    }

    /// Each mapping of the list at `key`, read like this one; what is none is reported and left out.
    pub(super) fn sections<T>(
        &mut self,
        key: &'static str,
        mut read: impl FnMut(&mut Self) -> T,
    ) -> Vec<T> {
        let items = self.value(key, list).map_or(&[][..], Vec::as_slice);
        let mut sections = Vec::with_capacity(items.len());
        for (index, item) in items.iter().enumerate() {
            if item.is_object() || item.is_null() {
                let path = format!("{}[{index}]", join(&self.path, key));
                sections.push(Self::read(self.report, path, Some(item), &mut read));
            } else {
                self.problem_at(key, index, Complaint::wrong_type("a mapping", item));
            }
        }
        sections
    }

    /// Each mapping below a free name of the mapping at `key`, read like this one; names without a
    /// value are left out, what is no mapping is reported.
    pub(super) fn entries<T>(
        &mut self,
        key: &'static str,
        mut read: impl FnMut(&'a str, &mut Self) -> T,
    ) -> Vec<T> {
        let fields = self.value(key, mapping).into_iter().flatten();
        let path = join(&self.path, key);
        let mut entries = Vec::new();
        for (name, value) in fields.filter(|(_, value)| !value.is_null()) {
            let path = join(&path, name);
            if value.is_object() {
                let entry = Self::read(self.report, path, Some(value), |entry| read(name, entry));
                entries.push(entry);
            } else {
                self.report
                    .add(path, Complaint::wrong_type("a mapping", value));
            }
        }
        entries
    }

    /// Each text below a free name of the mapping at `key` as `parse` reads it; names without a value
    /// are left out, wrong ones are reported.
    pub(super) fn texts<T>(
        &mut self,
        key: &'static str,
        parse: impl Fn(&'a str, &'a str) -> Result<T, Complaint>,
    ) -> Vec<T> {
        let fields = self.value(key, mapping).into_iter().flatten();
        let path = join(&self.path, key);
        let mut texts = Vec::new();
        for (name, value) in fields.filter(|(_, value)| !value.is_null()) {
            match text(value).and_then(|value| parse(name, value)) {
                Ok(read) => texts.push(read),
                Err(complaint) => self.report.add(join(&path, name), complaint),
            }
        }
        texts
    }

    /// Reports a problem with this mapping as a whole.
    pub(super) fn complain(&self, complaint: Complaint) {
        self.report.add(self.path.clone(), complaint);
    }

    /// Reports a problem with one item of the list at `key`.
    pub(super) fn problem_at(&self, key: &str, index: usize, complaint: Complaint) {
        let path = format!("{}[{index}]", join(&self.path, key));
        self.report.add(path, complaint);
    }

    /// Reports a problem with `key`.
    pub(super) fn problem(&self, key: &str, complaint: Complaint) {
        self.report.add(join(&self.path, key), complaint);
    }

    /// Warns about `key`.
    pub(super) fn warn(&self, key: &str, text: &str) {
        self.report
            .warn(format!("`{}` {text}", join(&self.path, key)));
    }

    /// Where problems of keys below this mapping's go.
    pub(super) fn report(&self) -> &'a Report {
        self.report
    }

    fn report_unknown(&self) {
        for key in self.fields.into_iter().flat_map(Map::keys) {
            if !self.known.contains(&key.as_str()) {
                let path = join(&self.path, key);
                self.report
                    .unknown_key(path, key, self.known.iter().copied());
            }
        }
    }
}

fn mapping(value: &Value) -> Result<&Map<String, Value>, Complaint> {
    value
        .as_object()
        .ok_or_else(|| Complaint::wrong_type("a mapping", value))
}

fn list(value: &Value) -> Result<&Vec<Value>, Complaint> {
    value
        .as_array()
        .ok_or_else(|| Complaint::wrong_type("a list", value))
}
