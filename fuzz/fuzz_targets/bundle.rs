//! Any bytes as a bundle archive: loaded or refused with a reason, within bounds.
#![no_main]

use libfuzzer_sys::fuzz_target;
use portcullis_fuzz::load;

fuzz_target!(|bytes: &[u8]| {
    if let Err(error) = load("bundle.tar.gz", bytes) {
        assert!(!error.0.is_empty(), "refused without a reason");
    }
});
