//! `portcullis.jwt`: good configurations and exactly what comes of them.

use std::{fs, sync::Arc, time::Duration};

use portcullis::{
    config::{Config, Jwt},
    identity::{
        jose::Algorithm,
        jwt::{CacheOptions, KeySet, Location, OnFailure, Options, Provider, SeveralTokens},
    },
    redact::Secret,
    sources::jwks::{ClientCertificate, Http, Kind, Source},
};
use serde_json::json;

use super::yaml;

pub(super) const ED25519: &str =
    r#"{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo","kid":"a"}"#;

pub(super) fn key_set() -> Kind {
    let set = format!(r#"{{"keys": [{ED25519}]}}"#);
    Kind::Inline(Arc::new(KeySet::parse(set.as_bytes()).unwrap()))
}

pub(super) fn uri(url: &str) -> Kind {
    Kind::Uri(url.to_owned())
}

/// A provider of which the file says this and nothing else.
pub(super) fn usual(name: &str, issuer: &str) -> Provider {
    Provider {
        name: name.into(),
        issuer: issuer.into(),
        audiences: vec![],
        algorithms: vec![
            Algorithm::Rs256,
            Algorithm::Rs384,
            Algorithm::Rs512,
            Algorithm::Ps256,
            Algorithm::Ps384,
            Algorithm::Ps512,
            Algorithm::Es256,
            Algorithm::Es384,
            Algorithm::Es512,
            Algorithm::EdDsa,
        ],
        secret: None,
        locations: vec![header("authorization", "Bearer ")],
        clock_skew: Duration::from_secs(30),
        max_lifetime: None,
        require_exp: true,
        required_claims: vec![],
        typ: None,
        space_delimited_claims: Arc::default(),
        on_missing: OnFailure::Policy,
        on_invalid: OnFailure::Policy,
        strip_on_allow: false,
        wait_for_key: Duration::ZERO,
        min_refresh: Duration::from_secs(10),
    }
}

/// A source of which the file says this and nothing else.
pub(super) fn usual_source(kind: Kind) -> Source {
    Source {
        kind,
        refresh_interval: Duration::from_mins(5),
        max_refresh_interval: Duration::from_hours(1),
        max_stale: Duration::from_hours(1),
        required: false,
        http: Http {
            connect_timeout: Duration::from_secs(2),
            timeout: Duration::from_secs(10),
            max_response_bytes: 1_048_576,
            ca_file: None,
            client: None,
        },
    }
}

pub(super) fn header(name: &str, prefix: &str) -> Location {
    Location::Header {
        name: name.into(),
        prefix: prefix.into(),
    }
}

fn words(words: &[&str]) -> Vec<String> {
    words.iter().map(|word| (*word).to_owned()).collect()
}

/// The section in `everything.yaml`.
pub(super) fn every_key() -> Jwt {
    let istio = "https://raw.githubusercontent.com/istio/istio/release-1.30/security/tools/jwt/samples/jwks.json";
    let issuer = "https://discovery.example.com/realm";
    let providers = vec![
        every_key_of_a_provider(),
        usual("file", "file"),
        usual("inline", "inline"),
        usual("discovery", issuer),
        Provider {
            algorithms: vec![Algorithm::Hs512],
            secret: Some(Secret::new("0123456789abcdef".repeat(4).into_bytes())),
            ..usual("secret", "secret")
        },
        Provider {
            locations: vec![
                header("authorization", "Bearer "),
                Location::Param("access_token".into()),
            ],
            space_delimited_claims: words(&["scope", "permission"]).into(),
            ..usual("foo.jwt-example.0", "testing@secure.istio.io")
        },
    ];
    let sources = vec![
        every_key_of_a_source(),
        Source {
            refresh_interval: Duration::from_secs(10),
            ..usual_source(Kind::File("/keys/jwks.json".into()))
        },
        usual_source(key_set()),
        usual_source(Kind::Discovery {
            issuer: issuer.into(),
        }),
        usual_source(Kind::Secret),
        usual_source(uri(istio)),
    ];
    let verifier = Options {
        providers,
        several_tokens: SeveralTokens::First,
        cache: CacheOptions {
            max_entries: 1000,
            max_bytes: 1_048_576,
            max_ttl: Duration::from_mins(1),
            max_failures: 100,
            failure_ttl: Duration::from_secs(1),
        },
    };
    Jwt { verifier, sources }
}

fn every_key_of_a_provider() -> Provider {
    Provider {
        audiences: words(&["https://api.example.com", "shop"]),
        algorithms: vec![Algorithm::Es256, Algorithm::Hs256],
        secret: Some(Secret::new(b"t0ken of at least thirty-two bytes".to_vec())),
        locations: vec![
            header("x-token", ""),
            header("authorization", "DPoP "),
            Location::Cookie("session".into()),
            Location::Param("access_token".into()),
        ],
        clock_skew: Duration::from_secs(5),
        max_lifetime: Some(Duration::from_hours(2)),
        require_exp: false,
        required_claims: words(&["sub", "tenant"]),
        typ: Some("at+jwt".to_owned()),
        space_delimited_claims: words(&["scope"]).into(),
        on_missing: OnFailure::Deny,
        on_invalid: OnFailure::Deny,
        strip_on_allow: true,
        wait_for_key: Duration::from_millis(50),
        min_refresh: Duration::from_secs(20),
        ..usual("commerce", "https://id.example.com/")
    }
}

fn every_key_of_a_source() -> Source {
    Source {
        kind: uri("https://id.example.com/keys?v=2"),
        refresh_interval: Duration::from_mins(2),
        max_refresh_interval: Duration::from_mins(30),
        max_stale: Duration::from_hours(4),
        required: true,
        http: Http {
            connect_timeout: Duration::from_secs(1),
            timeout: Duration::from_secs(3),
            max_response_bytes: 65_536,
            ca_file: Some("/idp/ca.crt".into()),
            client: Some(ClientCertificate {
                cert_file: "/idp/tls.crt".into(),
                key_file: "/idp/tls.key".into(),
            }),
        },
    }
}

/// A file with one provider, which has a name, an issuer and `fields`.
pub(super) fn one(fields: &str) -> Result<Config, String> {
    yaml(&format!(
        "portcullis: {{jwt: {{providers: [{{name: p, issuer: 'https://i', {fields}}}]}}}}"
    ))
}

fn provider(fields: &str) -> (Provider, Source) {
    let Jwt { verifier, sources } = one(fields).unwrap().portcullis.jwt;
    let [provider] = <[Provider; 1]>::try_from(verifier.providers).unwrap();
    let [source] = <[Source; 1]>::try_from(sources).unwrap();
    (provider, source)
}

#[test]
fn no_token_is_trusted_unless_a_provider_is_given() {
    assert_eq!(yaml("").unwrap().portcullis.jwt, Jwt::default());
    let empty = yaml("portcullis: {jwt: {providers: []}}").unwrap();
    assert_eq!(empty.portcullis.jwt, Jwt::default());
}

#[test]
fn a_short_provider_has_the_documented_defaults() {
    let usual = usual("p", "https://i");
    assert_eq!(
        provider("jwks_uri: 'https://k'"),
        (usual.clone(), usual_source(uri("https://k")))
    );
    let issuer = "https://i".into();
    assert_eq!(
        provider("discovery: true"),
        (usual.clone(), usual_source(Kind::Discovery { issuer }))
    );
    let keys = format!("jwks: '{{\"keys\": [{ED25519}]}}', discovery: false");
    assert_eq!(provider(&keys), (usual, usual_source(key_set())));
}

#[test]
fn times_that_are_not_given_keep_within_those_that_are() {
    let times = |fields: &str| {
        let (provider, source) = provider(&format!("jwks_uri: 'https://k', {fields}"));
        [
            provider.min_refresh,
            source.refresh_interval,
            source.max_refresh_interval,
        ]
        .map(|time| time.as_secs())
    };
    for (fields, want) in [
        ("", [10, 300, 3600]),
        ("min_refresh: 10m", [600, 600, 3600]),
        ("refresh_interval: 5s", [5, 5, 3600]),
        ("refresh_interval: 2h", [10, 7200, 7200]),
        ("max_refresh_interval: 1m", [10, 60, 60]),
        ("max_refresh_interval: 5s", [5, 5, 5]),
    ] {
        assert_eq!(times(fields), want, "{fields}");
    }
}

#[test]
fn a_token_is_looked_for_where_the_provider_says() {
    let at = |fields: &str| {
        let fields = format!("jwks_uri: 'https://k', {fields}");
        provider(&fields).0.locations
    };
    for (fields, want) in [
        ("", vec![header("authorization", "Bearer ")]),
        (
            "from_headers: [{name: Authorization}, {name: X-A}, {name: x-b, prefix: 'a b='}]",
            vec![
                header("authorization", "Bearer "),
                header("x-a", ""),
                header("x-b", "a b="),
            ],
        ),
        (
            "from_headers: [{name: authorization, prefix: Token}]",
            vec![header("authorization", "Token ")],
        ),
        (
            "from_headers: [{name: authorization, prefix: ''}]",
            vec![header("authorization", "")],
        ),
        (
            "from_cookies: [__Host-jwt], from_headers: []",
            vec![Location::Cookie("__Host-jwt".into())],
        ),
        (
            "from_params: [token]",
            vec![Location::Param("token".into())],
        ),
    ] {
        assert_eq!(at(fields), want, "{fields}");
    }
}

#[test]
fn a_secret_in_a_file_ends_before_its_last_line_break() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("secret");
    let text = "0123456789abcdef0123456789abcdef";
    let binary = [0xff; 31];
    for (bytes, want) in [
        (text.as_bytes().to_vec(), text.as_bytes().to_vec()),
        (format!("{text}\n").into(), text.into()),
        (format!("{text}\r\n").into(), text.into()),
        (format!("{text}\n\n").into(), format!("{text}\n").into()),
        ([&binary[..], b"\n"].concat(), [&binary[..], b"\n"].concat()),
    ] {
        fs::write(&file, &bytes).unwrap();
        let path = file.display();
        let (provider, _) = provider(&format!("algorithms: [HS256], secret_file: '{path}'"));
        assert_eq!(provider.secret, Some(Secret::new(want)), "{bytes:?}");
    }
}

