//! Any bytes as a CheckRequest: never a panic, never an allow where the policy denies.
#![no_main]

use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use portcullis::{
    check::{Active, Callers, budget::Budget, decide},
    clock::Clock,
    policy::Externals,
    request::RequestView,
};
use portcullis_fuzz::{active, answer, unhurried};

/// Nobody is trusted to issue tokens.
static CALLERS: LazyLock<Callers> = LazyLock::new(Callers::default);

/// Reads everything, and denies.
static DENIES: LazyLock<Active> = LazyLock::new(|| {
    active("package envoy.authz\n\nallow := false if json.marshal(input) != \"\"\n")
});

/// Reads everything, and allows: what is refused is refused by the line alone.
static ALLOWS: LazyLock<Active> = LazyLock::new(|| {
    active("package envoy.authz\n\nallow := true if json.marshal(input) != \"\"\n")
});

fuzz_target!(|bytes: &[u8]| {
    for (policy, may_allow) in [(&*DENIES, false), (&*ALLOWS, true)] {
        let mut budget = Budget::offline(&unhurried(), Clock::System);
        let outcome = match RequestView::parse(bytes) {
            Ok(view) => decide(policy, &CALLERS, &view, &mut Externals::default(), &mut budget).outcome,
            Err(error) => Err(error.into()),
        };
        let allowed = answer(&outcome).status.is_some_and(|status| status.code == 0);
        assert!(!allowed || may_allow, "an allow that no policy gave");
        assert_eq!(allowed, may_allow && outcome.is_ok());
    }
});
