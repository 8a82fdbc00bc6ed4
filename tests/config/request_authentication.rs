//! `portcullis.jwt.request_authentication`: providers from Istio's own resources.

use std::{fs, time::Duration};

use portcullis::{
    config::{Config, Jwt},
    identity::jwt::{Location, Provider},
    sources::jwks::{Http, Kind, Source},
};

use super::{
    jwt::{ED25519, header, key_set, uri, usual, usual_source},
    yaml,
};

/// The configuration that names one file with this text; the file's folder is left out of problems
/// and warnings.
fn import(text: &str) -> Result<Config, String> {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("auth.yaml");
    fs::write(&file, text).unwrap();
    let place = format!("{}/", folder.path().display());
    let file = file.display();
    let config = yaml(&format!(
        "portcullis: {{jwt: {{request_authentication: ['{file}']}}}}"
    ));
    let without_folder = |text: String| text.replace(&place, "");
    let mut config = config.map_err(without_folder)?;
    for warning in &mut config.warnings {
        *warning = without_folder(std::mem::take(warning));
    }
    Ok(config)
}

fn resource(spec: &str) -> String {
    format!(
        "apiVersion: security.istio.io/v1\nkind: RequestAuthentication\n\
         metadata: {{name: jwt, namespace: shop, labels: {{a: b}}}}\nspec: {spec}\n"
    )
}

fn rule(fields: &str) -> Result<Config, String> {
    import(&resource(&format!("{{jwtRules: [{{{fields}}}]}}")))
}

/// As an imported provider is when its rule says nothing else.
fn imported(name: &str, issuer: &str) -> Provider {
    Provider {
        locations: vec![
            header("authorization", "Bearer "),
            Location::Param("access_token".into()),
        ],
        space_delimited_claims: ["scope".to_owned(), "permission".to_owned()].into(),
        ..usual(name, issuer)
    }
}

fn names(config: &Config) -> Vec<&str> {
    let providers = &config.portcullis.jwt.verifier.providers;
    providers.iter().map(|provider| &*provider.name).collect()
}

#[test]
fn the_example_of_istio_becomes_a_provider() {
    let config = import(
        "apiVersion: security.istio.io/v1\n\
         kind: RequestAuthentication\n\
         metadata:\n  name: \"jwt-example\"\n  namespace: foo\n\
         spec:\n  selector:\n    matchLabels:\n      app: httpbin\n  jwtRules:\n  \
         - issuer: \"testing@secure.istio.io\"\n    \
         jwksUri: \"https://raw.githubusercontent.com/istio/istio/release-1.30/security/tools/jwt/samples/jwks.json\"\n",
    )
    .unwrap();
    let jwks = "https://raw.githubusercontent.com/istio/istio/release-1.30/security/tools/jwt/samples/jwks.json";
    let Jwt { verifier, sources } = config.portcullis.jwt;
    assert_eq!(
        verifier.providers,
        [imported("foo.jwt-example.0", "testing@secure.istio.io")]
    );
    assert_eq!(sources, [usual_source(uri(jwks))]);
    assert_eq!(
        config.warnings,
        ["`auth.yaml`: `spec.selector` has no effect: all rules of the file apply here"]
    );
}

#[test]
fn every_field_of_a_rule_arrives_where_it_belongs() {
    let config = rule(
        "issuer: 'https://i', audiences: [a, b], jwks_uri: 'https://k', timeout: 3s, \
         fromHeaders: [{name: X-Goog-IAP-JWT-Assertion}, {name: Authorization, prefix: JWT}], \
         fromCookies: [c], fromParams: [p], forwardOriginalToken: false, outputPayloadToHeader: x-p, \
         outputClaimToHeaders: [{header: x-sub, claim: sub}], spaceDelimitedClaims: [roles, scope]",
    )
    .unwrap();
    let provider = Provider {
        audiences: vec!["a".to_owned(), "b".to_owned()],
        locations: vec![
            header("x-goog-iap-jwt-assertion", ""),
            header("authorization", "JWT "),
            Location::Cookie("c".into()),
            Location::Param("p".into()),
        ],
        space_delimited_claims: ["roles", "scope", "permission"].map(str::to_owned).into(),
        ..usual("shop.jwt.0", "https://i")
    };
    let source = usual_source(uri("https://k"));
    let http = Http {
        timeout: Duration::from_secs(3),
        ..source.http.clone()
    };
    let Jwt { verifier, sources } = config.portcullis.jwt;
    assert_eq!(verifier.providers, [provider]);
    assert_eq!(sources, [Source { http, ..source }]);
    assert_eq!(config.warnings, Vec::<String>::new());
}

