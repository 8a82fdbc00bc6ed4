//! Where tokens are found, and what several of them mean.

use super::*;

fn header(name: &str, prefix: &str) -> Location {
    Location::Header {
        name: name.into(),
        prefix: prefix.into(),
    }
}

fn at_places(locations: Vec<Location>) -> Verifier<Shown> {
    verifier(vec![Provider {
        locations,
        ..provider()
    }])
}

fn code_of(
    verifier: &Verifier<Shown>,
    path: &str,
    headers: &[(&str, &str)],
) -> Result<(), JwtError> {
    let presented = verifier.present(&request(path, headers), at(0));
    presented.token.map(drop)
}

const MISSING: Result<(), JwtError> = Err(JwtError::Missing);
const MALFORMED: Result<(), JwtError> = Err(JwtError::Malformed);

/// Each value with `T` for a good token.
fn assert_values(location: &Location, name: &str, cases: &[(&str, Result<(), JwtError>)]) {
    let verifier = at_places(vec![location.clone()]);
    let token = token_with(&[]);
    for (value, expected) in cases {
        let sent = value.replace('T', &token);
        let code = code_of(&verifier, "/", &[(name, &sent)]);
        assert_eq!(code, *expected, "{location:?}: {value:?}");
    }
}

#[test]
fn a_scheme_has_no_case_and_any_number_of_spaces() {
    assert_values(
        &Location::bearer(),
        "authorization",
        &[
            ("Bearer T", Ok(())),
            ("bearer T", Ok(())),
            ("BEARER    T", Ok(())),
            ("BearerT", MISSING),
            ("Bearer", MISSING),
            ("Bearer ", MISSING),
            ("Bearer   ", MISSING),
            ("Bearer \t", MISSING),
            ("Bear T", MISSING),
            ("Béarer T", MISSING),
            ("T", MISSING),
            ("Basic T", MISSING),
            ("", MISSING),
            ("Bearer T ", MALFORMED),
            // Not a space, but some upstreams split at any of these.
            ("Bearer\tT", MALFORMED),
            ("Bearer \tT", MALFORMED),
            ("Bearer\u{a0}T", MALFORMED),
            ("Bearer T T", MALFORMED),
            ("Bearer x", MALFORMED),
        ],
    );
}

#[test]
fn other_prefixes_are_exact() {
    let cases = [
        ("jwt:T", Ok(())),
        ("JWT:T", MISSING),
        ("jwt: T", MALFORMED),
        ("jwt:", MISSING),
    ];
    assert_values(&header("x-token", "jwt:"), "x-token", &cases);
    let cases = [
        ("T", Ok(())),
        ("Bearer T", MALFORMED),
        ("", MISSING),
        (" ", MISSING),
    ];
    assert_values(&header("x-token", ""), "x-token", &cases);
}

#[test]
fn a_token_beside_another_value_of_its_header_is_malformed() {
    assert_values(
        &Location::bearer(),
        "authorization",
        &[
            ("Bearer T,Bearer T", MALFORMED),
            ("Bearer T, Bearer x", MALFORMED),
            ("Bearer T,Basic eA==", MALFORMED),
            ("Basic eA==,Bearer T", MALFORMED),
            ("Bearer T,T", MALFORMED),
            ("Digest a=b, c=d", MISSING),
            ("Bearer T,", Ok(())),
            (", Bearer T", Ok(())),
        ],
    );
    let cases = [("T,T", MALFORMED), ("T,x", MALFORMED), ("x,T", MALFORMED)];
    assert_values(&header("x-token", ""), "x-token", &cases);
}

#[test]
fn cookies_are_found_by_their_exact_name() {
    assert_values(
        &Location::Cookie("token".into()),
        "cookie",
        &[
            ("token=T", Ok(())),
            ("a=1; token=T; b=2", Ok(())),
            ("a=1;token=T", Ok(())),
            ("token=\"T\"", Ok(())),
            ("Token=T", MISSING),
            ("xtoken=T", MISSING),
            ("token", MISSING),
            ("token=", MISSING),
            ("token=\"\"", MISSING),
            ("T", MISSING),
            ("token=\"T", MALFORMED),
            ("token=%65T", MALFORMED),
            ("token=T; token=T", MALFORMED),
            ("token=x; token=T", MALFORMED),
            ("a=1,token=T", Ok(())),
            ("a=1,token=T; token=T", MALFORMED),
            ("token=T,token=T", MALFORMED),
            // Two headers of an HTTP/1 request.
            ("token=T; a=1,token=x", MALFORMED),
            ("a=1,token=T; b=2", Ok(())),
            ("token=T,b=2", Ok(())),
            ("token=; token=T", Ok(())),
        ],
    );
}

