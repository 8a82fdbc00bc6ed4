//! The second argument of `io.jwt.decode_verify`: whom to trust, and what the claims must be.

use std::cmp::Ordering;

use regorus::Value;

use super::{JwtError, text};
use crate::clock::Clock;

/// What a token must meet.
#[derive(Debug)]
pub(super) struct Constraints<'c> {
    pub(super) trust: Trust<'c>,
    /// The only algorithm allowed.
    pub(super) algorithm: Option<&'c str>,
    issuer: Option<&'c str>,
    /// Empty if there is none: the reference compares with it either way.
    audience: &'c str,
    /// In seconds since the epoch; nothing is now.
    time: Option<f64>,
}

/// What good signatures come from.
#[derive(Clone, Copy, Debug)]
pub(super) enum Trust<'c> {
    /// PEM, a JWK or a set of them.
    Keys(&'c str),
    /// A shared secret.
    Secret(&'c str),
}

impl<'c> Constraints<'c> {
    pub(super) fn read(value: &'c Value) -> Result<Self, JwtError> {
        let fields = value
            .as_object()
            .map_err(|_| JwtError::NoObject("constraint"))?;
        let (mut cert, mut secret) = (None, "");
        let (mut algorithm, mut issuer, mut audience, mut time) = ("", "", "", None);
        for (name, value) in fields {
            match text(name, "name of a constraint")? {
                "cert" => cert = Some(string(value, "cert")?),
                "secret" => secret = string(value, "secret")?,
                "alg" => algorithm = string(value, "alg")?,
                "iss" => issuer = string(value, "iss")?,
                "aud" => audience = string(value, "aud")?,
                "time" => time = Some(seconds(value)?),
                other => return Err(JwtError::UnknownConstraint(other.to_owned())),
            }
        }
        let trust = match (cert, secret) {
            (None, "") => return Err(JwtError::NoKey),
            (Some(keys), "") => Trust::Keys(keys),
            (None, secret) => Trust::Secret(secret),
            (Some(_), _) => return Err(JwtError::TwoKeys),
        };
        let given = |text: &&str| !text.is_empty();
        Ok(Self {
            trust,
            algorithm: Some(algorithm).filter(given),
            issuer: Some(issuer).filter(given),
            audience,
            time,
        })
    }

    /// Whether the claims in `payload` are what they must be.
    pub(super) fn hold(&self, payload: &Value, clock: Clock) -> Result<bool, JwtError> {
        let claims = payload
            .as_object()
            .map_err(|_| JwtError::NoObject("payload"))?;
        let claim = |name: &str| claims.get(&Value::from(name));
        let named = |value: &Value, text: &str| value.as_string().is_ok_and(|own| &**own == text);
        if let Some(issuer) = self.issuer
            && !claim("iss").is_some_and(|own| named(own, issuer))
        {
            return Ok(false);
        }
        let audience = match claim("aud") {
            None => self.audience.is_empty(),
            Some(Value::Array(all)) => all.iter().any(|one| named(one, self.audience)),
            Some(one) => named(one, self.audience),
        };
        if !audience {
            return Ok(false);
        }
        let now = self.time.unwrap_or_else(|| clock.now().unix.as_secs_f64());
        let now = Value::from(now);
        if let Some(expiry) = claim("exp")
            && number(expiry, "exp")?.cmp(&now) != Ordering::Greater
        {
            return Ok(false);
        }
        if let Some(start) = claim("nbf")
            && number(start, "nbf")?.cmp(&now) == Ordering::Greater
        {
            return Ok(false);
        }
        Ok(true)
    }
}

fn number<'v>(value: &'v Value, name: &'static str) -> Result<&'v Value, JwtError> {
    value.as_number().map_err(|_| JwtError::Claim(name))?;
    Ok(value)
}

fn string<'v>(value: &'v Value, name: &'static str) -> Result<&'v str, JwtError> {
    text(value, name).map_err(|_| JwtError::Constraint(name))
}

/// Nanoseconds as seconds. By way of the text, which any number has: whole numbers of this size are
/// more than a double can hold, and are to be rounded.
fn seconds(value: &Value) -> Result<f64, JwtError> {
    value.as_number().map_err(|_| JwtError::Time)?;
    let nanoseconds: f64 = value.to_string().parse().map_err(|_| JwtError::Time)?;
    if nanoseconds.is_finite() && nanoseconds >= 0.0 {
        Ok(nanoseconds / 1e9)
    } else {
        Err(JwtError::Time)
    }
}
