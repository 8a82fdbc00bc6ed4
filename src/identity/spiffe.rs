//! SPIFFE IDs, parsed as the SPIFFE-ID specification says (sections 2.1 to 2.4).
//!
//! Promises that a value of [`SpiffeId`] is valid as a whole: a principal that breaks one rule has
//! no trust domain, no namespace and no service account at all.

use std::fmt;

/// A valid SPIFFE ID, borrowed from the text it was parsed from.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct SpiffeId<'a> {
    id: &'a str,
    trust_domain: &'a str,
    path: &'a str,
}

/// The rule of the SPIFFE-ID specification that a text breaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidSpiffeId {
    /// Longer than [`MAX_LENGTH`] bytes.
    #[error("a SPIFFE ID has at most {MAX_LENGTH} bytes")]
    TooLong,
    /// Does not start with `spiffe://`.
    #[error("a SPIFFE ID starts with `spiffe://`")]
    WrongScheme,
    /// Nothing between the scheme and the path.
    #[error("the trust domain is empty")]
    EmptyTrustDomain,
    /// Longer than [`MAX_TRUST_DOMAIN_LENGTH`] bytes.
    #[error("a trust domain has at most {MAX_TRUST_DOMAIN_LENGTH} bytes")]
    TrustDomainTooLong,
    /// A character outside `[a-z0-9.-_]`: upper case, user info, port, query or fragment among them.
    #[error("a trust domain holds only the characters a-z, 0-9, `.`, `-` and `_`")]
    TrustDomainCharacter,
    /// `//` or a trailing `/`.
    #[error("a path segment is empty")]
    EmptySegment,
    /// `.` or `..`.
    #[error("a path segment is a dot segment")]
    DotSegment,
    /// A character outside `[a-zA-Z0-9.-_]`: percent-encoding, query and fragment among them.
    #[error("a path segment holds only letters, digits, `.`, `-` and `_`")]
    PathCharacter,
}

impl<'a> SpiffeId<'a> {
    /// Parses `id`; the whole text must be a SPIFFE ID.
    pub fn parse(id: &'a str) -> Result<Self, InvalidSpiffeId> {
        if id.len() > MAX_LENGTH {
            return Err(InvalidSpiffeId::TooLong);
        }
        let rest = id
            .strip_prefix("spiffe://")
            .ok_or(InvalidSpiffeId::WrongScheme)?;
        let (trust_domain, path) = rest.find('/').map_or((rest, ""), |at| rest.split_at(at));
        check_trust_domain(trust_domain)?;
        if let Some(segments) = path.strip_prefix('/') {
            segments.split('/').try_for_each(check_segment)?;
        }
        Ok(Self {
            id,
            trust_domain,
            path,
        })
    }

    /// The whole ID, `spiffe://` included.
    pub fn id(&self) -> &'a str {
        self.id
    }

    /// The trust domain name, such as `cluster.local`.
    pub fn trust_domain(&self) -> &'a str {
        self.trust_domain
    }

    /// The path with its leading slash; empty when the ID names the trust domain itself.
    pub fn path(&self) -> &'a str {
        self.path
    }

    /// Namespace and service account, when the path has exactly Istio's form `/ns/N/sa/S`.
    pub fn workload(&self) -> Option<(&'a str, &'a str)> {
        let (namespace, account) = self.path.strip_prefix("/ns/")?.split_once("/sa/")?;
        let single = |segment: &str| !segment.is_empty() && !segment.contains('/');
        (single(namespace) && single(account)).then_some((namespace, account))
    }
}

impl fmt::Display for SpiffeId<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.id)
    }
}

impl fmt::Debug for SpiffeId<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

fn check_trust_domain(trust_domain: &str) -> Result<(), InvalidSpiffeId> {
    if trust_domain.is_empty() {
        return Err(InvalidSpiffeId::EmptyTrustDomain);
    }
    if trust_domain.len() > MAX_TRUST_DOMAIN_LENGTH {
        return Err(InvalidSpiffeId::TrustDomainTooLong);
    }
    let allowed = |b: u8| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'.' | b'-' | b'_');
    if !trust_domain.bytes().all(allowed) {
        return Err(InvalidSpiffeId::TrustDomainCharacter);
    }
    Ok(())
}

