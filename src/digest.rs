//! What tells one list of byte strings from any other: SHA-256 over the parts, each with its length
//! before it, so that neighbouring parts stay apart.

use sha2::{Digest as _, Sha256};

/// A SHA-256 digest.
pub type Digest = [u8; 32];

/// The digest of `parts`.
pub fn of_parts<'p>(parts: impl IntoIterator<Item = &'p [u8]>) -> Digest {
    let mut hasher = Sha256::new();
    for part in parts {
        let length = u64::try_from(part.len()).unwrap_or(u64::MAX);
        hasher.update(length.to_be_bytes());
        hasher.update(part);
    }
    hasher.finalize().into()
}

/// `bytes` in lower-case hexadecimal digits.
pub fn hex(bytes: &[u8]) -> String {
    let digits: Vec<String> = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    digits.concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn where_one_part_ends_makes_a_difference() {
        let of = |parts: &[&str]| of_parts(parts.iter().map(|part| part.as_bytes()));
        let different = [
            of(&["ab", "c"]),
            of(&["a", "bc"]),
            of(&["a"]),
            of(&["a", ""]),
            of(&["", "a"]),
            of(&[]),
        ];
        for (at, one) in different.iter().enumerate() {
            assert!(different.iter().skip(at + 1).all(|other| other != one));
        }
        assert_eq!(of(&["ab", "c"]), of(&["ab", "c"]));
    }

    #[test]
    fn hexadecimal_digits_keep_their_zeros() {
        assert_eq!(hex(&[0, 0x0a, 0xff]), "000aff");
        assert_eq!(hex(&[]), "");
    }
}
