//! Who may connect to the gRPC port, by the SPIFFE ID in the verified client certificate.

use std::{fmt, str::FromStr};

use rustls::pki_types::CertificateDer;
use x509_parser::{extensions::GeneralName, prelude::FromDer as _};

use crate::identity::spiffe::{InvalidSpiffeId, SpiffeId};

/// Who may connect.
#[derive(Clone, Debug, Default)]
pub enum Callers {
    /// Everybody the client authorities vouch for, or everybody at all where there are none.
    #[default]
    Any,
    /// Only these.
    Listed(Vec<Caller>),
}

impl Callers {
    /// Whether only listed callers may connect.
    pub fn is_list(&self) -> bool {
        match self {
            Self::Any => false,
            Self::Listed(_) => true,
        }
    }

    /// Judges the verified certificate of a caller.
    pub(super) fn admit(
        &self,
        certificate: Option<&CertificateDer<'_>>,
    ) -> Result<(), CallerError> {
        let callers = match self {
            Self::Any => return Ok(()),
            Self::Listed(callers) => callers,
        };
        let certificate = certificate.ok_or(CallerError::NoCertificate)?;
        let uri = only_uri(certificate)?;
        let id = SpiffeId::parse(&uri)?;
        if callers.iter().any(|caller| caller.matches(id)) {
            Ok(())
        } else {
            Err(CallerError::NotListed(uri))
        }
    }
}

/// Why a caller may not ask.
#[derive(Debug, thiserror::Error)]
pub enum CallerError {
    /// No client certificate at all.
    #[error("the caller has no certificate")]
    NoCertificate,
    /// The certificate does not parse.
    #[error("the caller's certificate does not parse")]
    Unreadable,
    /// An X.509-SVID has exactly one URI (SPIFFE X.509-SVID section 2).
    #[error("the caller's certificate has {0} URIs instead of one")]
    Uris(usize),
    /// The URI is not a SPIFFE ID.
    #[error("the caller's URI is not a SPIFFE ID")]
    Spiffe(#[from] InvalidSpiffeId),
    /// A proven caller that is not on the list.
    #[error("the caller `{0}` is not listed")]
    NotListed(String),
}

/// One entry of the list.
#[derive(Clone, PartialEq, Eq)]
pub struct Caller {
    /// The whole ID, or what comes before the final `/*`.
    id: String,
    below: bool,
}

impl Caller {
    fn matches(&self, id: SpiffeId<'_>) -> bool {
        match id.id().strip_prefix(self.id.as_str()) {
            Some(rest) if self.below => rest.starts_with('/'),
            Some(rest) => rest.is_empty(),
            None => false,
        }
    }
}

impl FromStr for Caller {
    type Err = InvalidSpiffeId;

    /// `spiffe://trust-domain/path` is that caller, `spiffe://trust-domain/*` everybody below.
    fn from_str(text: &str) -> Result<Self, InvalidSpiffeId> {
        let (id, below) = text
            .strip_suffix("/*")
            .map_or((text, false), |prefix| (prefix, true));
        SpiffeId::parse(id)?;
        Ok(Self {
            id: id.to_owned(),
            below,
        })
    }
}

impl fmt::Display for Caller {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let suffix = if self.below { "/*" } else { "" };
        write!(f, "{}{suffix}", self.id)
    }
}

impl fmt::Debug for Caller {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

fn only_uri(certificate: &CertificateDer<'_>) -> Result<String, CallerError> {
    let (_, certificate) = x509_parser::certificate::X509Certificate::from_der(certificate)
        .map_err(|_| CallerError::Unreadable)?;
    let names = certificate
        .subject_alternative_name()
        .map_err(|_| CallerError::Unreadable)?;
    let uris: Vec<&str> = names
        .iter()
        .flat_map(|names| &names.value.general_names)
        .filter_map(|name| {
            if let GeneralName::URI(uri) = name {
                Some(*uri)
            } else {
                None
            }
        })
        .collect();
    match uris.as_slice() {
        [uri] => Ok((*uri).to_owned()),
        uris => Err(CallerError::Uris(uris.len())),
    }
}

#[cfg(test)]
mod tests {
    use rcgen::{CertificateParams, KeyPair, SanType};

    use super::*;

    fn certificate(uris: &[&str]) -> CertificateDer<'static> {
        let mut params = CertificateParams::default();
        params.subject_alt_names = uris
            .iter()
            .map(|uri| SanType::URI((*uri).try_into().unwrap()))
            .collect();
        let key = KeyPair::generate().unwrap();
        params.self_signed(&key).unwrap().der().clone()
    }

    fn admits(listed: &[&str], uris: &[&str]) -> Result<(), String> {
        let callers = Callers::Listed(listed.iter().map(|text| text.parse().unwrap()).collect());
        callers
            .admit(Some(&certificate(uris)))
            .map_err(|error| error.to_string())
    }

    #[test]
    fn a_caller_is_admitted_only_by_an_entry_that_names_it() {
        const GATEWAY: &str = "spiffe://cluster.local/ns/istio-system/sa/gateway";
        for (listed, admitted) in [
            (GATEWAY, true),
            ("spiffe://cluster.local/*", true),
            ("spiffe://cluster.local/ns/istio-system/*", true),
            ("spiffe://cluster.local/ns/istio-system/sa/gate", false),
            ("spiffe://cluster.local/ns/istio/*", false),
            ("spiffe://cluster.local", false),
            ("spiffe://cluster.loca/*", false),
            ("spiffe://other.domain/*", false),
        ] {
            assert_eq!(admits(&[listed], &[GATEWAY]).is_ok(), admitted, "{listed}");
        }
    }

    #[test]
    fn an_empty_list_admits_nobody() {
        let id = "spiffe://cluster.local/ns/a/sa/b";
        assert_eq!(
            admits(&[], &[id]).unwrap_err(),
            format!("the caller `{id}` is not listed")
        );
    }

    #[test]
    fn a_certificate_without_exactly_one_spiffe_id_is_refused_by_its_rule() {
        let two = ["spiffe://cluster.local/a", "spiffe://cluster.local/b"];
        for (uris, rule) in [
            (
                &[][..],
                "the caller's certificate has 0 URIs instead of one",
            ),
            (
                &two[..],
                "the caller's certificate has 2 URIs instead of one",
            ),
            (
                &["https://cluster.local/a"][..],
                "the caller's URI is not a SPIFFE ID",
            ),
        ] {
            assert_eq!(
                admits(&["spiffe://cluster.local/*"], uris).unwrap_err(),
                rule
            );
        }
    }

    #[test]
    fn no_certificate_is_refused_by_a_list_and_garbage_too() {
        let list = Callers::Listed(vec!["spiffe://cluster.local/*".parse().unwrap()]);
        assert!(matches!(list.admit(None), Err(CallerError::NoCertificate)));
        let garbage = CertificateDer::from(vec![0x30, 0x82]);
        assert!(matches!(
            list.admit(Some(&garbage)),
            Err(CallerError::Unreadable)
        ));
    }

    #[test]
    fn an_entry_that_is_no_spiffe_id_is_refused() {
        for text in [
            "",
            "*",
            "spiffe://*",
            "spiffe:///*",
            "spiffe://td/a*",
            "spiffe://td/*/*",
        ] {
            assert!(text.parse::<Caller>().is_err(), "{text}");
        }
    }
}
