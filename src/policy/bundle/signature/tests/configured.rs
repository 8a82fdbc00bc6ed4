//! What the configuration says: keys, scopes, excluded files, or nothing at all.

use super::*;

#[test]
fn the_key_is_the_configured_one_before_the_token_is_asked() {
    let (_, payload) = parts();
    let named = |header: Option<&str>, claim: Option<&str>| {
        let mut head = json!({"alg": "ES256"});
        let mut payload = payload.clone();
        payload.as_object_mut().unwrap().remove("keyid");
        if let Some(kid) = header {
            head["kid"] = kid.into();
        }
        if let Some(id) = claim {
            payload["keyid"] = id.into();
        }
        made_of(&head, &payload)
    };
    let (right, wrong) = (public(Algorithm::Es256, 0), public(Algorithm::Es256, 1));
    let keys: BTreeMap<String, Key> =
        [("right".to_owned(), right), ("wrong".to_owned(), wrong)].into();
    let configured =
        |id: Option<&str>| Verifier::new(keys.clone(), id.map(str::to_owned), None, &[]).unwrap();
    for (id, header, claim) in [
        (None, Some("right"), Some("wrong")),
        (None, None, Some("right")),
        (None, Some(""), Some("right")),
        (Some("right"), None, None),
        (Some("right"), Some("wrong"), Some("wrong")),
    ] {
        let id = verify(&configured(id), &named(header, claim), &files());
        assert_eq!(id.as_deref(), Ok("right"));
    }
    for (id, header, claim, because) in [
        (None, None, None, "names no key"),
        (
            None,
            Some("wrong"),
            Some("right"),
            "not that of the key `wrong`",
        ),
        (None, None, Some("third"), "key id `third`"),
        (
            Some("wrong"),
            Some("right"),
            Some("right"),
            "not that of the key `wrong`",
        ),
    ] {
        refused(&configured(id), &named(header, claim), &files(), because);
    }
    let error = Verifier::new(keys.clone(), Some("third".to_owned()), None, &[]).unwrap_err();
    assert!(matches!(error, InvalidVerifier::UnknownKey(id) if id == "third"));
    let error = Verifier::new(BTreeMap::new(), None, None, &[]).unwrap_err();
    assert!(matches!(error, InvalidVerifier::NoKeys));
}

#[test]
fn the_scope_is_the_bundles_then_the_keys_then_none() {
    let signed = |scope: &str| {
        let mut signer = signer(Algorithm::Es256, 0);
        signer.claims.insert("scope".to_owned(), scope.into());
        signer.sign(files()).unwrap()
    };
    let with = |of_key: Option<&str>, of_bundle: Option<&str>| {
        let pem = made::pair(Algorithm::Es256, 0).pem();
        let key = Key::from_config(&pem, Some("ES256"), of_key).unwrap();
        let scope = of_bundle.map(str::to_owned);
        Verifier::new([("main".to_owned(), key)].into(), None, scope, &[]).unwrap()
    };
    for (of_key, of_bundle, right) in [
        (None, None, ""),
        (Some("a"), None, "a"),
        (None, Some("b"), "b"),
        (Some("a"), Some("b"), "b"),
        (Some(""), Some(""), ""),
    ] {
        let verifier = with(of_key, of_bundle);
        for scope in ["", "a", "b"] {
            let verdict = verify(&verifier, &signed(scope), &files());
            assert_eq!(
                verdict.is_ok(),
                scope == right,
                "{of_key:?} {of_bundle:?} {scope}"
            );
        }
    }
}

#[test]
fn excluded_files_are_neither_compared_nor_missed() {
    let signed = signer(Algorithm::Es256, 0).sign(files()).unwrap();
    let with = |patterns: &[&str]| {
        let patterns: Vec<String> = patterns.iter().map(|text| (*text).to_owned()).collect();
        let keys = [("main".to_owned(), public(Algorithm::Es256, 0))].into();
        Verifier::new(keys, None, None, &patterns)
    };
    let mut other = files();
    other[3].1 = b"changed";
    other.push(("a/b/new.md", b"new"));
    assert!(verify(&with(&["*.md", "a/*/*.md"]).unwrap(), &signed, &other).is_ok());
    other.remove(3);
    assert!(
        verify(
            &with(&["README.md", "a/b/n?w.md"]).unwrap(),
            &signed,
            &other
        )
        .is_ok()
    );
    // A star stays in its folder, two are one, braces mean themselves.
    for pattern in [
        "*.md",
        "**.md",
        "**/*.md",
        "{a/b/new,b}.md",
        "a/b",
        "new.md",
    ] {
        refused(
            &with(&["README.md", pattern]).unwrap(),
            &signed,
            &other,
            "b/a/b/new.md",
        );
    }
    assert!(
        matches!(with(&["["]), Err(InvalidVerifier::Pattern { pattern, .. }) if pattern == "[")
    );
}

#[test]
fn keys_are_told_apart_and_never_shown() {
    let pem = made::pair(Algorithm::Rs256, 0).pem();
    let secret = "correct horse battery staple";
    let key = Key::from_config(secret, Some("HS256"), Some("s")).unwrap();
    assert!(!format!("{key:?}").contains("horse"));
    assert_eq!(key, key.clone());
    assert_ne!(key, Key::from_config(secret, Some("HS256"), None).unwrap());
    assert_ne!(
        key,
        Key::from_config(secret, Some("HS384"), Some("s")).unwrap()
    );
    // RS256 is the default.
    assert_eq!(
        Key::from_config(&pem, None, None).unwrap(),
        public(Algorithm::Rs256, 0)
    );
    for (text, algorithm) in [
        (pem.as_str(), "ES256"),
        (pem.as_str(), "EdDSA"),
        (pem.as_str(), "none"),
        (pem.as_str(), "rs256"),
        (secret, "RS256"),
        ("", "HS256"),
        (" \n", "RS256"),
    ] {
        let error = Key::from_config(text, Some(algorithm), None).unwrap_err();
        assert!(!format!("{error:?} {error}").contains("horse"), "{error}");
        assert!(PrivateKey::from_text(text, Some(algorithm)).is_err());
    }
}

#[test]
fn without_a_key_a_signed_bundle_is_refused_and_with_one_an_unsigned_bundle() {
    let signed = signer(Algorithm::Es256, 0).sign(files()).unwrap();
    assert!(Verification::None.open("b", None).unwrap().is_none());
    let problem = Verification::None.open("b", Some(&signed)).unwrap_err();
    assert!(problem.to_string().contains("--skip-verify"), "{problem}");
    for signatures in [None, Some(signed.as_slice()), Some(b"garbage".as_slice())] {
        assert!(Verification::Skip.open("b", signatures).unwrap().is_none());
    }
    let verification = Verification::Signed(verifier(public(Algorithm::Es256, 0)));
    let problem = verification.open("b", None).unwrap_err();
    assert!(
        problem.to_string().contains("the bundle is not signed"),
        "{problem}"
    );
    assert!(verification.open("b", Some(&signed)).unwrap().is_some());
}
