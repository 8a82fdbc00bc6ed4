//! What this binary is.

/// The crate's version.
pub const VERSION: &str = env!("CARGO_PKG_VERSION");

/// The git commit it was built from: `PORTCULLIS_COMMIT` at build time, for release builds.
pub const COMMIT: Option<&str> = option_env!("PORTCULLIS_COMMIT");

/// The version of the policy evaluator.
pub const REGORUS: &str = "0.14.1";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_evaluators_version_is_the_locked_one() {
        let lock = include_str!("../Cargo.lock");
        let entry = format!("name = \"regorus\"\nversion = \"{REGORUS}\"\n");
        assert!(lock.contains(&entry), "regorus is not {REGORUS}");
    }
}
