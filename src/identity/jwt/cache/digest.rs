//! The digest under which the result for a token is remembered.
//!
//! Promises: two digests are equal only when token, place, generation of the keys and the whole
//! configuration of all providers are (as far as SHA-256 does not collide): every part is written with
//! its length in front, and every field of the configuration is written.

use std::time::Duration;

use sha2::{Digest as _, Sha256};

use crate::identity::jwt::{Location, OnFailure, Provider};

/// A digest of one token under one configuration.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(in crate::identity::jwt) struct Digest([u8; 32]);

/// Makes digests under one configuration, whose own digest every one begins with.
pub(in crate::identity::jwt) struct Digests {
    begun: Sha256,
}

impl Digests {
    pub(in crate::identity::jwt) fn of(providers: &[Provider]) -> Self {
        let mut configuration = Sha256::new();
        list(&mut configuration, providers, |hasher, provider| {
            write_provider(hasher, provider);
        });
        let mut begun = Sha256::new();
        begun.update(configuration.finalize());
        Self { begun }
    }

    pub(in crate::identity::jwt) fn of_token(
        &self,
        generation: u64,
        place: usize,
        token: &str,
    ) -> Digest {
        let mut hasher = self.begun.clone();
        hasher.update(generation.to_le_bytes());
        number(&mut hasher, place);
        bytes(&mut hasher, token.as_bytes());
        Digest(hasher.finalize().into())
    }
}

fn write_provider(to: &mut Sha256, provider: &Provider) {
    // Named one by one, so that no new field is left out.
    let Provider {
        name,
        issuer,
        audiences,
        algorithms,
        secret,
        locations,
        clock_skew,
        max_lifetime,
        require_exp,
        required_claims,
        typ,
        space_delimited_claims,
        on_missing,
        on_invalid,
        strip_on_allow,
        wait_for_key,
        min_refresh,
    } = provider;
    let text = |to: &mut Sha256, text: &String| bytes(to, text.as_bytes());
    bytes(to, name.as_bytes());
    bytes(to, issuer.as_bytes());
    list(to, audiences, text);
    list(to, algorithms, |to, algorithm| {
        bytes(to, algorithm.as_str().as_bytes());
    });
    list(to, secret.as_slice(), |to, secret| {
        bytes(to, secret.expose());
    });
    list(to, locations, write_location);
    span(to, clock_skew);
    list(to, max_lifetime.as_slice(), span);
    flag(to, *require_exp);
    list(to, required_claims, text);
    list(to, typ.as_slice(), text);
    list(to, space_delimited_claims, text);
    flag(to, *on_missing == OnFailure::Deny);
    flag(to, *on_invalid == OnFailure::Deny);
    flag(to, *strip_on_allow);
    span(to, wait_for_key);
    span(to, min_refresh);
}

fn write_location(to: &mut Sha256, location: &Location) {
    match location {
        Location::Header { name, prefix } => {
            bytes(to, b"header");
            bytes(to, name.as_bytes());
            bytes(to, prefix.as_bytes());
        }
        Location::Cookie(name) => {
            bytes(to, b"cookie");
            bytes(to, name.as_bytes());
        }
        Location::Param(name) => {
            bytes(to, b"param");
            bytes(to, name.as_bytes());
        }
    }
}

fn list<T>(to: &mut Sha256, items: &[T], write: impl Fn(&mut Sha256, &T)) {
    number(to, items.len());
    for item in items {
        write(to, item);
    }
}

fn bytes(to: &mut Sha256, bytes: &[u8]) {
    number(to, bytes.len());
    to.update(bytes);
}

fn span(to: &mut Sha256, span: &Duration) {
    to.update(span.as_nanos().to_le_bytes());
}

fn flag(to: &mut Sha256, flag: bool) {
    to.update([u8::from(flag)]);
}

fn number(to: &mut Sha256, number: usize) {
    // No length is larger than 64 bits.
    to.update(u64::try_from(number).unwrap_or(u64::MAX).to_le_bytes());
}
