//! Who may connect to the gRPC port, by the SPIFFE ID in the verified client certificate.

use rustls::pki_types::CertificateDer;
use x509_parser::{extensions::GeneralName, prelude::FromDer as _};

use crate::{
    config::AllowedCaller,
    identity::spiffe::{InvalidSpiffeId, SpiffeId},
};

/// Judges the verified certificate of a caller. `None` admits everybody whom the client authorities
/// vouch for, or everybody at all where there are none.
pub(super) fn admit(
    allowed: Option<&[AllowedCaller]>,
    certificate: Option<&CertificateDer<'_>>,
) -> Result<(), CallerError> {
    let Some(allowed) = allowed else {
        return Ok(());
    };
    let certificate = certificate.ok_or(CallerError::NoCertificate)?;
    let uri = only_uri(certificate)?;
    let id = SpiffeId::parse(&uri)?;
    if allowed.iter().any(|caller| caller.matches(&id)) {
        Ok(())
    } else {
        Err(CallerError::NotListed(uri))
    }
}

/// Why a caller may not ask.
#[derive(Debug, thiserror::Error)]
pub(in crate::app) enum CallerError {
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
        let allowed: Vec<_> = listed.iter().map(|text| text.parse().unwrap()).collect();
        admit(Some(&allowed), Some(&certificate(uris))).map_err(|error| error.to_string())
    }

    #[test]
    fn a_caller_is_admitted_by_any_entry_that_names_it_and_by_no_other() {
        const GATEWAY: &str = "spiffe://cluster.local/ns/istio-system/sa/gateway";
        const OTHERS: [&str; 2] = [
            "spiffe://cluster.local/ns/shop/*",
            "spiffe://other.domain/*",
        ];
        assert!(admits(&OTHERS, &[GATEWAY]).is_err());
        assert_eq!(admits(&[OTHERS[0], GATEWAY], &[GATEWAY]), Ok(()));
        assert_eq!(
            admits(&[OTHERS[1], "spiffe://cluster.local/*"], &[GATEWAY]),
            Ok(())
        );
    }

    #[test]
    fn without_a_list_everybody_is_admitted_who_came_so_far() {
        assert!(admit(None, None).is_ok());
        assert!(admit(None, Some(&certificate(&[]))).is_ok());
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
        let list = ["spiffe://cluster.local/*".parse().unwrap()];
        let without = admit(Some(&list), None);
        assert!(matches!(without, Err(CallerError::NoCertificate)));
        let garbage = CertificateDer::from(vec![0x30, 0x82]);
        let unreadable = admit(Some(&list), Some(&garbage));
        assert!(matches!(unreadable, Err(CallerError::Unreadable)));
    }
}
