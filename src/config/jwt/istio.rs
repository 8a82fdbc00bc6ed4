//! Providers from Istio's `RequestAuthentication`: what is written once for the mesh need not be
//! written again.
//!
//! Istio's own filter runs behind ours and needs the token, so what these providers find is never
//! taken out of a request. Whom a rule is meant for (`selector`, `targetRefs`) is unknown here: all
//! rules of a file apply.

use std::{collections::BTreeSet, path::Path};

use serde_json::Value;

use crate::{
    identity::jwt::{Location, Provider},
    sources::jwks::{Http, Kind},
};

use super::{
    super::{
        document, file,
        problem::{Complaint, Report},
        section::Section,
        value::{duration, shown, text},
    },
    Entry, Taken, keys, location, provider, refresh,
};

/// Reads the rules of every resource in a file.
pub(super) fn read(
    report: &Report,
    path: &Path,
    taken: &mut Taken,
) -> Result<Vec<Entry>, Complaint> {
    let text = file::text(path).map_err(|error| file::unreadable(path, &error))?;
    let file = path.display().to_string();
    let documents = document::parse_all(&text).map_err(|Complaint { message, hint }| {
        let message = format!("`{}`: {message}", shown(&file));
        Complaint { message, hint }
    })?;
    let stem = path.file_stem().unwrap_or_default().to_string_lossy();
    let mut entries = Vec::new();
    let mut others = BTreeSet::new();
    let resources = resources(&file, &documents);
    for (place, resource) in &resources {
        match kind(resource) {
            None | Some(KIND) => {
                let found = Report::default();
                entries.extend(read_resource(&found, resource, &stem, taken));
                report.adopt(place, found);
            }
            Some(other) => {
                others.insert(shown(other));
            }
        }
    }
    if resources.iter().all(|(_, resource)| is_other(resource)) {
        let message = format!("`{}` holds no {KIND}", shown(&file));
        return Err(Complaint::new(message));
    }
    if !others.is_empty() {
        let named: Vec<String> = others.into_iter().take(MOST_NAMED).collect();
        let named = named.join("`, `");
        report.warn(format!("`{file}`: only {KIND} is read, not `{named}`"));
    }
    Ok(entries)
}

/// Each resource of a file with its place in there; those of a `List` one by one.
fn resources<'d>(file: &str, documents: &'d [Value]) -> Vec<(String, &'d Value)> {
    let mut resources = Vec::new();
    for (at, document) in (1..).zip(documents) {
        let place = match documents {
            [_] => file.to_owned(),
            [..] => format!("{file}: document {at}"),
        };
        match document.get("items").and_then(Value::as_array) {
            Some(items) if kind(document).is_some_and(|kind| kind.ends_with("List")) => {
                let place = |(at, item)| (format!("{place}: items[{at}]"), item);
                resources.extend(items.iter().enumerate().map(place));
            }
            Some(_) | None => resources.push((place, document)),
        }
    }
    resources
}

fn kind(resource: &Value) -> Option<&str> {
    resource.get("kind").and_then(Value::as_str)
}

/// Whether this is a resource of another kind; a bare mapping with `jwtRules` has none.
fn is_other(resource: &Value) -> bool {
    kind(resource).is_some_and(|kind| kind != KIND)
}

fn read_resource(report: &Report, resource: &Value, stem: &str, taken: &mut Taken) -> Vec<Entry> {
    Section::read(report, String::new(), Some(resource), |root| {
        if root.raw("kind").is_none() {
            if resource.is_object() {
                root.required("jwtRules", |_| Ok(()));
            }
            return read_rules(root, stem, taken);
        }
        root.required("apiVersion", api_version);
        root.raw("status");
        let metadata = root.raw("metadata");
        let word = |key| metadata.and_then(|metadata| metadata.get(key)?.as_str());
        let words: Vec<&str> = ["namespace", "name"].into_iter().filter_map(word).collect();
        let owner = match words.as_slice() {
            [] => stem.to_owned(),
            words => words.join("."),
        };
        root.section("spec", |spec| {
            for key in spec.given(&["selector", "targetRef", "targetRefs"]) {
                spec.warn(key, "has no effect: all rules of the file apply here");
            }
            read_rules(spec, &owner, taken)
        })
    })
}

