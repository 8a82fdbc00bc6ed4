//! Any bytes as a key set: keys or a reason, and the same keys every time.
#![no_main]

use libfuzzer_sys::fuzz_target;
use portcullis::identity::{
    jose::Algorithm,
    jwt::{JwtError, KeySet},
};

fuzz_target!(|bytes: &[u8]| {
    let set = match KeySet::parse(bytes) {
        Ok(set) => set,
        Err(error) => {
            assert!(!error.to_string().is_empty(), "refused without a reason");
            return;
        }
    };
    assert!(set.len() + set.skipped().len() <= KeySet::MAX_KEYS);
    assert_eq!(set.is_empty(), set.len() == 0);
    assert_eq!(Some(&set), KeySet::parse(bytes).ok().as_ref());
    for skipped in set.skipped() {
        assert!(!skipped.why.is_empty(), "skipped without a reason");
        assert!(skipped.kid.as_ref().is_none_or(|kid| kid.chars().count() <= 64));
    }
    for algorithm in Algorithm::ALL {
        let found = set.find(None, algorithm);
        // No secret is ever taken from a set, and the empty set has no key.
        assert!(found.is_err() || !(set.is_empty() || algorithm.is_symmetric()));
        assert!(!set.has(""), "a key without a name");
        assert_eq!(set.find(Some(""), algorithm).err(), Some(JwtError::UnknownKey));
    }
});