#[test]
fn what_makes_keys_weaker_or_means_nothing_is_in_a_warning() {
    let plain = "fetches keys over plain http: who can change them on the way can sign tokens, \
                 unless the mesh protects that way";
    let idle = "has no effect: these keys do not come over the network";
    let bad = r#"{"kty":"OKP","crv":"X25519","x":"AA","kid":"b"}"#;
    let keys = format!("jwks: {{keys: [{bad}, {ED25519}]}}");
    for (fields, want) in [
        ("jwks_uri: 'HTTP://k'", vec![format!("jwks_uri` {plain}")]),
        ("jwks_uri: 'https://k'", vec![]),
        ("jwks_file: f, min_refresh: 1s", vec![]),
        (
            "jwks_file: f, timeout: 1s",
            vec![format!("timeout` {idle}")],
        ),
        (
            keys.as_str(),
            vec!["jwks` holds keys that are left out: key 0 `b`: ".to_owned()],
        ),
        (
            "algorithms: [HS256], secret: 0123456789abcdef0123456789abcdef, max_stale: 1h, ca_file: c",
            vec![format!("ca_file` {idle}"), format!("max_stale` {idle}")],
        ),
    ] {
        let warnings = one(fields).unwrap().warnings;
        assert_eq!(warnings.len(), want.len(), "{fields}: {warnings:?}");
        for (warning, want) in warnings.iter().zip(want) {
            let want = format!("`portcullis.jwt.providers[0].{want}");
            assert!(warning.starts_with(&want), "{warning}");
        }
    }
    let discovery =
        "portcullis: {jwt: {providers: [{name: p, issuer: 'http://i', discovery: true}]}}";
    assert_eq!(
        yaml(discovery).unwrap().warnings,
        [format!("`portcullis.jwt.providers[0].discovery` {plain}")]
    );
}

