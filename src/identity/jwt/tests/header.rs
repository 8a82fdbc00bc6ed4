//! Every abuse of the JOSE header has its exact code, and its twin without the defect verifies.

use super::*;

const MALFORMED: Result<(), JwtError> = Err(JwtError::Malformed);
const ALGORITHM: Result<(), JwtError> = Err(JwtError::Algorithm);

fn with_header(header: &str) -> String {
    token(Kind::Ed25519, header, &claims(&[]))
}

#[test]
fn header_parameters_are_of_their_types_and_none_is_there_that_is_not_understood() {
    for (header, expected) in [
        (r#"{"alg":"EdDSA","kid":"ed"}"#, Ok(())),
        (r#"{"alg":"EdDSA"}"#, Ok(())),
        (r#"{"alg":"EdDSA","kid":"ed","typ":"JWT"}"#, Ok(())),
        (r#"{"alg":"EdDSA","kid":"ed","typ":"anything"}"#, Ok(())),
        (r#"{"alg":"EdDSA","kid":"ed","cty":"json"}"#, Ok(())),
        (r#"{"alg":"EdDSA","kid":"ed","more":[1,{}]}"#, Ok(())),
        (r#"{"kid":"ed"}"#, MALFORMED),
        (r#"{"alg":null,"kid":"ed"}"#, MALFORMED),
        (r#"{"alg":1,"kid":"ed"}"#, MALFORMED),
        (r#"{"alg":["EdDSA"],"kid":"ed"}"#, MALFORMED),
        (r#"{"alg":"EdDSA","kid":1}"#, MALFORMED),
        (r#"{"alg":"EdDSA","kid":null}"#, MALFORMED),
        (r#"{"alg":"EdDSA","kid":["ed"]}"#, MALFORMED),
        (r#"{"alg":"EdDSA","kid":{"a":"ed"}}"#, MALFORMED),
        (r#"{"alg":"EdDSA","kid":"ed","typ":1}"#, MALFORMED),
        (r#"{"alg":"EdDSA","kid":"ed","typ":null}"#, MALFORMED),
        (r#"{"alg":"EdDSA","kid":"ed","cty":true}"#, MALFORMED),
        (r#"{"alg":"EdDSA","kid":"ed","crit":["exp"]}"#, MALFORMED),
        (r#"{"alg":"EdDSA","kid":"ed","crit":[]}"#, MALFORMED),
        (r#"{"alg":"EdDSA","kid":"ed","crit":null}"#, MALFORMED),
        (r#"{"alg":"EdDSA","kid":"ed","b64":true}"#, MALFORMED),
        (
            r#"{"alg":"EdDSA","kid":"ed","b64":false,"crit":["b64"]}"#,
            MALFORMED,
        ),
        (r#"{"alg":"EdDSA","kid":"ed","zip":"DEF"}"#, MALFORMED),
        (r#"{"alg":"EdDSA","kid":"ed","enc":"A256GCM"}"#, MALFORMED),
        (r#"{"alg":"EdDSA","kid":"ed","cty":"JWT"}"#, MALFORMED),
        (r#"{"alg":"EdDSA","kid":"ed","cty":"jwt"}"#, MALFORMED),
        (
            r#"{"alg":"EdDSA","kid":"ed","cty":"application/JWT"}"#,
            MALFORMED,
        ),
        (r#"{"alg":"EdDSA","alg":"EdDSA","kid":"ed"}"#, MALFORMED),
        (r#"{"alg":"EdDSA","kid":"x","kid":"ed"}"#, MALFORMED),
        (r#"["EdDSA"]"#, MALFORMED),
        ("", MALFORMED),
        ("{}", MALFORMED),
        (r#"{"alg":"EdDSA","kid":"ed"} {}"#, MALFORMED),
    ] {
        assert_eq!(code(provider(), &with_header(header)), expected, "{header}");
    }
}

#[test]
fn an_algorithm_is_known_by_its_exact_name_and_is_the_keys_and_the_providers() {
    for (header, expected) in [
        (r#"{"alg":"none"}"#, ALGORITHM),
        (r#"{"alg":"None"}"#, ALGORITHM),
        (r#"{"alg":"NONE"}"#, ALGORITHM),
        (r#"{"alg":"nOnE","kid":"ed"}"#, ALGORITHM),
        (r#"{"alg":"","kid":"ed"}"#, ALGORITHM),
        (r#"{"alg":"eddsa","kid":"ed"}"#, ALGORITHM),
        (r#"{"alg":"EdDSA ","kid":"ed"}"#, ALGORITHM),
        (r#"{"alg":"RS256","kid":"ed"}"#, ALGORITHM),
        (r#"{"alg":"ES256","kid":"ed"}"#, ALGORITHM),
        (r#"{"alg":"EdDSA","kid":"rsa"}"#, ALGORITHM),
        (r#"{"alg":"HS256","kid":"ed"}"#, ALGORITHM),
        (r#"{"alg":"EdDSA","kid":"ed"}"#, Ok(())),
    ] {
        assert_eq!(code(provider(), &with_header(header)), expected, "{header}");
        let (input, _) = with_header(header)
            .rsplit_once('.')
            .map(|(a, b)| (a.to_owned(), b.len()))
            .unwrap();
        let unsigned = code(provider(), &format!("{input}."));
        assert_ne!(unsigned, Ok(()), "{header} unsigned");
    }
    let only_rsa = Provider {
        algorithms: vec![Algorithm::Rs256],
        ..provider()
    };
    let ed = token_with(&[]);
    assert_eq!(code(only_rsa.clone(), &ed), ALGORITHM);
    let rs = |alg: &str| {
        token(
            Kind::Rsa,
            &format!(r#"{{"alg":{alg:?},"kid":"rsa"}}"#),
            &claims(&[]),
        )
    };
    assert_eq!(code(only_rsa.clone(), &rs("RS256")), Ok(()));
    assert_eq!(code(only_rsa.clone(), &rs("rs256")), ALGORITHM);
    assert_eq!(code(only_rsa, &rs("RS384")), ALGORITHM);
    assert_eq!(code(provider(), &rs("RS384")), Err(JwtError::BadSignature));
    let ec = token(Kind::Ec, r#"{"alg":"ES256","kid":"ec"}"#, &claims(&[]));
    assert_eq!(code(provider(), &ec), Ok(()));
}

#[test]
fn a_public_key_is_never_a_secret() {
    let both = Provider {
        algorithms: Algorithm::ALL.to_vec(),
        ..symmetric()
    };
    let asymmetric_only = Provider {
        algorithms: Algorithm::ALL.to_vec(),
        ..provider()
    };
    for secret in issuer::rsa_public_forms() {
        for header in [r#"{"alg":"HS256","kid":"rsa"}"#, r#"{"alg":"HS256"}"#] {
            let forged = token(Kind::Secret(&secret), header, &claims(&[]));
            let bad = Err(JwtError::BadSignature);
            assert_eq!(code(provider(), &forged), ALGORITHM);
            assert_eq!(code(asymmetric_only.clone(), &forged), ALGORITHM);
            assert_eq!(code(symmetric(), &forged), bad);
            assert_eq!(code(both.clone(), &forged), bad);
        }
    }
}

#[test]
fn a_secret_verifies_hmac_alone_and_the_key_set_all_else() {
    let hs = token(
        Kind::Secret(SECRET),
        r#"{"alg":"HS256","kid":"ed"}"#,
        &claims(&[]),
    );
    assert_eq!(code(symmetric(), &hs), Ok(()));
    assert_eq!(code(provider(), &hs), ALGORITHM);
    assert_eq!(code(symmetric(), &token_with(&[])), ALGORITHM);
    let wrong = token(
        Kind::Secret(b"another secret"),
        r#"{"alg":"HS256"}"#,
        &claims(&[]),
    );
    assert_eq!(code(symmetric(), &wrong), Err(JwtError::BadSignature));

    let both = Provider {
        algorithms: Algorithm::ALL.to_vec(),
        ..symmetric()
    };
    assert_eq!(code(both.clone(), &hs), Ok(()));
    assert_eq!(code(both, &token_with(&[])), Ok(()));
}

#[test]
fn a_secret_in_the_key_set_is_no_key() {
    let verifier = Verifier::<Shown>::new(Options {
        providers: vec![Provider {
            algorithms: Algorithm::ALL.to_vec(),
            ..provider()
        }],
        ..Options::default()
    });
    let k = issuer::encode(SECRET);
    publish(
        &verifier,
        0,
        &format!(r#"{{"keys":[{{"kty":"oct","kid":"hs","k":{k:?}}}]}}"#),
    );
    let hs = token(
        Kind::Secret(SECRET),
        r#"{"alg":"HS256","kid":"hs"}"#,
        &claims(&[]),
    );
    assert_eq!(
        present(&verifier, &hs, at(0)).token.unwrap_err(),
        JwtError::Algorithm
    );
}

#[test]
fn what_a_header_says_about_keys_changes_nothing() {
    let jwk = issuer::stranger_jwk("ed");
    for parameter in [
        r#""jku":"https://attacker.example/keys""#.to_owned(),
        r#""x5u":"https://attacker.example/certificate""#.to_owned(),
        format!(r#""jwk":{jwk}"#),
        r#""x5c":["MIIB"]"#.to_owned(),
        r#""x5t":"AAAA","x5t#S256":"AAAA""#.to_owned(),
    ] {
        let header = format!(r#"{{"alg":"EdDSA","kid":"ed",{parameter}}}"#);
        let forged = token(Kind::Stranger, &header, &claims(&[]));
        assert_eq!(
            code(provider(), &forged),
            Err(JwtError::BadSignature),
            "{parameter}"
        );
        assert_eq!(
            code(provider(), &with_header(&header)),
            Ok(()),
            "{parameter}"
        );
    }
}

#[test]
fn the_type_is_compared_as_media_types_are() {
    let cases = [
        (r#","typ":"at+jwt""#, Ok(())),
        (r#","typ":"AT+JWT""#, Ok(())),
        (r#","typ":"application/at+jwt""#, Ok(())),
        (r#","typ":"Application/At+Jwt""#, Ok(())),
        (r#","typ":"JWT""#, Err(JwtError::Claim)),
        (r#","typ":"at+jwt ""#, Err(JwtError::Claim)),
        (r#","typ":"text/at+jwt""#, Err(JwtError::Claim)),
        (
            r#","typ":"application/application/at+jwt""#,
            Err(JwtError::Claim),
        ),
        (r#","typ":"""#, Err(JwtError::Claim)),
        ("", Err(JwtError::Claim)),
        (r#","typ":7"#, MALFORMED),
    ];
    for wanted in ["at+jwt", "application/at+jwt", "AT+JWT"] {
        let provider = Provider {
            typ: Some(wanted.to_owned()),
            ..provider()
        };
        for (typ, expected) in cases {
            let token = with_header(&format!(r#"{{"alg":"EdDSA","kid":"ed"{typ}}}"#));
            assert_eq!(code(provider.clone(), &token), expected, "{wanted}: {typ}");
        }
    }
}
