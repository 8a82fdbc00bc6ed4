//! Any bytes as a manifest: read, or refused with a reason; what was read is written and read again
//! as the same.
#![no_main]

use libfuzzer_sys::fuzz_target;
use portcullis::policy::bundle::{Manifest, manifest_bytes};

fuzz_target!(|bytes: &[u8]| {
    match Manifest::from_json("manifest", bytes) {
        Ok(manifest) => {
            let written = manifest_bytes(&manifest).expect("strings for keys");
            let again = Manifest::from_json("again", &written).expect("our own");
            assert_eq!(again, manifest);
        }
        Err(error) => assert!(!error.0.is_empty(), "refused without a reason"),
    }
});
