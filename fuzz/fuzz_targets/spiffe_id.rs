//! Any text as a SPIFFE ID: what is accepted has only what the specification allows.
#![no_main]

use libfuzzer_sys::fuzz_target;
use portcullis::identity::spiffe::SpiffeId;

fuzz_target!(|text: &str| {
    let Ok(id) = SpiffeId::parse(text) else {
        return;
    };
    assert_eq!(id.id(), text);
    assert_eq!(format!("spiffe://{}{}", id.trust_domain(), id.path()), text);
    assert!(text.len() <= 2048);
    let domain = id.trust_domain();
    assert!(!domain.is_empty() && domain.len() <= 255);
    assert!(!domain.bytes().any(|b| b.is_ascii_uppercase() || b":@?#%/".contains(&b)));
    for segment in id.path().split('/').skip(1) {
        assert!(!matches!(segment, "" | "." | ".."));
        assert!(segment.bytes().all(|b| b.is_ascii_alphanumeric() || b"._-".contains(&b)));
    }
    if let Some((namespace, account)) = id.workload() {
        assert_eq!(format!("/ns/{namespace}/sa/{account}"), id.path());
    }
});
