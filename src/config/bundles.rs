//! `bundles`, and the old `bundle`: where policy comes from.
//!
//! Promises that every bundle has a source, bounds and a way to prove itself, and that what is asked
//! for and cannot be had is a problem: the server would otherwise answer from another policy than
//! the operator configured.

mod ours;
mod source;

use std::path::Path;

pub use self::ours::{Bundles, LimitWishes, Wishes};
use self::source::name_complaint;
pub(super) use self::source::{from, polling, trigger};
use super::{
    keys::Keys,
    problem::{Complaint, join},
    section::Section,
    services::Services,
    value::{integer, shown, text},
};
use crate::sources::bundles::{Kind, MaxAge, Source};

/// What the sections before have given.
#[derive(Clone, Copy, Debug)]
pub(super) struct Given<'a> {
    pub(super) services: &'a Services,
    pub(super) keys: &'a Keys,
    pub(super) ours: &'a Bundles,
    /// `persistence_directory`, or OPA's default.
    pub(super) persistence: &'a Path,
    /// `discovery`: more bundles come later, and its trigger is that of all.
    pub(super) discovery: bool,
    pub(super) manual: bool,
}

/// Every bundle, in the order of their names.
pub(super) fn read(root: &mut Section<'_>, given: Given<'_>) -> Vec<Source> {
    let mut names = Vec::new();
    let old = root
        .optional_section("bundle", |section| old(section, given, &mut names))
        .flatten();
    if old.is_some() && root.raw("bundles").is_some() {
        let complaint = Complaint::new("stands beside `bundles`");
        root.problem("bundle", complaint.hint("move it there"));
    }
    let mut sources: Vec<Source> = root
        .entries("bundles", |name, section| {
            names.push(name.to_owned());
            if let Some(complaint) = name_complaint(name, given.discovery) {
                section.complain(complaint);
            }
            let resource = section.value("resource", text);
            let default = format!("bundles/{name}");
            let kind = from(section, given.services, resource.unwrap_or(&default));
            source(name, kind, section, given)
        })
        .into_iter()
        .flatten()
        .chain(old)
        .collect();
    sources.sort_by(|a, b| a.name.cmp(&b.name));
    if sources.len() > MOST_BUNDLES {
        let message = format!("{} bundles; {MOST_BUNDLES} are the most", sources.len());
        root.problem("bundles", Complaint::new(message));
    }
    check_names(root, given, &names);
    check_signatures(root, given);
    if given.keys.verify_nothing() && (given.discovery || !sources.is_empty()) {
        let complaint = Complaint::new("none of them verifies bundles")
            .hint("give one its public `key`, or remove the section");
        root.problem("keys", complaint);
    }
    sources
}

/// `bundle`: one bundle, its resource made of `prefix` and `name`.
fn old(section: &mut Section<'_>, given: Given<'_>, names: &mut Vec<String>) -> Option<Source> {
    let hint = "deprecated: write it as `bundles.<name>`";
    section.report().warn(format!("`bundle` is {hint}"));
    let prefix = section.value("prefix", text).unwrap_or("bundles");
    let resource = section.value("resource", text);
    let name = section.required("name", text);
    if let Some(complaint) = name.and_then(|name| name_complaint(name, given.discovery)) {
        section.problem("name", complaint);
    }
    if resource.is_some() {
        let complaint = Complaint::new("has no effect: the resource is `prefix` and `name`");
        section.problem(
            "resource",
            complaint.hint("write the bundle as `bundles.<name>`"),
        );
    }
    let name = name?;
    names.push(name.to_owned());
    let resource = [prefix.trim_matches('/'), name.trim_matches('/')].join("/");
    let kind = from(section, given.services, resource.trim_matches('/'));
    source(name, kind, section, given)
}

fn source(
    name: &str,
    kind: Option<Kind>,
    section: &mut Section<'_>,
    given: Given<'_>,
) -> Option<Source> {
    let wishes = given.ours.of(name);
    let persist = section.flag("persist");
    if wishes.named.monotonic.is_some() && !persist {
        let text = "its order (`monotonic`) is forgotten at a restart without `persist`";
        section
            .report()
            .warn(format!("bundle `{}`: {text}", shown(name)));
    }
    let file_bytes = section.value("size_limit_bytes", integer(1..=ours::MOST_BYTES));
    let mut limits = wishes.limits();
    // What `named` says of this bundle is nearer than what OPA's key says, and that nearer than the rest.
    let own = wishes.named.limits.file_bytes.or(file_bytes);
    limits.file_bytes = own.unwrap_or(limits.file_bytes);
    Some(Source {
        name: name.into(),
        polling: polling(section),
        manual: trigger(section).unwrap_or(given.manual),
        persist: persist.then(|| given.persistence.to_owned()),
        limits,
        verification: given.keys.verification(section),
        monotonic: wishes.named.monotonic,
        run_tests: wishes.run_tests(),
        max_age: wishes.max_age().map(|age| MaxAge {
            age,
            unready: wishes.unready_when_old(),
        }),
        kind: kind?,
    })
}

/// What `portcullis.bundles.named` says of nobody is a slip of the pen that would go unnoticed.
fn check_names(root: &Section<'_>, given: Given<'_>, names: &[String]) {
    if given.discovery {
        return;
    }
    let unknown = |name: &&String| !names.contains(name);
    for name in given.ours.named.keys().filter(unknown) {
        let path = join("portcullis.bundles.named", name);
        root.report()
            .unknown_bundle(path, name, names.iter().map(String::as_str));
    }
}

/// Where nothing can be verified nobody may believe that it is.
fn check_signatures(root: &Section<'_>, given: Given<'_>) {
    if !given.keys.are_empty() {
        return;
    }
    let complain = |path: String| {
        let complaint = Complaint::new("is on, and there are no `keys` to verify with");
        root.report().add(path, complaint);
    };
    if given.ours.all.require_signature == Some(true) {
        complain("portcullis.bundles.require_signature".to_owned());
    }
    for (name, wishes) in &given.ours.named {
        if wishes.require_signature == Some(true) {
            let path = join("portcullis.bundles.named", name);
            complain(join(&path, "require_signature"));
        }
    }
}

const MOST_BUNDLES: usize = 256;
