//! `jwt_error`: why the input holds no verified token.
//!
//! No provider of keys is configured anywhere yet, so no token is ever verified and `jwt` is never
//! there. Unverified claims are not put into the input under any key.

use regorus::Value;

use super::select::text;
use crate::request::RequestView;

/// The codes as finished values.
#[derive(Debug)]
pub(super) struct Codes {
    missing: Value,
    unknown_issuer: Value,
}

impl Codes {
    pub(super) fn new() -> Self {
        Self {
            missing: text("missing"),
            unknown_issuer: text("unknown_issuer"),
        }
    }

    /// The code for this request.
    pub(super) fn jwt_error(&self, request: &RequestView<'_>) -> Value {
        let authorization = request.header("authorization");
        if authorization.is_some_and(|value| is_bearer(&value)) {
            self.unknown_issuer.clone()
        } else {
            self.missing.clone()
        }
    }
}

/// Whether an `authorization` value carries a token; the scheme's case does not matter (RFC 9110,
/// section 11.1).
fn is_bearer(authorization: &str) -> bool {
    authorization
        .split_once(' ')
        .is_some_and(|(scheme, token)| {
            scheme.eq_ignore_ascii_case("bearer") && !token.trim().is_empty()
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_bearer_scheme_with_something_behind_it_is_a_token() {
        for value in ["Bearer x.y.z", "bearer x", "BEARER  x"] {
            assert!(is_bearer(value), "{value}");
        }
        for value in [
            "",
            "Bearer",
            "Bearer ",
            "Bearer   ",
            "Basic eA==",
            "Bearerx y",
            " Bearer x",
        ] {
            assert!(!is_bearer(value), "{value}");
        }
    }
}
