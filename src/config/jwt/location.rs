//! Where the token of a request is looked for.

use http::{HeaderName, header::AUTHORIZATION};
use serde_json::Value;

use crate::identity::jwt::Location;

use super::super::{
    problem::Complaint,
    section::Section,
    value::{shown, text},
};

/// What the three keys are called.
#[derive(Clone, Copy, Debug)]
pub(super) struct Keys {
    headers: &'static str,
    cookies: &'static str,
    params: &'static str,
}

/// In our own section.
const OURS: Keys = Keys {
    headers: "from_headers",
    cookies: "from_cookies",
    params: "from_params",
};
/// In a rule of Istio.
pub(super) const ISTIO: Keys = Keys {
    headers: "fromHeaders",
    cookies: "fromCookies",
    params: "fromParams",
};

/// The places that a provider of ours names, or the usual one.
pub(super) fn read(section: &mut Section<'_>) -> Vec<Location> {
    let locations = read_as(section, &OURS);
    let given = section.given(&[OURS.headers, OURS.cookies, OURS.params]);
    let all_empty = given.iter().all(|key| {
        let list = section.raw(key).and_then(Value::as_array);
        list.is_some_and(Vec::is_empty)
    });
    match given.first() {
        Some(_) if !all_empty => locations,
        None => vec![Location::bearer()],
        Some(key) => {
            let complaint = Complaint::new("an empty list finds no token");
            let hint = "leave the key out to read `Authorization: Bearer`";
            section.problem(key, complaint.hint(hint));
            locations
        }
    }
}

/// The places that are named, in the order headers, cookies, parameters.
pub(super) fn read_as(section: &mut Section<'_>, keys: &Keys) -> Vec<Location> {
    let headers = section.sections(keys.headers, header);
    let cookies = section.list(keys.cookies, cookie).unwrap_or_default();
    let params = section.list(keys.params, param).unwrap_or_default();
    check_headers(section, keys.headers, &headers);
    check_names(section, keys.cookies, &cookies);
    check_names(section, keys.params, &params);
    let mut locations: Vec<Location> = headers.into_iter().flatten().collect();
    locations.extend(cookies.into_iter().map(Location::Cookie));
    locations.extend(params.into_iter().map(Location::Param));
    locations
}

fn header(section: &mut Section<'_>) -> Option<Location> {
    let name = section.required("name", header_name);
    let prefix = section.value("prefix", prefix);
    let name = name?;
    let prefix = match prefix {
        Some(scheme) if name == AUTHORIZATION && is_scheme(scheme) => format!("{scheme} "),
        Some(prefix) => prefix.to_owned(),
        None if name == AUTHORIZATION => "Bearer ".to_owned(),
        None => String::new(),
    };
    Some(Location::Header {
        name: name.as_str().into(),
        prefix: prefix.into(),
    })
}

/// Whether this is an authentication scheme without the space that always follows one.
fn is_scheme(prefix: &str) -> bool {
    let of_a_word = |c: char| c.is_ascii_alphanumeric() || c == '-';
    !prefix.is_empty() && prefix.chars().all(of_a_word)
}

fn header_name(value: &Value) -> Result<HeaderName, Complaint> {
    let name = text(value)?;
    // Lower-cases it, too.
    name.parse()
        .map_err(|_| Complaint::new(format!("`{}` is not a header's name", shown(name))))
}

fn prefix(value: &Value) -> Result<&str, Complaint> {
    let prefix = text(value)?;
    let visible = |c: char| c == ' ' || c.is_ascii_graphic();
    if prefix.len() > LONGEST_PREFIX || !prefix.chars().all(visible) {
        let message = format!("must be at most {LONGEST_PREFIX} visible ASCII characters");
        return Err(Complaint::new(message));
    }
    if prefix.starts_with(' ') || prefix.contains(',') {
        let message = "finds no token: values have neither a space before them nor a comma";
        return Err(Complaint::new(message));
    }
    Ok(prefix)
}

/// RFC 6265, section 4.1.1: a token, as a header's name is.
fn cookie(value: &Value) -> Result<Box<str>, Complaint> {
    let name = text(value)?;
    match HeaderName::from_bytes(name.as_bytes()) {
        Ok(_) => Ok(name.into()),
        Err(_) => Err(Complaint::new(format!(
            "`{}` is not a cookie's name",
            shown(name)
        ))),
    }
}

fn param(value: &Value) -> Result<Box<str>, Complaint> {
    let name = text(value)?;
    if (1..=LONGEST_PARAM).contains(&name.len()) && !name.contains(char::is_control) {
        return Ok(name.into());
    }
    let message = format!("`{}` is not a parameter's name", shown(name));
    Err(Complaint::new(message))
}

/// A token that is found at two places is two tokens, so no place may be named twice.
fn check_headers(section: &Section<'_>, key: &str, headers: &[Option<Location>]) {
    for (index, header) in headers.iter().enumerate() {
        let mut before = headers.iter().take(index).flatten();
        if header
            .as_ref()
            .is_some_and(|header| before.any(|other| overlap(header, other)))
        {
            let complaint = Complaint::new("finds the tokens of another entry again");
            section.problem_at(key, index, complaint);
        }
    }
}

/// Whether a value can begin with both prefixes.
fn overlap(one: &Location, other: &Location) -> bool {
    let (
        Location::Header { name, prefix },
        Location::Header {
            name: other_name,
            prefix: other_prefix,
        },
    ) = (one, other)
    else {
        return false;
    };
    let mut pairs = prefix.bytes().zip(other_prefix.bytes());
    name == other_name && pairs.all(|(a, b)| a.eq_ignore_ascii_case(&b))
}

fn check_names(section: &Section<'_>, key: &str, names: &[Box<str>]) {
    for (index, name) in names.iter().enumerate() {
        if names.iter().take(index).any(|other| other == name) {
            let message = format!("`{}` is given twice", shown(name));
            section.problem(key, Complaint::new(message));
        }
    }
}

const LONGEST_PREFIX: usize = 64;
const LONGEST_PARAM: usize = 256;
