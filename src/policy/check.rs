//! What is wrong with a policy set whatever the request: names nobody defines, rules and data in
//! one place, recursion, unsafe variables. Found when the set is loaded, all in one run.

pub(super) mod analysis;
pub(super) mod names;
mod negation;
mod recursion;

use regorus::Value;

use super::bundle::is_reserved;
use super::data::{self, DataTree};
use super::diagnostic::Diagnostic;
use super::index::{Imported, Index};
use super::load::NamedRoots;
use super::modules::Parsed;
use super::refs::data_path;

/// A policy set that parsed.
pub(super) struct Prepared {
    pub(super) parsed: Parsed,
    pub(super) data: DataTree,
    pub(super) bundles: Vec<NamedRoots>,
}

/// Adds everything wrong with `prepared` to `problems`, which hold what did not parse.
pub(super) fn check(prepared: &mut Prepared, problems: &mut Vec<Diagnostic>) {
    let complete = problems.is_empty();
    let index = &prepared.parsed.index;
    problems.extend(names::unknown_functions(index, complete));
    problems.extend(negation::open_variables(index));
    problems.extend(ambiguous_imports(index));
    problems.extend(rules_over_data(index, &prepared.data));
    problems.extend(outside_roots(prepared));
    problems.extend(reserved(prepared));
    problems.extend(recursion::cycles(index));
    let data = prepared.data.root().clone();
    if let Err(error) = prepared.parsed.engine.add_data(data) {
        problems.push(Diagnostic::of_set(format!("the data is unusable: {error}")));
    }
    // A module that is missing here would make the names it defines look undefined.
    if complete {
        problems.extend(analysis::problems(&mut prepared.parsed));
    }
    problems.sort_by(|a, b| (&a.file, a.position).cmp(&(&b.file, b.position)));
    problems
        .dedup_by(|a, b| a.file == b.file && a.position == b.position && a.message == b.message);
}

/// regorus keeps imports by package, OPA by file: where both disagree a name would mean the wrong
/// thing in one of the files, so that such a set is refused.
fn ambiguous_imports(index: &Index) -> Vec<Diagnostic> {
    let mut problems = Vec::new();
    for (at, info) in index.modules.iter().enumerate() {
        for (name, target) in &info.imports {
            let Some(import) = info.module.imports.iter().rev().find(|import| {
                import.r#as.as_ref().map_or_else(
                    || import.refr.span().text().ends_with(name.as_str()),
                    |alias| alias.text() == name,
                )
            }) else {
                continue;
            };
            let mut own = info.package.clone();
            own.push(name.clone());
            if index.rules_below(&own).next().is_some() {
                problems.push(
                    Diagnostic::at(
                        &import.span,
                        format!("`{name}` is imported and also a rule of the package"),
                    )
                    .hinting("import it under another name with `as`"),
                );
            }
            let other = index
                .modules
                .iter()
                .take(at)
                .filter(|other| other.package == info.package)
                .find(|other| {
                    other
                        .imports
                        .get(name)
                        .is_some_and(|theirs| theirs != target)
                });
            if let Some(other) = other {
                let file = other.module.package.span.source.get_path();
                problems.push(
                    Diagnostic::at(
                        &import.span,
                        format!(
                            "`{name}` means {} here and {} in `{file}`: imports are shared by the files of a package",
                            shown(Some(target)),
                            shown(other.imports.get(name)),
                        ),
                    )
                    .hinting("import it under another name with `as`"),
                );
            }
        }
    }
    problems
}

fn shown(target: Option<&Imported>) -> String {
    match target {
        Some(Imported::Data(path)) => {
            format!("`{}`", data_path(path.iter().map(String::as_str)))
        }
        Some(Imported::Input(path)) => format!("`input.{}`", path.join(".")),
        None => "something else".to_owned(),
    }
}

/// Rules whose path base data holds as well, or runs into.
fn rules_over_data(index: &Index, data: &DataTree) -> Vec<Diagnostic> {
    let mut problems = Vec::new();
    for (path, ids) in &index.rules {
        let keys: Vec<Value> = path.iter().map(|key| Value::from(key.as_str())).collect();
        // At the rule itself any value collides, on the way to it all but an object.
        let clash = (1..=keys.len()).find_map(|end| {
            let prefix = keys.get(..end)?;
            let value = data::lookup(data.root(), prefix)?;
            (end == keys.len() || value.as_object().is_err()).then_some(prefix)
        });
        let span = ids
            .first()
            .and_then(|id| index.rule(*id))
            .map(|rule| rule.span());
        if let (Some(prefix), Some(span)) = (clash, span) {
            let file = data.file_with(prefix).unwrap_or("a data file");
            let rule = data_path(path.iter().map(String::as_str));
            problems.push(
                Diagnostic::at(
                    span,
                    format!("the rule `{rule}` stands where `{file}` has data"),
                )
                .hinting("rename the package or move the data"),
            );
        }
    }
    problems
}

/// Modules of bundles whose package no root of the bundle covers.
fn outside_roots(prepared: &Prepared) -> Vec<Diagnostic> {
    let parsed = &prepared.parsed;
    let modules = parsed.index.modules.iter().zip(&parsed.sources);
    modules
        .filter_map(|(info, source)| {
            let bundle = prepared.bundles.get(source.bundle?)?;
            if bundle.roots.contain(&info.package) {
                return None;
            }
            let package = data_path(info.package.iter().map(String::as_str));
            Some(Diagnostic::at(
                &info.module.package.span,
                format!(
                    "package `{package}` lies outside the roots {} of bundle `{}`",
                    bundle.roots.text(),
                    bundle.name
                ),
            ))
        })
        .collect()
}

/// Rules where the manifests of the bundles are: they could pretend that another bundle is there.
fn reserved(prepared: &Prepared) -> Vec<Diagnostic> {
    if prepared.bundles.is_empty() {
        return Vec::new();
    }
    let index = &prepared.parsed.index;
    let rules = index.rules.iter().filter(|(path, _)| is_reserved(path));
    rules
        .filter_map(|(path, ids)| {
            let rule = index.rule(*ids.first()?)?;
            let path = data_path(path.iter().map(String::as_str));
            let problem = format!("the rule `{path}` stands where the gate tells of its bundles");
            Some(Diagnostic::at(rule.span(), problem))
        })
        .collect()
}
