//! The decision id: what ties an answer to all that is told of it.

/// A UUID version 4 in text form, new for every check.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct DecisionId([u8; uuid::fmt::Hyphenated::LENGTH]);

impl DecisionId {
    /// A new one.
    pub fn random() -> Self {
        Self::of(uuid::Uuid::new_v4())
    }

    /// The text form of `uuid`.
    pub fn of(uuid: uuid::Uuid) -> Self {
        let mut text = [0; uuid::fmt::Hyphenated::LENGTH];
        uuid.hyphenated().encode_lower(&mut text);
        Self(text)
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).unwrap_or_default()
    }

    /// Whether this is one of a random eighth of all checks: what is usual is told by those.
    pub fn is_sample(&self) -> bool {
        matches!(self.0.first(), Some(b'0' | b'1'))
    }

    /// Whether this is one of a random 1 in `n` of all checks; all of them when `n` is 0 or 1. The same
    /// answer for the same id, wherever it is asked.
    pub fn is_one_in(&self, n: u32) -> bool {
        // The last group of a version 4 UUID is random throughout; its last 8 digits are 32 bits.
        let text = self.as_str();
        let digits = text.get(text.len().saturating_sub(8)..).unwrap_or_default();
        let random = u32::from_str_radix(digits, 16).unwrap_or_default();
        random.checked_rem(n).unwrap_or_default() == 0
    }
}

impl std::fmt::Debug for DecisionId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_in_n_is_about_that_and_the_same_each_time() {
        let ids: Vec<_> = std::iter::repeat_with(DecisionId::random)
            .take(8_000)
            .collect();
        for (n, few, many) in [(0, 8_000, 8_000), (1, 8_000, 8_000), (10, 600, 1_000)] {
            let picked = ids.iter().filter(|id| id.is_one_in(n)).count();
            assert!((few..=many).contains(&picked), "{picked} for {n}");
            assert_eq!(picked, ids.iter().filter(|id| id.is_one_in(n)).count());
        }
    }
}