#[test]
fn keys_are_kept_only_where_keys_are_fetched() {
    let folder = "persistence_directory: /var/lib/x";
    let warning = "these keys have no effect in this version: `persistence_directory`";
    for (source, want) in [
        ("jwks_uri: 'https://k'", vec![]),
        ("discovery: true", vec![]),
        ("jwks_file: f", vec![warning]),
    ] {
        let text = format!(
            "{folder}\nportcullis: {{jwt: {{providers: [{{name: p, issuer: 'https://i', {source}}}]}}}}"
        );
        let config = yaml(&text).unwrap();
        assert_eq!(config.warnings, want, "{source}");
        assert_eq!(config.persistence_directory, Some("/var/lib/x".into()));
    }
    assert_eq!(yaml(folder).unwrap().warnings, [warning]);
    let empty = yaml("persistence_directory: ''").unwrap();
    assert_eq!(empty.persistence_directory, None);
    assert_eq!(yaml("").unwrap().persistence_directory, None);
}

#[test]
fn every_key_of_a_provider_is_in_the_documentation() {
    let docs = fs::read_to_string("docs/configuration.md").unwrap();
    let file = fs::read_to_string("tests/fixtures/config/everything.yaml").unwrap();
    let file: serde_json::Value = yaml_serde::from_str(&file).unwrap();
    let mut left_out = Vec::new();
    let jwt = &file["portcullis"]["jwt"];
    assert_ne!(jwt, &json!(null));
    let sections = [jwt, &jwt["cache"], &file["portcullis"]["identity"]];
    let providers = jwt["providers"].as_array().into_iter().flatten();
    for section in sections.into_iter().chain(providers) {
        for key in section.as_object().unwrap().keys() {
            let forms = [format!("`{key}`"), format!(".{key}`"), format!("`{key}.")];
            if !forms.iter().any(|form| docs.contains(form)) {
                left_out.push(key);
            }
        }
    }
    assert_eq!(left_out, Vec::<&String>::new());
}
