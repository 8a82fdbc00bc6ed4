//! Which addresses are forbidden.

use super::*;

#[test]
fn metadata_and_link_local_addresses_are_forbidden_in_every_form() {
    for text in [
        "169.254.169.254",
        "169.254.170.2",
        "169.254.0.1",
        "100.100.100.200",
        "192.0.0.192",
        "168.63.129.16",
        "0.0.0.0",
        "0.1.2.3",
        "224.0.0.1",
        "255.255.255.255",
        "::",
        "fe80::1",
        "febf::1",
        "ff02::1",
        "fd00:ec2::254",
        "fd20:ce::254",
        "::ffff:169.254.169.254",
        "::169.254.169.254",
        "::ffff:0:169.254.169.254",
        "64:ff9b::169.254.169.254",
        "64:ff9b:1::169.254.169.254",
        "2002:a9fe:a9fe::1",
        "2001:0:1::5601:5601",
        "::ffff:0.0.0.0",
    ] {
        assert!(is_forbidden(text.parse().unwrap()), "{text}");
    }
}

#[test]
fn other_addresses_are_a_matter_of_the_list() {
    for text in [
        "127.0.0.1",
        "::1",
        "10.0.0.1",
        "192.168.1.1",
        "100.100.100.201",
        "169.253.255.255",
        "8.8.8.8",
        "fd00::1",
        "2001:db8::1",
        "::ffff:10.0.0.1",
        "64:ff9b::8.8.8.8",
        "2002:0a00:0001::1",
    ] {
        assert!(!is_forbidden(text.parse().unwrap()), "{text}");
    }
}

/// Resolves every name to these.
struct To(&'static [&'static str]);

impl Resolve for To {
    fn resolve(&self, _name: Name) -> Resolving {
        let found: Vec<SocketAddr> = self
            .0
            .iter()
            .map(|text| SocketAddr::new(text.parse().unwrap(), 0))
            .collect();
        Box::pin(async move {
            let addresses: Addrs = Box::new(found.into_iter());
            Ok(addresses)
        })
    }
}

async fn resolved(to: &'static [&'static str]) -> Result<Vec<String>, String> {
    let guarded = Guarded(Arc::new(To(to)));
    let found = guarded.resolve("backend".parse().unwrap()).await;
    found
        .map(|found| found.map(|one| one.ip().to_string()).collect())
        .map_err(|error| error.to_string())
}

#[tokio::test]
async fn a_name_is_never_resolved_to_a_forbidden_address() {
    assert_eq!(
        resolved(&["169.254.169.254", "10.0.0.1", "fe80::1"]).await,
        Ok(vec!["10.0.0.1".to_owned()])
    );
    let error = resolved(&["169.254.169.254", "::ffff:169.254.169.254"]).await;
    assert!(
        error
            .unwrap_err()
            .contains("`backend` resolves to nothing but")
    );
}
