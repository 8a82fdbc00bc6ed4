//! The one place where a token becomes a verified one: first the signature, then the claims.

use std::sync::Arc;

use crate::{
    clock::Now,
    identity::{
        jose::VerifyingKey,
        jwt::{
            Document, JwtError, Verified, VerifiedToken, cache::Success, candidate::Candidate,
            claims::Accepted,
        },
    },
};

/// Proves a token with the key that it must be signed with.
pub(super) fn prove<D: Document>(
    candidate: Candidate<'_, '_>,
    key: &VerifyingKey,
    now: Now,
) -> Result<Success<D>, JwtError> {
    let Candidate {
        jws,
        algorithm,
        claims,
        provider,
        at: _,
        kid: _,
    } = candidate;
    if !key.verify(algorithm, jws.signing_input, &jws.signature) {
        return Err(JwtError::BadSignature);
    }
    let accepted = Accepted::read(&claims, provider)?;
    accepted.window.check(now.unix)?;
    let token = VerifiedToken {
        provider: Arc::clone(&provider.name),
        issuer: Arc::clone(&provider.issuer),
        subject: accepted.subject,
        audiences: accepted.audiences,
        expires_at: accepted.expires_at,
        header: jws.header_json,
        claims: jws.payload,
        space_delimited: Arc::clone(&provider.space_delimited_claims),
    };
    let document = D::of(&token).ok_or(JwtError::Malformed)?;
    Ok(Success {
        token: Arc::new(Verified { token, document }),
        window: accepted.window,
    })
}
