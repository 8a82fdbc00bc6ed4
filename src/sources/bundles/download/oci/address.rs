//! The full name of something in a registry: `host/repository:tag`, `host/repository@sha256:digest`.

use std::fmt;

use oci_spec::distribution::Reference;
use reqwest::Url;

use super::error::RegistryError;
use crate::services::place;

/// What is asked of which registry.
#[derive(Clone, Debug)]
pub(crate) struct Address {
    reference: Reference,
    /// `https://host/v2/repository/`, where everything is.
    base: Url,
}

impl Address {
    /// Reads `reference`, which names its registry and either a tag or a digest: nothing is made up,
    /// neither a default registry nor `latest`. The host that is asked is that of `server`.
    pub(crate) fn new(reference: &str, server: &Url) -> Result<Self, RegistryError> {
        let parsed = parse(reference)?;
        let base = match server.scheme() {
            "http" | "https" => server
                .join("/v2/")
                .and_then(|base| base.join(&format!("{}/", parsed.repository()))),
            _ => return Err(RegistryError::NotARegistry(server.as_str().to_owned())),
        };
        let mut base = base.map_err(|_| RegistryError::NotARegistry(place(server)))?;
        // Nobody is told who we are by an address.
        base.set_username("").ok();
        base.set_password(None).ok();
        Ok(Self {
            reference: parsed,
            base,
        })
    }

    /// The address of the registry that `reference` names.
    pub(crate) fn registry(reference: &str, scheme: &str) -> Result<Url, RegistryError> {
        let parsed = parse(reference)?;
        let url = format!("{scheme}://{}", parsed.resolve_registry());
        Url::parse(&url).map_err(|_| RegistryError::NotARegistry(url))
    }

    pub(super) fn base(&self) -> &Url {
        &self.base
    }

    pub(super) fn repository(&self) -> &str {
        self.reference.repository()
    }

    /// Whether it names a digest, which never means anything else.
    pub(crate) fn is_pinned(&self) -> bool {
        self.digest().is_some()
    }

    pub(super) fn digest(&self) -> Option<&str> {
        self.reference.digest()
    }

    /// The digest, or else the tag.
    pub(super) fn name(&self) -> &str {
        let tag = || self.reference.tag().unwrap_or_default();
        self.reference.digest().unwrap_or_else(tag)
    }

    /// Where something of the repository is: `manifests/…`, `blobs/…`.
    pub(super) fn url(&self, path: &str) -> Result<Url, RegistryError> {
        let url = self.base.join(path);
        url.map_err(|_| RegistryError::NotARegistry(place(&self.base)))
    }

    /// The same with a digest: whatever a tag points to later, this stays.
    pub(crate) fn pinned(&self, digest: &str) -> String {
        let named = &self.reference;
        format!("{}/{}@{digest}", named.registry(), named.repository())
    }
}

/// As people write it, with the host that is really asked.
impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let host = self.base.host_str().unwrap_or_default();
        write!(f, "{host}")?;
        if let Some(port) = self.base.port() {
            write!(f, ":{port}")?;
        }
        let separator = if self.digest().is_some() { '@' } else { ':' };
        write!(f, "/{}{separator}{}", self.repository(), self.name())
    }
}

fn parse(reference: &str) -> Result<Reference, RegistryError> {
    let refuse = |source| RegistryError::Reference {
        reference: reference.to_owned(),
        source,
    };
    let parsed = Reference::try_from(reference).map_err(|error| refuse(Some(error)))?;
    // The library adds what Docker would add. A policy comes from where somebody wrote it does.
    let named = reference
        .split_once('/')
        .is_some_and(|(host, _)| host == parsed.registry());
    let last = reference.rsplit('/').next().unwrap_or_default();
    let sha256 = parsed
        .digest()
        .is_none_or(|digest| digest.starts_with("sha256:") && digest == digest.to_lowercase());
    if named && last.contains([':', '@']) && sha256 {
        Ok(parsed)
    } else {
        Err(refuse(None))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DIGEST: &str = "sha256:6c3c624b58dbbcd3c0dd82b4c53f04194d1247c6eebdaab7c610cf7d66709b3b";

    fn server() -> Url {
        Url::parse("https://user:secret@mirror:5000/ignored?secret").unwrap()
    }

    #[test]
    fn a_tag_and_a_digest_become_addresses_at_the_server() {
        let tagged = Address::new("ghcr.io/org/repo:v1", &server()).unwrap();
        let url = tagged.url("manifests/v1").unwrap();
        assert_eq!(url.as_str(), "https://mirror:5000/v2/org/repo/manifests/v1");
        assert_eq!(tagged.to_string(), "mirror:5000/org/repo:v1");
        assert_eq!(tagged.pinned("sha256:0"), "ghcr.io/org/repo@sha256:0");
        let pinned = Address::new(&format!("ghcr.io/org/repo:v1@{DIGEST}"), &server()).unwrap();
        assert_eq!(pinned.name(), DIGEST);
        let blob = pinned.url(&format!("blobs/{DIGEST}")).unwrap();
        assert!(blob.path().ends_with(DIGEST), "{blob}");
        assert_eq!(pinned.to_string(), format!("mirror:5000/org/repo@{DIGEST}"));
    }

    #[test]
    fn a_reference_says_everything_or_is_refused() {
        for good in [
            "ghcr.io/a:1",
            "localhost:5000/a/b:1",
            "docker.io/library/a:1",
        ] {
            assert!(parse(good).is_ok(), "{good}");
        }
        let upper = format!("ghcr.io/a@{}", DIGEST.to_uppercase().replace("SHA", "sha"));
        let long = format!("ghcr.io/a@sha512:{}", "0".repeat(128));
        for bad in [
            "",
            "a",
            "a:1",
            "org/repo:1",
            "ghcr.io/org/repo",
            "localhost:5000/repo",
            "ghcr.io/Org/repo:1",
            "ghcr.io/../repo:1",
            "ghcr.io/a:1/b",
            "https://ghcr.io/a:1",
            "ghcr.io/a@sha256:12",
            "ghcr.io/a:",
            "ghcr.io/a:1?x",
            &upper,
            &long,
        ] {
            assert!(parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_registry_is_reached_over_http() {
        for other in ["s3://bucket", "file:///tmp"] {
            let server = Url::parse(other).unwrap();
            assert!(Address::new("ghcr.io/a:1", &server).is_err(), "{other}");
        }
        let url = Address::registry("ghcr.io/a:1", "https").unwrap();
        assert_eq!(url.as_str(), "https://ghcr.io/");
    }
}
