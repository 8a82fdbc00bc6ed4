//! `algorithms`, and the secret of the symmetric ones among them.

use std::path::Path;

use serde_json::Value;

use crate::{identity::jose::Algorithm, redact::Secret};

use super::super::{
    file,
    problem::{Complaint, nearest},
    section::Section,
    value::{path, shown, text},
};

/// The algorithms; `None` when they are wrong, so that nothing can be said about their keys.
pub(super) fn read(section: &mut Section<'_>) -> Option<Vec<Algorithm>> {
    let Some(given) = section.raw("algorithms") else {
        return Some(Algorithm::asymmetric());
    };
    let listed = section.list("algorithms", algorithm)?;
    let count = given.as_array().map_or(0, Vec::len);
    if count == 0 {
        let complaint = Complaint::new("an empty list accepts no token");
        section.problem("algorithms", complaint);
    }
    let all_known = listed.len() == count;
    let mut algorithms = Vec::with_capacity(listed.len());
    for algorithm in listed {
        if algorithms.contains(&algorithm) {
            let message = format!("`{}` is given twice", algorithm.as_str());
            section.problem("algorithms", Complaint::new(message));
        } else {
            algorithms.push(algorithm);
        }
    }
    Some(algorithms).filter(|listed| all_known && !listed.is_empty())
}

fn algorithm(value: &Value) -> Result<Algorithm, Complaint> {
    let name = text(value)?;
    if name.eq_ignore_ascii_case("none") {
        let complaint = Complaint::new("`none` is no signature: anybody could make such a token");
        return Err(complaint.hint("remove it; it is never accepted"));
    }
    Algorithm::parse(name).ok_or_else(|| {
        let complaint = Complaint::new(format!("`{}` is not an algorithm", shown(name)));
        let names = Algorithm::ALL.map(Algorithm::as_str);
        match nearest(name, names) {
            Some(name) => complaint.hint(format!("did you mean `{name}`?")),
            None => complaint.hint(format!("write one of `{}`", names.join("`, `"))),
        }
    })
}

/// The shared secret that `algorithms` need, from `secret` or `secret_file`.
pub(super) fn read_secret(
    section: &mut Section<'_>,
    algorithms: Option<&[Algorithm]>,
) -> Option<Secret<Vec<u8>>> {
    let inline = section.value("secret", |value| {
        text(value).map(|secret| secret.as_bytes().to_vec())
    });
    let file = section.value("secret_file", |value| read_file(&path(value)?));
    let given = section.given(&["secret", "secret_file"]);
    let hungriest = algorithms?
        .iter()
        .filter_map(|algorithm| Some((least_bytes(*algorithm)?, algorithm.as_str())))
        .max();
    match (given.as_slice(), hungriest) {
        ([], None) => {}
        ([], Some((_, name))) => {
            let complaint = Complaint::new(format!("is missing: `{name}` needs a shared secret"));
            section.problem("secret", complaint.hint("give `secret` or `secret_file`"));
        }
        ([key, ..], None) => {
            let complaint = Complaint::new("none of the `algorithms` has a shared secret");
            let hint = "list `HS256`, `HS384` or `HS512` in `algorithms`, or remove the secret";
            section.problem(key, complaint.hint(hint));
        }
        ([key], Some((least, name))) => {
            let secret = inline.or(file)?;
            if secret.len() < least {
                let length = secret.len();
                let message = format!("has {length} bytes; `{name}` needs at least {least}");
                section.problem(key, Complaint::new(message));
            }
            return Some(secret.into());
        }
        ([first, second, ..], Some(_)) => {
            let message = format!("`{first}` is given as well; give one of them");
            section.problem(second, Complaint::new(message));
        }
    }
    None
}

/// The bytes of a secret in a file. The line break that editors leave behind a text is no part of it.
fn read_file(path: &Path) -> Result<Vec<u8>, Complaint> {
    let mut bytes =
        file::bytes(path, LARGEST_SECRET).map_err(|error| file::unreadable(path, &error))?;
    if str::from_utf8(&bytes).is_ok() {
        for end in [b"\r\n".as_slice(), b"\n"] {
            if let Some(text) = bytes.strip_suffix(end) {
                bytes.truncate(text.len());
                break;
            }
        }
    }
    Ok(bytes)
}

/// How many bytes an algorithm's secret must have: as many as its hash (RFC 7518, section 3.2).
fn least_bytes(algorithm: Algorithm) -> Option<usize> {
    match algorithm {
        Algorithm::Hs256 => Some(32),
        Algorithm::Hs384 => Some(48),
        Algorithm::Hs512 => Some(64),
        Algorithm::Rs256
        | Algorithm::Rs384
        | Algorithm::Rs512
        | Algorithm::Ps256
        | Algorithm::Ps384
        | Algorithm::Ps512
        | Algorithm::Es256
        | Algorithm::Es384
        | Algorithm::Es512
        | Algorithm::EdDsa => None,
    }
}

/// Largest file with a secret in bytes.
const LARGEST_SECRET: usize = 64 * 1024;
