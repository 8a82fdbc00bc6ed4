//! What a source has offered is gone with the source.

use super::*;

fn of(generation: u64, candidate: Candidate) -> Candidate {
    Candidate {
        generation,
        ..candidate
    }
}

#[test]
fn what_was_refused_is_never_tried_again_once_its_source_is_another() {
    for exchanged in [false, true] {
        let publisher = active();
        publisher.offer(authz("a2", "certainly")).unwrap_err();
        if exchanged {
            publisher.renew(&"authz".into());
        }
        let fits = publisher.offer(lib("l2", "certainly"));
        assert_eq!(fits.is_ok(), !exchanged);
        let wanted = if exchanged { "a1" } else { "a2" };
        assert_eq!(revision(&publisher, "authz").as_deref(), Some(wanted));
    }
}

#[test]
fn what_waits_for_others_is_missing_once_its_source_is_another() {
    let publisher = expecting(&["authz", "lib"]);
    publisher.offer(authz("a1", "yes")).unwrap();
    let generation = publisher.renew(&"authz".into());
    let waiting = publisher.offer(lib("l1", "yes")).unwrap();
    assert_eq!(waiting, Activated::Waiting(vec!["authz".into()]));
    assert!(is_now(
        &publisher.offer(of(generation, authz("a1", "yes"))).unwrap()
    ));
}

#[test]
fn what_a_source_offers_after_its_end_is_refused() {
    let publisher = active();
    let old = publisher.renew(&"lib".into());
    let new = publisher.renew(&"lib".into());
    let error = publisher.offer(of(old, lib("l2", "yes"))).unwrap_err();
    assert!(matches!(error, ActivationError::Unexpected(_)), "{error}");
    assert!(is_now(&publisher.offer(of(new, lib("l2", "yes"))).unwrap()));

    // Also when it comes back after it was gone.
    publisher.expect(["authz".into()]).unwrap_err();
    publisher.expect(["authz", "lib"].map(Arc::from)).unwrap();
    let again = publisher.renew(&"lib".into());
    publisher.offer(of(new, lib("l3", "yes"))).unwrap_err();
    assert!(is_now(
        &publisher.offer(of(again, lib("l3", "yes"))).unwrap()
    ));
}

#[test]
fn what_is_withdrawn_while_it_is_compiled_does_not_become_active() {
    for withdrawn in [false, true] {
        let publisher = active();
        let key = Key::Bundle("lib".into());
        let part = Part::Bundle(lib("l2", "yes"));
        publisher.parts().offer(key.clone(), part);
        let selections = publisher.parts().selections(Some(&key));
        let selection = selections.first().unwrap();
        let (next, _) = publisher.make(selection).unwrap();
        if withdrawn {
            publisher.renew(&"lib".into());
        }
        assert_eq!(publisher.publish(next, selection), !withdrawn);
        let wanted = if withdrawn { "l1" } else { "l2" };
        assert_eq!(revision(&publisher, "lib").as_deref(), Some(wanted));
    }
}
