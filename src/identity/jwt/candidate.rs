//! A token taken apart: of which provider it says to be, and what its header says.
//!
//! Nothing here is proven. The issuer selects the provider whose keys and rules the token must meet,
//! and nothing else; what the header says about keys, apart from `kid`, is not looked at.

use serde_json::Value;

use super::{JwtError, Provider};
use crate::identity::jose::{Algorithm, JsonObject, Jws, object};

/// A token that says to be of a provider.
#[derive(Debug)]
pub(super) struct Candidate<'t, 'p> {
    /// The provider's place in the configuration.
    pub(super) at: usize,
    pub(super) provider: &'p Provider,
    pub(super) jws: Jws<'t>,
    pub(super) algorithm: Algorithm,
    pub(super) kid: Option<String>,
    /// The payload, as one object without a name twice.
    pub(super) claims: JsonObject,
}

/// A token that is refused before its signature is looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Refused {
    pub(super) error: JwtError,
    /// The provider, when the issuer has selected one.
    pub(super) provider: Option<usize>,
}

impl From<JwtError> for Refused {
    fn from(error: JwtError) -> Self {
        Self {
            error,
            provider: None,
        }
    }
}

impl<'t, 'p> Candidate<'t, 'p> {
    /// Takes a token apart. `among` are the providers whose tokens may stand where it was found.
    pub(super) fn read(
        token: &'t str,
        among: &[usize],
        providers: &'p [Provider],
    ) -> Result<Self, Refused> {
        let jws = Jws::parse(token).map_err(|_| JwtError::Malformed)?;
        let claims = object(&jws.payload).map_err(|_| JwtError::Malformed)?;
        let issuer = optional_text(&claims, "iss")?.ok_or(JwtError::UnknownIssuer)?;
        let of_issuer = |at: &usize| Some((*at, providers.get(*at)?));
        let (at, provider) = among
            .iter()
            .filter_map(of_issuer)
            .find(|(_, provider)| *provider.issuer == *issuer)
            .ok_or(JwtError::UnknownIssuer)?;
        let (algorithm, kid) = read_header(&jws.header, provider).map_err(|error| Refused {
            error,
            provider: Some(at),
        })?;
        Ok(Self {
            at,
            provider,
            jws,
            algorithm,
            kid,
            claims,
        })
    }
}

fn read_header(
    header: &JsonObject,
    provider: &Provider,
) -> Result<(Algorithm, Option<String>), JwtError> {
    if NOT_UNDERSTOOD.iter().any(|name| header.contains_key(*name)) {
        return Err(JwtError::Malformed);
    }
    let algorithm = optional_text(header, "alg")?.ok_or(JwtError::Malformed)?;
    let kid = optional_text(header, "kid")?;
    let typ = optional_text(header, "typ")?;
    let cty = optional_text(header, "cty")?;
    if cty.is_some_and(|cty| is_same_media_type(cty, "JWT")) {
        return Err(JwtError::Malformed);
    }
    let algorithm = Algorithm::parse(algorithm)
        .filter(|algorithm| provider.algorithms.contains(algorithm))
        .ok_or(JwtError::Algorithm)?;
    if let Some(wanted) = &provider.typ
        && !typ.is_some_and(|typ| is_same_media_type(typ, wanted))
    {
        return Err(JwtError::Claim);
    }
    Ok((algorithm, kid.map(str::to_owned)))
}

/// A member that must be text if it is there.
fn optional_text<'o>(object: &'o JsonObject, name: &str) -> Result<Option<&'o str>, JwtError> {
    match object.get(name) {
        None => Ok(None),
        Some(Value::String(text)) => Ok(Some(text)),
        Some(
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_),
        ) => Err(JwtError::Malformed),
    }
}

/// `typ` and `cty` are media types without case, whose `application/` may be left out (RFC 7515,
/// section 4.1.9).
fn is_same_media_type(one: &str, other: &str) -> bool {
    fn short(name: &str) -> &str {
        const PREFIX: &str = "application/";
        match name.split_at_checked(PREFIX.len()) {
            Some((prefix, rest)) if prefix.eq_ignore_ascii_case(PREFIX) => rest,
            Some(_) | None => name,
        }
    }
    short(one).eq_ignore_ascii_case(short(other))
}

/// Header parameters that change what the token means: extensions that must be understood
/// (RFC 7515, section 4.1.11), a payload that is not base64url (RFC 7797), and those of encrypted
/// tokens (RFC 7516, section 4.1).
const NOT_UNDERSTOOD: [&str; 4] = ["crit", "b64", "enc", "zip"];