#[test]
fn query_parameters_are_decoded() {
    let verifier = at_places(vec![Location::Param("access token".into())]);
    let token = token_with(&[]);
    for (path, expected) in [
        ("/?access%20token=T", Ok(())),
        ("/a?b=1&%61ccess%20token=T&c", Ok(())),
        ("/?access+token=T", Ok(())),
        ("/?access+token=T&access%20token=T", MALFORMED),
        ("/?access%2Btoken=T", MISSING),
        ("/?access%20token=%65...", Ok(())),
        ("https://host/?access%20token=T#x", Ok(())),
        ("/?access%20token=T?", MALFORMED),
        ("/?access%20token=%ff", MALFORMED),
        ("/?access%20token=T&access%20token=T", MALFORMED),
        ("/?access%20token=x&access%20%74oken=T", MALFORMED),
        ("/?access%20token", MISSING),
        ("/?access%20token=", MISSING),
        ("/?Access%20token=T", MISSING),
        ("/access%20token=T", MISSING),
        ("/#?access%20token=T", MISSING),
        ("", MISSING),
    ] {
        let sent = match path.strip_suffix("%65...") {
            Some(start) => format!("{start}%65{}", token.strip_prefix('e').unwrap()),
            None => path.replace('T', &token),
        };
        assert_eq!(code_of(&verifier, &sent, &[]), expected, "{path}");
    }
}

#[test]
fn a_token_in_two_places_is_malformed_unless_the_first_is_to_count() {
    let locations = || {
        vec![
            header("x-first", ""),
            Location::Cookie("token".into()),
            Location::Param("token".into()),
        ]
    };
    let good = token_with(&[]);
    let cookie = format!("token={good}");
    let query = format!("/?token={good}");
    let refusing = at_places(locations());
    let first = with_options(Options {
        providers: refusing.providers().to_vec(),
        several_tokens: SeveralTokens::First,
        ..Options::default()
    });
    for (path, headers, if_refused, if_first) in [
        ("/", &[("x-first", &*good)][..], Ok(()), Ok(())),
        ("/", &[("cookie", &cookie)], Ok(()), Ok(())),
        (&query, &[], Ok(()), Ok(())),
        (
            "/",
            &[("x-first", &good), ("cookie", &cookie)],
            MALFORMED,
            Ok(()),
        ),
        (&query, &[("x-first", &good)], MALFORMED, Ok(())),
        (&query, &[("x-first", "bad")], MALFORMED, MALFORMED),
        ("/?token=bad", &[("cookie", &cookie)], MALFORMED, Ok(())),
        (&query, &[("cookie", "token=bad")], MALFORMED, MALFORMED),
    ] {
        assert_eq!(code_of(&refusing, path, headers), if_refused, "{headers:?}");
        assert_eq!(code_of(&first, path, headers), if_first, "{headers:?}");
    }
    let twice = format!("token={good}; token=bad");
    assert_eq!(code_of(&first, "/", &[("cookie", &twice)]), Ok(()));
}

#[test]
fn the_issuer_selects_only_among_the_providers_of_the_place() {
    let other = Provider {
        name: "other".into(),
        issuer: "https://other.example".into(),
        locations: vec![header("x-other", ""), Location::bearer()],
        ..provider()
    };
    let verifier = verifier(vec![provider(), other]);
    let ours = token_with(&[]);
    let others = token_with(&[("iss", r#""https://other.example""#)]);
    let unknown = Err(JwtError::UnknownIssuer);
    for (name, token, expected) in [
        ("authorization", &ours, Ok("main")),
        ("authorization", &others, Ok("other")),
        ("x-other", &others, Ok("other")),
        ("x-other", &ours, unknown),
    ] {
        let value = match name {
            "authorization" => format!("Bearer {token}"),
            _ => token.clone(),
        };
        let request = request("/", &[(name, &value)]);
        let presented = verifier.present(&request, at(0));
        let provider = presented.provider.map(|provider| &*provider.name);
        assert_eq!(provider, expected.ok(), "{name}");
        assert_eq!(presented.token.map(drop), expected.map(drop), "{name}");
    }
}

#[test]
fn a_scheme_in_two_spellings_is_one_place() {
    let other = Provider {
        name: "other".into(),
        issuer: "https://other.example".into(),
        locations: vec![header("authorization", "bearer ")],
        ..provider()
    };
    let verifier = verifier(vec![provider(), other]);
    for issuer in [ISSUER, "https://other.example"] {
        let token = format!("Bearer {}", token_with(&[("iss", &format!("{issuer:?}"))]));
        assert_eq!(
            code_of(&verifier, "/", &[("authorization", &token)]),
            Ok(()),
            "{issuer}"
        );
    }
    let twice = format!("Bearer {0},Bearer {0}", token_with(&[]));
    assert_eq!(
        code_of(&verifier, "/", &[("authorization", &twice)]),
        MALFORMED
    );
}

#[test]
fn without_a_provider_a_token_has_an_unknown_issuer() {
    let verifier = verifier(Vec::new());
    let good = format!("Bearer {}", token_with(&[]));
    for (value, expected) in [
        (&*good, Err(JwtError::UnknownIssuer)),
        // Nobody looks into it.
        ("Bearer x.y.z", Err(JwtError::UnknownIssuer)),
        ("Basic eA==", MISSING),
    ] {
        assert_eq!(
            code_of(&verifier, "/", &[("authorization", value)]),
            expected
        );
    }
    assert_eq!(code_of(&verifier, "/", &[]), MISSING);
    assert!(!verifier.acts_alone());
    let tcp = RequestView { attributes: None };
    assert_eq!(verifier.present(&tcp, at(0)).token.map(drop), MISSING);
}
