//! What waits for what, and how often it is tried.

use super::*;
use crate::sources::publish::attempt::{MOST_TRIED, Tried};

fn waiting(publisher: &Publisher, name: &str) -> Option<String> {
    status(publisher, name).waiting.map(|text| text.to_string())
}

#[test]
fn a_bundle_that_is_held_back_says_for_what() {
    let publisher = expecting(&["authz", "lib", "other"]);
    publisher.offer(authz("a1", "yes")).unwrap();
    let both = "waiting for `lib`, `other`";
    assert_eq!(waiting(&publisher, "authz").as_deref(), Some(both));
    assert_eq!(waiting(&publisher, "lib"), None);
    let shown = Value::from(bundles(&publisher.statuses().current()));
    assert_eq!(shown["authz"]["waiting"], both);
    assert_eq!(publisher.statuses().report()["authz"]["message"], both);
    publisher.offer(lib("l1", "yes")).unwrap();
    assert_eq!(
        waiting(&publisher, "authz").as_deref(),
        Some("waiting for `other`")
    );
    publisher
        .offer(candidate("other", "o1", "other", "package other"))
        .unwrap();
    for name in ["authz", "lib", "other"] {
        assert_eq!(waiting(&publisher, name), None);
    }
}

#[test]
fn a_bundle_that_needs_a_new_one_says_that_it_waits_for_it() {
    let publisher = active();
    publisher.statuses().add(&"other".into(), "somewhere");
    publisher
        .expect(["authz", "lib", "other"].map(Arc::from))
        .unwrap();
    let module = "package envoy.authz\nimport data.other\nallow if other.yes(1)";
    publisher
        .offer(candidate("authz", "a2", "envoy", module))
        .unwrap_err();
    assert_eq!(
        waiting(&publisher, "authz").as_deref(),
        Some("waiting for `other`")
    );
    let other = candidate("other", "o1", "other", "package other\nyes(x) if x == 1");
    assert!(is_now(&publisher.offer(other).unwrap()));
    assert_eq!(revision(&publisher, "authz").as_deref(), Some("a2"));
    assert_eq!(waiting(&publisher, "authz"), None);
}

#[test]
fn what_is_not_configured_any_more_stays_until_what_takes_its_place_is_there() {
    let publisher = active();
    publisher.statuses().add(&"library".into(), "somewhere");
    publisher
        .expect(["authz", "library"].map(Arc::from))
        .unwrap();
    // It still has what it needs of `lib`.
    assert!(is_now(&publisher.offer(authz("a2", "yes")).unwrap()));
    let library = candidate("library", "l2", "lib", "package lib\nyes(x) if x == 1");
    assert!(is_now(&publisher.offer(library).unwrap()));
    assert!(publisher.is_complete());
    assert_eq!(publisher.active_digest("lib"), None);
}

/// What trying for the sake of `name` compiles.
fn compiled(publisher: &Publisher, name: &str) -> (Tried, u8) {
    let mut left = MOST_TRIED;
    let tried = publisher.try_one(Some(&Key::Bundle(name.into())), &mut left);
    (tried, MOST_TRIED.saturating_sub(left))
}

#[test]
fn what_has_failed_is_not_compiled_again() {
    let publisher = active();
    let error = publisher.offer(authz("a2", "never")).unwrap_err();
    let (tried, times) = compiled(&publisher, "authz");
    assert!(matches!(tried, Tried::Failed(known) if known.to_string() == error.to_string()));
    assert_eq!(times, 0);
    let other = authz("a3", "never");
    let key = Key::Bundle("authz".into());
    publisher.parts().offer(key, Part::Bundle(other));
    let (tried, times) = compiled(&publisher, "authz");
    assert!(matches!(tried, Tried::Failed(_)));
    assert_eq!(times, 1);
}

#[test]
fn what_fits_alone_is_active_before_anything_is_tried_with_what_was_refused() {
    let publisher = active();
    publisher.offer(authz("a2", "never")).unwrap_err();
    let key = Key::Bundle("lib".into());
    publisher.parts().offer(key, Part::Bundle(lib("l2", "yes")));
    let (tried, times) = compiled(&publisher, "lib");
    assert!(matches!(tried, Tried::Active(_)));
    assert_eq!(times, 1);
    assert_eq!(revision(&publisher, "lib").as_deref(), Some("l2"));
}

#[test]
fn what_was_refused_is_tried_with_what_fitted_alone() {
    let publisher = active();
    publisher.offer(authz("a2", "certainly")).unwrap_err();
    let module = "package lib\nyes(x) if x == 1\ncertainly(x) if x == 1";
    let both = candidate("lib", "l2", "lib", module);
    assert!(is_now(&publisher.offer(both).unwrap()));
    assert_eq!(revision(&publisher, "authz").as_deref(), Some("a2"));
    assert_eq!(stage(&publisher, "authz"), None);
}
