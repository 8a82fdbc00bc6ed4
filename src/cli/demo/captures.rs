//! Requests captured from a real Envoy 1.40, compiled into the binary.

/// Name and wire bytes: one for each thing there is to see.
pub(super) const ALL: &[(&str, &[u8])] = captured![
    "http1-mtls-get",
    "http2-mtls-get",
    "rich-headers-mtls-jwt-sni",
    "tcp-mtls-sni",
    "http2-mtls-json-body",
    "rich-rawheaders-mtls-jwt-json",
    "dry-deny",
    "deny-admin",
    "http2-mtls-other-namespace",
    "principal-otherdom",
    "http1-plaintext-get",
    "xfcc-spoof-plaintext",
    "http1-nonutf8-body",
];

macro_rules! captured {
    ($($name:literal),* $(,)?) => {
        &[$((
            $name,
            include_bytes!(concat!("../../../tests/fixtures/captures/", $name, ".pb")).as_slice(),
        )),*]
    };
}
use captured;
