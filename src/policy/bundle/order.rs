//! The order of revisions, so that a gate can refuse to go back to an older one.

use std::cmp::Ordering;

use chrono::DateTime;
use semver::Version;

/// How the revisions of a bundle are compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RevisionOrder {
    /// Semantic versions (`semver.org`), with or without a leading `v`; build metadata does not
    /// count.
    Semver,
    /// Whole numbers, such as a build's.
    Number,
    /// RFC 3339 times.
    Time,
    /// Byte by byte, as `LC_ALL=C sort` has it.
    Text,
}

/// Why a bundle may not follow another.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OrderError {
    /// It goes back.
    #[error("revision `{to}` is older than `{from}`, which was there before")]
    Older {
        /// The revision of before.
        from: String,
        /// The one that is refused.
        to: String,
    },
    /// It stays where it was, and has to go on.
    #[error("revision `{to}` of a delta is not newer than `{from}`, which it changes")]
    NotNewer {
        /// The revision of before.
        from: String,
        /// The one that is refused.
        to: String,
    },
    /// A revision that has no place in the order.
    #[error("revision `{revision}` is not {rule}, and so neither newer nor older than another")]
    NotComparable {
        /// The revision.
        revision: String,
        /// What it has to be.
        rule: &'static str,
    },
}

impl RevisionOrder {
    /// Every order.
    pub const ALL: [Self; 4] = [Self::Semver, Self::Number, Self::Time, Self::Text];

    /// Its name in the configuration.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Semver => "semver",
            Self::Number => "number",
            Self::Time => "time",
            Self::Text => "text",
        }
    }

    /// Whether `to` may follow `from`: newer or the same.
    pub fn allows(self, from: &str, to: &str) -> Result<(), OrderError> {
        match self.compare(from, to)? {
            Ordering::Equal | Ordering::Greater => Ok(()),
            Ordering::Less => Err(OrderError::Older {
                from: from.to_owned(),
                to: to.to_owned(),
            }),
        }
    }

    /// Whether a delta may lead from `from` to `to`: newer. The same one again may do the same again.
    pub fn allows_delta(self, from: &str, to: &str) -> Result<(), OrderError> {
        match self.compare(from, to)? {
            Ordering::Greater => Ok(()),
            Ordering::Equal | Ordering::Less => Err(OrderError::NotNewer {
                from: from.to_owned(),
                to: to.to_owned(),
            }),
        }
    }

    /// Where `to` stands, seen from `from`.
    fn compare(self, from: &str, to: &str) -> Result<Ordering, OrderError> {
        match self {
            Self::Semver => {
                let version = |text: &str| Version::parse(text.strip_prefix('v').unwrap_or(text));
                let rule = "a semantic version";
                both(from, to, rule, |text| version(text).ok())
                    .map(|(from, to)| to.cmp_precedence(&from))
            }
            Self::Number => {
                both(from, to, "a whole number", whole_number).map(|(from, to)| to.cmp(&from))
            }
            Self::Time => {
                let time = |text: &str| DateTime::parse_from_rfc3339(text).ok();
                both(from, to, "a time of RFC 3339", time).map(|(from, to)| to.cmp(&from))
            }
            Self::Text => Ok(to.as_bytes().cmp(from.as_bytes())),
        }
    }
}

/// Both revisions, if both have a place in the order.
fn both<T>(
    from: &str,
    to: &str,
    rule: &'static str,
    parse: impl Fn(&str) -> Option<T>,
) -> Result<(T, T), OrderError> {
    let parsed = |text: &str| {
        parse(text).ok_or_else(|| OrderError::NotComparable {
            revision: text.to_owned(),
            rule,
        })
    };
    Ok((parsed(from)?, parsed(to)?))
}

/// Digits and nothing else: no sign, no white space.
fn whole_number(text: &str) -> Option<u128> {
    let digits = text.bytes().all(|byte| byte.is_ascii_digit());
    text.parse().ok().filter(|_| digits)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn newer_and_equal_revisions_follow_and_older_ones_are_refused() {
        for (order, older, newer) in [
            (RevisionOrder::Semver, "1.9.0", "1.10.0"),
            (RevisionOrder::Semver, "v1.0.0-rc.2", "1.0.0"),
            (RevisionOrder::Number, "9", "0010"),
            (
                RevisionOrder::Number,
                "18446744073709551615",
                "18446744073709551616",
            ),
            (
                RevisionOrder::Time,
                "2026-01-01T10:00:00+02:00",
                "2026-01-01T09:00:00Z",
            ),
            (RevisionOrder::Text, "10", "9"),
        ] {
            assert_eq!(order.allows(older, newer), Ok(()), "{order:?}");
            assert_eq!(order.allows(newer, newer), Ok(()), "{order:?}");
            let refused = OrderError::Older {
                from: newer.to_owned(),
                to: older.to_owned(),
            };
            assert_eq!(order.allows(newer, older), Err(refused), "{order:?}");
            assert_eq!(order.allows_delta(older, newer), Ok(()), "{order:?}");
            for to in [older, newer] {
                let refused = OrderError::NotNewer {
                    from: newer.to_owned(),
                    to: to.to_owned(),
                };
                assert_eq!(order.allows_delta(newer, to), Err(refused), "{order:?}");
            }
        }
    }

    #[test]
    fn different_writings_of_one_revision_are_equal() {
        for (order, one, other) in [
            (RevisionOrder::Semver, "v1.0.0+a", "1.0.0+b"),
            (RevisionOrder::Number, "7", "07"),
            (
                RevisionOrder::Time,
                "2026-01-01T10:00:00+02:00",
                "2026-01-01T08:00:00Z",
            ),
        ] {
            assert_eq!(order.allows(one, other), Ok(()));
            assert_eq!(order.allows(other, one), Ok(()));
            assert!(order.allows_delta(one, other).is_err());
        }
    }

    #[test]
    fn what_cannot_be_compared_is_named_whichever_side_it_is_on() {
        for (order, good, bad) in [
            (RevisionOrder::Semver, "1.0.0", "1.0"),
            (RevisionOrder::Number, "1", "+2"),
            (RevisionOrder::Number, "1", ""),
            (RevisionOrder::Time, "2026-01-01T00:00:00Z", "2026-01-01"),
        ] {
            for (from, to) in [(good, bad), (bad, good)] {
                let error = order.allows(from, to).unwrap_err();
                assert!(
                    matches!(&error, OrderError::NotComparable { revision, .. } if revision == bad),
                    "{order:?} {from} {to}: {error}"
                );
            }
        }
    }
}