#[test]
fn keys_come_from_where_istio_takes_them() {
    let source = |fields: &str| rule(fields).unwrap().portcullis.jwt.sources;
    let issuer = "https://i".into();
    let discovery = usual_source(Kind::Discovery { issuer });
    assert_eq!(
        source("issuer: 'https://i'"),
        std::slice::from_ref(&discovery)
    );
    assert_eq!(
        source("issuer: 'https://i', jwksUri: '', jwks: ''"),
        [discovery]
    );
    let inline = format!("issuer: i, jwks: '{{\"keys\": [{ED25519}]}}'");
    assert_eq!(source(&inline), [usual_source(key_set())]);
    assert_eq!(
        rule("issuer: i, jwksUri: 'http://k'").unwrap().warnings,
        [
            "`auth.yaml`: `spec.jwtRules[0].jwksUri` fetches keys over plain http: who can change them \
          on the way can sign tokens, unless the mesh protects that way"
        ]
    );
}

#[test]
fn every_resource_of_a_file_is_read_and_every_other_kind_left_out() {
    let one = resource(
        "{jwtRules: [{issuer: a, jwksUri: 'https://a'}, {issuer: b, jwksUri: 'https://b'}]}",
    );
    let two = resource("{jwtRules: [{issuer: c, jwksUri: 'https://c'}]}").replace("jwt,", "more,");
    let other = "apiVersion: security.istio.io/v1\nkind: AuthorizationPolicy\nspec: {anything: [at, all]}\n";
    let config = import(&format!("---\n{one}---\n---\n{other}---\n{two}")).unwrap();
    assert_eq!(names(&config), ["shop.jwt.0", "shop.jwt.1", "shop.more.0"]);
    assert_eq!(
        config.warnings,
        ["`auth.yaml`: only RequestAuthentication is read, not `AuthorizationPolicy`"]
    );
    let list = format!(
        "apiVersion: v1\nkind: List\nitems:\n- {}",
        one.trim_end().replace('\n', "\n  ")
    );
    assert_eq!(names(&import(&list).unwrap()), ["shop.jwt.0", "shop.jwt.1"]);
}

#[test]
fn bare_rules_are_named_after_their_file() {
    let config = import("jwtRules:\n- {issuer: a, jwksUri: 'https://a'}\n").unwrap();
    assert_eq!(names(&config), ["auth.0"]);
    let text = resource("{jwtRules: [{issuer: a, jwksUri: 'https://a'}]}");
    let without = |from: &str| text.replace(from, "");
    for (text, want) in [
        (without("namespace: shop, "), "jwt.0".to_owned()),
        (without("name: jwt, "), "shop.0".to_owned()),
        (
            without("metadata: {name: jwt, namespace: shop, labels: {a: b}}\n"),
            "auth.0".to_owned(),
        ),
        (
            text.replace("name: jwt", "name: a/b"),
            "shop.a-b.0".to_owned(),
        ),
        (
            text.replace("name: jwt", &format!("name: {}", "n".repeat(70))),
            format!("shop.{}.0", "n".repeat(56)),
        ),
    ] {
        assert_eq!(names(&import(&text).unwrap()), [want]);
    }
}

