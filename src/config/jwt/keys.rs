//! Where the keys of a provider come from: `jwks_uri`, `jwks_file`, `jwks` or `discovery`.

use std::{error::Error as _, sync::Arc};

use reqwest::Url;
use serde_json::Value;

use crate::{
    identity::{jose::Algorithm, jwt::KeySet},
    sources::jwks::Kind,
};

use super::super::{
    problem::Complaint,
    section::Section,
    value::{boolean, path, shown, text},
};

/// The one place of the keys; none when all `algorithms` use a shared secret. What is wrong reads as
/// none, too.
pub(super) fn read(
    section: &mut Section<'_>,
    algorithms: Option<&[Algorithm]>,
    issuer: Option<&str>,
) -> Kind {
    let uri = section.value("jwks_uri", url).map(Kind::Uri);
    let file = section.value("jwks_file", path).map(Kind::File);
    let inline = inline(section, "jwks");
    let discovery = section.value("discovery", boolean);
    let mut given = section.given(&["jwks_uri", "jwks_file", "jwks"]);
    if discovery == Some(true) {
        given.push("discovery");
    }
    if let [first, second, ..] = given.as_slice() {
        let message = format!("`{first}` is given as well; keys come from one place");
        section.problem(second, Complaint::new(message));
    }
    check(section, algorithms, &given);
    let discovered = discovery.filter(|wanted| *wanted).and(issuer);
    let discovered = discovered.map(|issuer| discover(section, "discovery", issuer));
    if let Some(Kind::Uri(url)) = &uri {
        warn_if_plain(section, "jwks_uri", url);
    }
    let kinds = [uri, file, inline, discovered];
    kinds.into_iter().flatten().next().unwrap_or(Kind::Secret)
}

/// Reports keys that no algorithm uses, and a lack of keys.
fn check(section: &Section<'_>, algorithms: Option<&[Algorithm]>, given: &[&str]) {
    let Some(algorithms) = algorithms else {
        return;
    };
    let wanted = algorithms.iter().any(|algorithm| !algorithm.is_symmetric());
    match given.first() {
        None if wanted => {
            let complaint = Complaint::new("is missing: nothing says where the keys come from");
            let hint = "give one of `jwks_uri`, `jwks_file`, `jwks` and `discovery: true`";
            section.problem("jwks_uri", complaint.hint(hint));
        }
        Some(key) if !wanted => {
            let complaint = Complaint::new("all `algorithms` use a shared secret and no such keys");
            let hint = "list an asymmetric algorithm such as `RS256`, or remove the key";
            section.problem(key, complaint.hint(hint));
        }
        None | Some(_) => {}
    }
}

/// The issuer's own word on where its keys are.
pub(super) fn discover(section: &Section<'_>, key: &str, issuer: &str) -> Kind {
    match parse_url(issuer) {
        Ok(url) if url.query().is_none() => warn_if_plain(section, key, issuer),
        Ok(_) => {
            let message = format!("the issuer `{}` has a query", shown(issuer));
            section.problem(key, Complaint::new(message).hint(DISCOVERY_HINT));
        }
        Err(rule) => {
            let message = format!("the issuer `{}` {rule}", shown(issuer));
            section.problem(key, Complaint::new(message).hint(DISCOVERY_HINT));
        }
    }
    Kind::Discovery {
        issuer: issuer.into(),
    }
}

/// The URL of a key set.
pub(super) fn url(value: &Value) -> Result<String, Complaint> {
    let url = text(value)?;
    match parse_url(url) {
        Ok(_) => Ok(url.to_owned()),
        Err(rule) => Err(Complaint::new(format!("`{}` {rule}", shown(url)))),
    }
}

fn parse_url(text: &str) -> Result<Url, &'static str> {
    // The parser would drop these without a word.
    let blank = |c: char| c.is_whitespace() || c.is_control() || c == '\\';
    if text.contains(blank) || text.len() > LONGEST_URL {
        return Err(NO_URL);
    }
    let url = Url::parse(text).map_err(|_| NO_URL)?;
    if !matches!(url.scheme(), "http" | "https") || !url.has_host() {
        return Err(NO_URL);
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err("holds a user or password, which would be sent in the open and logged");
    }
    if url.fragment().is_some() {
        return Err("has a fragment, which is never sent");
    }
    Ok(url)
}

/// Keys that anybody on the way can replace let anybody sign.
pub(super) fn warn_if_plain(section: &Section<'_>, key: &str, url: &str) {
    let scheme = url.get(..5).unwrap_or_default();
    if scheme.eq_ignore_ascii_case("http:") {
        let text = "fetches keys over plain http: who can change them on the way can sign tokens, \
                    unless the mesh protects that way";
        section.warn(key, text);
    }
}

/// Keys that stand in the configuration, as a mapping or as JSON text.
pub(super) fn inline(section: &mut Section<'_>, key: &'static str) -> Option<Kind> {
    let json = section.value(key, |value| match value {
        Value::String(text) => Ok(text.clone()),
        Value::Object(_) => Ok(value.to_string()),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::Array(_) => {
            Err(Complaint::wrong_type("a mapping or JSON text", value))
        }
    })?;
    let set = match KeySet::parse(json.as_bytes()) {
        Ok(set) => set,
        Err(invalid) => {
            let cause = invalid.source().map(|cause| format!(": {cause}"));
            let message = format!("{invalid}{}", cause.unwrap_or_default());
            section.problem(key, Complaint::new(message));
            return None;
        }
    };
    let skipped = skipped(&set);
    if set.is_empty() {
        let complaint = Complaint::new("no key of it can be used");
        let complaint = match &skipped {
            Some(skipped) => complaint.hint(skipped),
            None => complaint,
        };
        section.problem(key, complaint);
    } else if let Some(skipped) = skipped {
        section.warn(key, &format!("holds keys that are left out: {skipped}"));
    }
    Some(Kind::Inline(Arc::new(set)))
}

/// Which keys of a set are left out, and why.
fn skipped(set: &KeySet) -> Option<String> {
    let skipped = set.skipped();
    let named = skipped.iter().take(MOST_NAMED).map(|key| {
        let kid = key.kid.as_deref().map(|kid| format!(" `{}`", shown(kid)));
        format!("key {}{}: {}", key.at, kid.unwrap_or_default(), key.why)
    });
    let mut parts: Vec<String> = named.collect();
    let more = skipped.len().saturating_sub(parts.len());
    if more > 0 {
        parts.push(format!("{more} more"));
    }
    Some(parts.join("; ")).filter(|text| !text.is_empty())
}

const NO_URL: &str = "is not an `http` or `https` URL";
const DISCOVERY_HINT: &str =
    "discovery asks the issuer at its own URL; give `jwks_uri` for another kind of issuer";
const LONGEST_URL: usize = 2048;
/// Most keys that one message names.
const MOST_NAMED: usize = 5;
