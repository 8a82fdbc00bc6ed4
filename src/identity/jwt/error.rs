//! Why there is no verified token: the closed codes of `input.jwt_error`.

/// Why a request has no verified token.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
#[error("{}", self.as_str())]
pub enum JwtError {
    /// No token where one is looked for.
    Missing,
    /// Not a signed token in its compact form, or several of them.
    Malformed,
    /// No provider has this issuer.
    UnknownIssuer,
    /// The provider's key set has no key of this `kid`.
    UnknownKey,
    /// The signature is not the key's.
    BadSignature,
    /// `exp` has passed.
    Expired,
    /// `nbf` has not come, or `iat` lies in the future.
    NotYetValid,
    /// None of the provider's audiences is in `aud`.
    Audience,
    /// The `alg` is not one of the provider's, or not the key's.
    Algorithm,
    /// A claim, or the `typ`, is missing or not what it must be.
    Claim,
    /// The provider's keys could not be fetched, for too long.
    KeysUnavailable,
}

impl JwtError {
    /// Every code.
    pub const ALL: [Self; 11] = [
        Self::Missing,
        Self::Malformed,
        Self::UnknownIssuer,
        Self::UnknownKey,
        Self::BadSignature,
        Self::Expired,
        Self::NotYetValid,
        Self::Audience,
        Self::Algorithm,
        Self::Claim,
        Self::KeysUnavailable,
    ];

    /// The code, as policies and metrics see it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Missing => "missing",
            Self::Malformed => "malformed",
            Self::UnknownIssuer => "unknown_issuer",
            Self::UnknownKey => "unknown_key",
            Self::BadSignature => "bad_signature",
            Self::Expired => "expired",
            Self::NotYetValid => "not_yet_valid",
            Self::Audience => "audience",
            Self::Algorithm => "algorithm",
            Self::Claim => "claim",
            Self::KeysUnavailable => "keys_unavailable",
        }
    }
}
