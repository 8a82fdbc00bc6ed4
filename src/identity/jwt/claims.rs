//! What a provider asks of the claims of a token whose signature is good (RFC 7519, section 4.1).
//!
//! Promises: a claim of the wrong type is an error, never the same as none (CVE-2026-25537); no time
//! is too large or too small to be compared.

use std::time::Duration;

use serde_json::Value;

use super::{JwtError, Provider};
use crate::identity::jose::JsonObject;

/// What is taken out of the claims once they meet the rules.
#[derive(Debug)]
pub(super) struct Accepted {
    pub(super) subject: Option<Box<str>>,
    pub(super) audiences: Vec<String>,
    pub(super) expires_at: Option<u64>,
    pub(super) window: Window,
}

/// When a token counts, in time since the Unix epoch, with the skew in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Window {
    from: Duration,
    until: Option<Duration>,
}

impl Window {
    pub(super) fn check(self, now: Duration) -> Result<(), JwtError> {
        if self.until.is_some_and(|until| until <= now) {
            Err(JwtError::Expired)
        } else if now < self.from {
            Err(JwtError::NotYetValid)
        } else {
            Ok(())
        }
    }
}

impl Accepted {
    /// Applies every rule apart from the time, which is the [`Window`]'s.
    pub(super) fn read(claims: &JsonObject, provider: &Provider) -> Result<Self, JwtError> {
        let times = Times::read(claims)?;
        if provider.require_exp && times.exp.is_none() {
            return Err(JwtError::Claim);
        }
        if let Some(longest) = provider.max_lifetime {
            let lifetime = times.lifetime().ok_or(JwtError::Claim)?;
            if lifetime > longest {
                return Err(JwtError::Claim);
            }
        }
        let subject = match claims.get("sub") {
            None => None,
            Some(sub) => Some(sub.as_str().ok_or(JwtError::Claim)?.into()),
        };
        let is_there = |name: &String| claims.get(name).is_some_and(|claim| !claim.is_null());
        if !provider.required_claims.iter().all(is_there) {
            return Err(JwtError::Claim);
        }
        let audiences = read_audiences(claims.get("aud"))?;
        let ours = &provider.audiences;
        if !ours.is_empty() && !audiences.iter().any(|audience| ours.contains(audience)) {
            return Err(JwtError::Audience);
        }
        Ok(Self {
            subject,
            audiences,
            expires_at: times.exp.map(|exp| exp.as_secs()),
            window: times.window(provider.clock_skew),
        })
    }
}

struct Times {
    exp: Option<Duration>,
    nbf: Option<Duration>,
    iat: Option<Duration>,
}

impl Times {
    fn read(claims: &JsonObject) -> Result<Self, JwtError> {
        let time = |name| claims.get(name).map(numeric_date).transpose();
        Ok(Self {
            exp: time("exp")?,
            nbf: time("nbf")?,
            iat: time("iat")?,
        })
    }

    fn lifetime(&self) -> Option<Duration> {
        Some(self.exp?.saturating_sub(self.iat?))
    }

    fn window(&self, skew: Duration) -> Window {
        Window {
            from: self
                .nbf
                .max(self.iat)
                .unwrap_or_default()
                .saturating_sub(skew),
            until: self.exp.map(|exp| exp.saturating_add(skew)),
        }
    }
}

/// A `NumericDate` (RFC 7519, section 2): seconds since the Unix epoch, which may have a fraction.
/// What is later than can be counted is as late as can be.
fn numeric_date(claim: &Value) -> Result<Duration, JwtError> {
    let Value::Number(number) = claim else {
        return Err(JwtError::Claim);
    };
    if let Some(seconds) = number.as_u64() {
        return Ok(Duration::from_secs(seconds));
    }
    let seconds = number.as_f64().ok_or(JwtError::Claim)?;
    if seconds.is_finite() && seconds >= 0.0 {
        Ok(Duration::try_from_secs_f64(seconds).unwrap_or(Duration::MAX))
    } else {
        Err(JwtError::Claim)
    }
}

/// One text or a list of texts.
fn read_audiences(aud: Option<&Value>) -> Result<Vec<String>, JwtError> {
    let text = |value: &Value| value.as_str().map(str::to_owned).ok_or(JwtError::Claim);
    match aud {
        None => Ok(Vec::new()),
        Some(Value::Array(list)) => list.iter().map(text).collect(),
        Some(one) => Ok(vec![text(one)?]),
    }
}