fn api_version(value: &Value) -> Result<(), Complaint> {
    let version = text(value)?;
    if VERSIONS.contains(&version) {
        return Ok(());
    }
    let message = format!("`{}` is not a version that is known", shown(version));
    let hint = format!("write one of `{}`", VERSIONS.join("`, `"));
    Err(Complaint::new(message).hint(hint))
}

fn read_rules(section: &mut Section<'_>, owner: &str, taken: &mut Taken) -> Vec<Entry> {
    let mut index: u32 = 0;
    section.sections("jwtRules", |rule| {
        let name = name_of(owner, index);
        index = index.saturating_add(1);
        read_rule(rule, &name, taken)
    })
}

fn read_rule(rule: &mut Section<'_>, name: &str, taken: &mut Taken) -> Entry {
    taken.name(rule, "issuer", name);
    let issuer = rule.required("issuer", provider::issuer);
    if let Some(issuer) = issuer {
        taken.issuer(rule, "issuer", issuer);
    }
    // Istio does these itself, behind us; what they say of the token's way upstream is Istio's, too.
    for key in ISTIO_ALONE {
        rule.raw(key);
    }
    let mut spaced = rule
        .list("spaceDelimitedClaims", provider::word)
        .unwrap_or_default();
    for claim in ALWAYS_SPACED {
        if !spaced.iter().any(|given| given == claim) {
            spaced.push(claim.to_owned());
        }
    }
    let provider = Provider {
        audiences: rule
            .list("audiences", provider::audience)
            .unwrap_or_default(),
        locations: read_locations(rule),
        space_delimited_claims: spaced.into(),
        ..Provider::new(name, issuer.unwrap_or_default())
    };
    let default = Http::default();
    let http = Http {
        timeout: rule
            .value("timeout", duration(refresh::TIMEOUT))
            .unwrap_or(default.timeout),
        ..default
    };
    let kind = read_keys(rule, issuer);
    (provider, refresh::usual(kind, http))
}

/// Where Istio looks when nothing is said.
fn read_locations(rule: &mut Section<'_>) -> Vec<Location> {
    let named = location::read_as(rule, &location::ISTIO);
    if named.is_empty() {
        return vec![Location::bearer(), Location::Param("access_token".into())];
    }
    named
}

/// The keys of a rule; without a word about them the issuer is asked.
fn read_keys(rule: &mut Section<'_>, issuer: Option<&str>) -> Kind {
    let mut given = rule.given(&["jwksUri", "jwks_uri", "jwks"]);
    // Templates leave an empty text where a value is not set.
    given.retain(|key| rule.raw(key).and_then(Value::as_str) != Some(""));
    if let [first, second, ..] = given.as_slice() {
        let message = format!("`{first}` is given as well; keys come from one place");
        rule.problem(second, Complaint::new(message));
    }
    match (given.first(), issuer) {
        (Some(&"jwks"), _) => keys::inline(rule, "jwks").unwrap_or(Kind::Secret),
        (Some(key), _) => {
            let url = rule.value(key, keys::url).unwrap_or_default();
            keys::warn_if_plain(rule, key, &url);
            Kind::Uri(url)
        }
        (None, Some(issuer)) => keys::discover(rule, "issuer", issuer),
        (None, None) => Kind::Secret,
    }
}

/// `<namespace>.<name>.<index>` as far as a provider's name can hold it.
fn name_of(owner: &str, index: u32) -> String {
    let index = format!(".{index}");
    let fit = |c: char| {
        if provider::is_name_character(c) {
            c
        } else {
            '-'
        }
    };
    let room = provider::LONGEST_NAME.saturating_sub(index.len());
    let mut name: String = owner.chars().map(fit).take(room).collect();
    name.push_str(&index);
    name
}

const KIND: &str = "RequestAuthentication";
const VERSIONS: [&str; 2] = ["security.istio.io/v1", "security.istio.io/v1beta1"];
const ISTIO_ALONE: [&str; 3] = [
    "forwardOriginalToken",
    "outputPayloadToHeader",
    "outputClaimToHeaders",
];
/// What Istio turns into lists whatever is said.
const ALWAYS_SPACED: [&str; 2] = ["scope", "permission"];
/// Most kinds that one message names.
const MOST_NAMED: usize = 5;
