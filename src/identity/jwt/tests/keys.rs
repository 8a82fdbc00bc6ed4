//! Tokens and the keys of the moment: unknown, unavailable, awaited.

use futures_util::FutureExt as _;

use super::*;

fn of_kid(kid: &str) -> String {
    let header = format!(r#"{{"alg":"EdDSA","kid":{kid:?}}}"#);
    token(Kind::Stranger, &header, &claims(&[]))
}

fn nudges(verifier: &Verifier<Shown>, kids: std::ops::Range<u32>, now: Now) -> (usize, usize) {
    let nudge = |kid: u32| {
        let presented = present(verifier, &of_kid(&format!("random-{kid}")), now);
        assert_eq!(presented.token.unwrap_err(), JwtError::UnknownKey);
        presented.nudge.unwrap()
    };
    let nudges: Vec<_> = kids.map(nudge).collect();
    let count = |wanted| nudges.iter().filter(|nudge| **nudge == wanted).count();
    (count(Nudge::Accepted), count(Nudge::Throttled))
}

#[test]
fn a_thousand_unknown_kids_nudge_once_in_each_interval_also_when_the_set_is_empty() {
    let full = verifier(vec![provider()]);
    let empty = verifier(vec![provider()]);
    publish(&empty, 0, r#"{"keys":[]}"#);
    for verifier in [full, empty] {
        assert_eq!(nudges(&verifier, 0..1_000, at(0)), (1, 999));
        let [refresh] = verifier.refreshes() else {
            panic!("one provider")
        };
        // The fetch fails: nothing is published.
        refresh.began(at(1).instant);
        refresh.ended();
        assert_eq!(nudges(&verifier, 1_000..2_000, at(10)), (0, 1_000));
        assert_eq!(nudges(&verifier, 2_000..2_100, at(11)), (1, 99));
    }
}

#[test]
fn only_an_unknown_key_nudges() {
    let verifier = verifier(vec![provider()]);
    let wrong_type = token(Kind::Ed25519, r#"{"alg":"ES256","kid":"ed"}"#, &claims(&[]));
    let forged = token(
        Kind::Stranger,
        r#"{"alg":"EdDSA","kid":"ed"}"#,
        &claims(&[]),
    );
    for token in [token_with(&[]), wrong_type, forged, "x".to_owned()] {
        assert_eq!(present(&verifier, &token, at(0)).nudge, None);
    }
    assert_eq!(
        present(&verifier, &of_kid("new"), at(0)).nudge,
        Some(Nudge::Accepted)
    );
    assert_eq!(
        present(&verifier, &of_kid("new"), at(0)).nudge,
        Some(Nudge::KnownUnknown)
    );
}

#[test]
fn a_token_without_a_kid_needs_the_one_key_that_fits() {
    let verifier = verifier(vec![provider()]);
    let without = token(Kind::Ed25519, r#"{"alg":"EdDSA"}"#, &claims(&[]));
    assert!(present(&verifier, &without, at(0)).token.is_ok());
    let both = format!(
        r#"{{"keys":[{},{}]}}"#,
        issuer::ed_jwk(),
        issuer::stranger_jwk("new")
    );
    publish(&verifier, 0, &both);
    let presented = present(&verifier, &without, at(0));
    assert_eq!(presented.token.unwrap_err(), JwtError::UnknownKey);
    assert_eq!(presented.nudge, Some(Nudge::Accepted));
}

#[test]
fn a_key_that_arrives_verifies_and_one_that_goes_does_not() {
    let verifier = verifier(vec![provider()]);
    let new = of_kid("new");
    let old = token_with(&[]);
    let codes = |now| {
        let code = |token| present(&verifier, token, now).token.map(drop);
        [code(&old), code(&new)]
    };
    let unknown = Err(JwtError::UnknownKey);
    assert_eq!(codes(at(0)), [Ok(()), unknown]);
    let both = format!(
        r#"{{"keys":[{},{}]}}"#,
        issuer::ed_jwk(),
        issuer::stranger_jwk("new")
    );
    publish(&verifier, 0, &both);
    assert_eq!(codes(at(0)), [Ok(()), Ok(())]);
    publish(
        &verifier,
        0,
        &format!(r#"{{"keys":[{}]}}"#, issuer::stranger_jwk("new")),
    );
    assert_eq!(codes(at(0)), [unknown, Ok(())]);
}

#[test]
fn keys_that_are_too_old_serve_nothing_not_even_what_is_remembered() {
    let verifier = verifier(vec![provider()]);
    let set = KeySet::parse(issuer::key_set().as_bytes()).unwrap();
    verifier.keys().set(
        0,
        ProviderKeys {
            set: Some(Arc::new(set)),
            usable_until: Some(at(60).instant),
        },
    );
    let good = token_with(&[]);
    let forged = token(
        Kind::Stranger,
        r#"{"alg":"EdDSA","kid":"ed"}"#,
        &claims(&[]),
    );
    for cached in [false, true] {
        let presented = present(&verifier, &good, at(59));
        assert!(presented.token.is_ok() && presented.cached == cached);
        let presented = present(&verifier, &forged, at(59));
        assert_eq!(presented.token.unwrap_err(), JwtError::BadSignature);
        assert_eq!(presented.cached, cached);
    }
    for token in [good, forged] {
        let presented = present(&verifier, &token, at(60));
        assert_eq!(presented.token.unwrap_err(), JwtError::KeysUnavailable);
        assert_eq!((presented.cached, presented.nudge), (false, None));
    }
}

#[test]
fn a_secret_needs_no_key_set() {
    let verifier = Verifier::<Shown>::new(Options {
        providers: vec![
            symmetric(),
            Provider {
                issuer: "other".into(),
                ..provider()
            },
        ],
        ..Options::default()
    });
    let hs = token(Kind::Secret(SECRET), r#"{"alg":"HS256"}"#, &claims(&[]));
    for cached in [false, true] {
        let presented = present(&verifier, &hs, at(0));
        assert!(presented.token.is_ok() && presented.cached == cached);
    }
    let other = token_with(&[("iss", r#""other""#)]);
    let presented = present(&verifier, &other, at(0));
    assert_eq!(presented.token.unwrap_err(), JwtError::KeysUnavailable);
}

fn awaited(verifier: &Verifier<Shown>, token: &str, now: Now) -> Option<AwaitedKey> {
    let bearer = format!("Bearer {token}");
    verifier.awaited_key(&request("/", &[("authorization", &bearer)]), now)
}

fn waiting() -> Provider {
    Provider {
        wait_for_key: Duration::from_millis(50),
        ..provider()
    }
}

#[test]
fn a_key_is_awaited_only_where_a_provider_wants_it_and_it_may_come() {
    let impatient = verifier(vec![provider()]);
    assert!(awaited(&impatient, &of_kid("new"), at(0)).is_none());
    // It was not even asked for.
    assert_eq!(
        present(&impatient, &of_kid("new"), at(0)).nudge,
        Some(Nudge::Accepted)
    );

    let verifier = verifier(vec![waiting()]);
    let known = token_with(&[]);
    for token in [&*known, "garbage", &token_with(&[("iss", r#""other""#)])] {
        assert!(awaited(&verifier, token, at(0)).is_none(), "{token}");
    }
    assert!(verifier.awaited_key(&request("/", &[]), at(0)).is_none());
    let [refresh] = verifier.refreshes() else {
        panic!("one provider")
    };
    let awaited = |kid, now| awaited(&verifier, &of_kid(kid), now);
    assert_eq!(
        awaited("new", at(0)).unwrap().within,
        Duration::from_millis(50)
    );
    // The same kid and another, while the fetch is under way.
    assert!(awaited("new", at(0)).is_some() && awaited("other", at(1)).is_some());
    refresh.began(at(1).instant);
    assert!(awaited("new", at(2)).is_some() && awaited("other", at(2)).is_some());
    refresh.ended();
    // It is over and has not brought them.
    assert!(awaited("new", at(3)).is_none() && awaited("other", at(3)).is_none());
    assert!(awaited("other", at(11)).is_some());
}

#[test]
fn a_key_is_awaited_while_there_is_no_set_at_all() {
    let verifier = Verifier::<Shown>::new(Options {
        providers: vec![waiting()],
        ..Options::default()
    });
    assert!(awaited(&verifier, &token_with(&[]), at(0)).is_some());
}

#[test]
fn whoever_awaits_a_key_goes_on_when_the_fetch_ends() {
    let verifier = verifier(vec![waiting()]);
    let key = awaited(&verifier, &of_kid("new"), at(0)).unwrap();
    let [refresh] = verifier.refreshes() else {
        panic!("one provider")
    };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build()
        .unwrap();
    runtime.block_on(async {
        let mut arrives = std::pin::pin!(key.arrives(Duration::from_hours(1)));
        assert!(arrives.as_mut().now_or_never().is_none());
        refresh.began(at(0).instant);
        publish(
            &verifier,
            0,
            &format!(r#"{{"keys":[{}]}}"#, issuer::stranger_jwk("new")),
        );
        refresh.ended();
        assert!(arrives.now_or_never().is_some());
    });
    assert!(present(&verifier, &of_kid("new"), at(0)).token.is_ok());
}

#[test]
fn nobody_awaits_a_key_for_longer_than_told() {
    let verifier = verifier(vec![waiting()]);
    let key = awaited(&verifier, &of_kid("new"), at(0)).unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build()
        .unwrap();
    runtime.block_on(key.arrives(Duration::from_millis(1)));
}