#[test]
fn mistakes_are_named_with_their_file_and_place() {
    let discovery =
        "discovery asks the issuer at its own URL; give `jwks_uri` for another kind of issuer";
    let at = "auth.yaml: spec.jwtRules[0]";
    for (fields, want) in [
        ("jwksUri: 'https://k'", format!("{at}.issuer: is missing")),
        ("issuer: ''", format!("{at}.issuer: is empty")),
        (
            "issuer: testing@secure.istio.io",
            format!(
                "{at}.issuer: the issuer `testing@secure.istio.io` is not an `http` or `https` URL\n    hint: {discovery}"
            ),
        ),
        (
            "issuer: i, jwksUri: k",
            format!("{at}.jwksUri: `k` is not an `http` or `https` URL"),
        ),
        (
            "issuer: i, jwksUri: 'https://k', jwks: '{}'",
            format!("{at}.jwks: `jwksUri` is given as well; keys come from one place"),
        ),
        (
            "issuer: i, jwks: '{}'",
            format!("{at}.jwks: the key set has no list `keys`"),
        ),
        (
            "issuer: 'https://i', fromHeader: []",
            format!("{at}.fromHeader: unknown key\n    hint: did you mean `fromHeaders`?"),
        ),
        (
            "issuer: 'https://i', fromHeaders: [{prefix: a}]",
            format!("{at}.fromHeaders[0].name: is missing"),
        ),
        (
            "issuer: 'https://i', timeout: 5",
            format!(
                "{at}.timeout: must be a time span, found a number\n    hint: write it with its unit, such as `100ms` or `1.5s`"
            ),
        ),
        (
            "issuer: 'https://i'}, {issuer: 'https://i'",
            "auth.yaml: spec.jwtRules[1].issuer: `https://i` is another provider's issuer\n    \
             hint: the issuer selects the provider: put both into one"
                .to_owned(),
        ),
    ] {
        let want = format!("1 problem in `/config.yaml`\n  {want}");
        assert_eq!(rule(fields).expect_err(fields), want, "{fields}");
    }
}

#[test]
fn a_file_that_holds_no_rules_is_refused() {
    let at = "portcullis.jwt.request_authentication[0]";
    let good = resource("{jwtRules: [{issuer: 'https://i'}]}");
    let version = "is not a version that is known\n    \
                   hint: write one of `security.istio.io/v1`, `security.istio.io/v1beta1`";
    for (text, want) in [
        (
            String::new(),
            format!("{at}: `auth.yaml` holds no RequestAuthentication"),
        ),
        (
            "kind: Service\n".to_owned(),
            format!("{at}: `auth.yaml` holds no RequestAuthentication"),
        ),
        (
            "a: b\n".to_owned(),
            "auth.yaml: jwtRules: is missing\n  auth.yaml: a: unknown key".to_owned(),
        ),
        (
            "[a]\n".to_owned(),
            "auth.yaml: must be a mapping, found a list".to_owned(),
        ),
        (
            "jwtRules: {}\n".to_owned(),
            "auth.yaml: jwtRules: must be a list, found a mapping".to_owned(),
        ),
        (
            good.replace("istio.io/v1", "istio.io/v1alpha1"),
            format!("auth.yaml: apiVersion: `security.istio.io/v1alpha1` {version}"),
        ),
        (
            format!(
                "{good}---\n{}",
                good.replace("jwtRules", "rules")
                    .replace("name: jwt", "name: x")
            ),
            "auth.yaml: document 2: spec.rules: unknown key\n    hint: did you mean `jwtRules`?"
                .to_owned(),
        ),
    ] {
        let problems = import(&text).expect_err(&text);
        let (_, problems) = problems.split_once("\n  ").unwrap();
        assert_eq!(problems, want, "{text}");
    }
    let problems = import("a: [").unwrap_err();
    assert!(
        problems.contains(&format!("{at}: `auth.yaml`: not valid YAML: ")),
        "{problems}"
    );
    let bomb = super::yaml_bomb();
    for text in [
        bomb,
        format!("a: 1\n---\na: {}1{}", "[".repeat(100), "]".repeat(100)),
    ] {
        let problems = import(&text).unwrap_err();
        assert!(problems.contains(at), "{problems}");
    }
}

#[test]
fn one_issuer_is_not_both_imported_and_configured() {
    let file = "tests/fixtures/config/request-authentication.yaml";
    let text = |issuer: &str, name: &str| {
        yaml(&format!(
            "portcullis: {{jwt: {{providers: [{{name: {name}, issuer: '{issuer}', jwks_file: f}}], \
             request_authentication: [{file}]}}}}"
        ))
    };
    assert_eq!(names(&text("i", "a").unwrap()), ["a", "foo.jwt-example.0"]);
    let problems = text("testing@secure.istio.io", "a").unwrap_err();
    assert!(
        problems.contains(&format!(
            "{file}: spec.jwtRules[0].issuer: `testing@secure.istio.io` is another"
        )),
        "{problems}"
    );
    assert!(text("i", "foo.jwt-example.0").is_err());
}