fn check_segment(segment: &str) -> Result<(), InvalidSpiffeId> {
    if segment.is_empty() {
        return Err(InvalidSpiffeId::EmptySegment);
    }
    if matches!(segment, "." | "..") {
        return Err(InvalidSpiffeId::DotSegment);
    }
    let allowed = |b: u8| matches!(b, b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'.' | b'-' | b'_');
    if !segment.bytes().all(allowed) {
        return Err(InvalidSpiffeId::PathCharacter);
    }
    Ok(())
}

/// Longest SPIFFE ID in bytes (SPIFFE-ID section 2.3).
pub const MAX_LENGTH: usize = 2048;
/// Longest trust domain name in bytes (SPIFFE-ID section 2.3).
pub const MAX_TRUST_DOMAIN_LENGTH: usize = 255;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_istio_identity_has_its_parts() {
        let id = SpiffeId::parse("spiffe://cluster.local/ns/foo/sa/sleep").unwrap();
        assert_eq!(id.trust_domain(), "cluster.local");
        assert_eq!(id.path(), "/ns/foo/sa/sleep");
        assert_eq!(id.workload(), Some(("foo", "sleep")));
    }

    #[test]
    fn only_the_exact_istio_form_names_a_workload() {
        for id in [
            "spiffe://cluster.local",
            "spiffe://cluster.local/ns/foo",
            "spiffe://cluster.local/ns/foo/sa/sleep/extra",
            "spiffe://cluster.local/ns/foo/bar/sa/sleep",
            "spiffe://cluster.local/x/ns/foo/sa/sleep",
            "spiffe://cluster.local/ns/sa/sleep",
        ] {
            assert_eq!(SpiffeId::parse(id).unwrap().workload(), None, "{id}");
        }
    }

    #[test]
    fn every_wrong_form_is_refused_with_its_rule() {
        use InvalidSpiffeId as E;
        let long_path = format!("spiffe://cluster.local/{}", "a".repeat(2048));
        let long_domain = format!("spiffe://{}/ns/a/sa/b", "a".repeat(256));
        for (id, rule) in [
            ("", E::WrongScheme),
            ("http://cluster.local/ns/a/sa/b", E::WrongScheme),
            ("SPIFFE://cluster.local/ns/a/sa/b", E::WrongScheme),
            ("spiffe:/cluster.local/ns/a/sa/b", E::WrongScheme),
            (" spiffe://cluster.local", E::WrongScheme),
            ("spiffe://", E::EmptyTrustDomain),
            ("spiffe:///ns/a/sa/b", E::EmptyTrustDomain),
            ("spiffe://Cluster.local/ns/a/sa/b", E::TrustDomainCharacter),
            (
                "spiffe://cluster.local:8080/ns/a/sa/b",
                E::TrustDomainCharacter,
            ),
            (
                "spiffe://user@cluster.local/ns/a/sa/b",
                E::TrustDomainCharacter,
            ),
            ("spiffe://cluster.local?x=1", E::TrustDomainCharacter),
            ("spiffe://cluster.local#x", E::TrustDomainCharacter),
            ("spiffe://clüster.local/ns/a/sa/b", E::TrustDomainCharacter),
            ("spiffe://cluster.local/", E::EmptySegment),
            ("spiffe://cluster.local/ns//sa/b", E::EmptySegment),
            ("spiffe://cluster.local/ns/a/sa/b/", E::EmptySegment),
            ("spiffe://cluster.local/ns/./sa/b", E::DotSegment),
            ("spiffe://cluster.local/ns/a/../sa/b", E::DotSegment),
            ("spiffe://cluster.local/ns/a/sa/b?x=1", E::PathCharacter),
            ("spiffe://cluster.local/ns/a/sa/b#x", E::PathCharacter),
            ("spiffe://cluster.local/ns/%61/sa/b", E::PathCharacter),
            ("spiffe://cluster.local/ns/a/sa/b\0", E::PathCharacter),
            ("spiffe://cluster.local/ns/é/sa/b", E::PathCharacter),
            (long_domain.as_str(), E::TrustDomainTooLong),
            (long_path.as_str(), E::TooLong),
        ] {
            assert_eq!(SpiffeId::parse(id), Err(rule), "{id}");
        }
    }

    #[test]
    fn the_longest_id_is_accepted_and_one_byte_more_is_not() {
        let prefix = "spiffe://cluster.local/";
        let longest = format!("{prefix}{}", "a".repeat(MAX_LENGTH - prefix.len()));
        assert!(SpiffeId::parse(&longest).is_ok());
        assert_eq!(
            SpiffeId::parse(&format!("{longest}a")),
            Err(InvalidSpiffeId::TooLong)
        );
    }
}
