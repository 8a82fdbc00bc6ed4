//! `portcullis.jwt` written wrong: each mistake with exactly what is said of it.

use std::fs;

use super::{
    jwt::{ED25519, one},
    yaml,
};

const PROVIDER: &str = "portcullis.jwt.providers[0]";
const LONG_SECRET: &str = "0123456789abcdef0123456789abcdef";

/// Asserts that `fields` of a provider have these problems, each without the path of the provider.
fn refused(fields: &str, want: &[&str]) {
    let lines: Vec<String> = want
        .iter()
        .map(|line| format!("\n  {PROVIDER}.{line}"))
        .collect();
    let noun = if want.len() == 1 {
        "problem"
    } else {
        "problems"
    };
    let want = format!("{} {noun} in `/config.yaml`{}", want.len(), lines.concat());
    assert_eq!(one(fields).unwrap_err(), want, "{fields}");
}

#[test]
fn wrong_values_of_a_provider_are_refused_each_with_its_rule() {
    for (fields, want) in WRONG_VALUES {
        refused(&format!("jwks_uri: 'https://k', {fields}"), &[want]);
    }
}

const WRONG_VALUES: &[(&str, &str)] = &[
    (
        "audiences: []",
        "audiences: an empty list names no audience\n    hint: leave the key out to accept tokens for anybody",
    ),
    ("audiences: [a, '']", "audiences[1]: is empty"),
    ("audiences: a", "audiences: must be a list, found text"),
    (
        "clock_skew: 11m",
        "clock_skew: `11m` must be from 0ns to 600s",
    ),
    (
        "max_lifetime: 0s",
        "max_lifetime: `0s` must be from 1s to 31622400s",
    ),
    (
        "require_exp: no",
        "require_exp: must be a boolean, found text\n    hint: write `true` or `false`; YAML 1.2 reads other words as text",
    ),
    (
        "required_claims: [7]",
        "required_claims[0]: must be text, found a number",
    ),
    ("typ: ''", "typ: is empty"),
    (
        "on_missing: allow",
        "on_missing: `allow` must be one of `policy`, `deny`",
    ),
    (
        "on_invalid: denny",
        "on_invalid: `denny` must be one of `policy`, `deny`\n    hint: did you mean `deny`?",
    ),
    (
        "wait_for_key: 100ms",
        "wait_for_key: `100ms` must be less than the budget `100ms`",
    ),
    (
        "wait_for_key: 6s",
        "wait_for_key: `6s` must be from 0ns to 5s",
    ),
    (
        "min_refresh: 1ms",
        "min_refresh: `1ms` must be from 10ms to 3600s",
    ),
    (
        "min_refresh: 1m, refresh_interval: 30s",
        "min_refresh: `60s` must be at most `refresh_interval`, `30s`",
    ),
    (
        "refresh_interval: 2h, max_refresh_interval: 1h",
        "refresh_interval: `7200s` must be at most `max_refresh_interval`, `3600s`",
    ),
    (
        "min_refresh: 1m, max_refresh_interval: 30s",
        "min_refresh: `60s` must be at most `max_refresh_interval`, `30s`",
    ),
    (
        "max_stale: 169h",
        "max_stale: `169h` must be from 0ns to 604800s",
    ),
    (
        "connect_timeout: 0s",
        "connect_timeout: `0s` must be from 1ms to 300s",
    ),
    ("timeout: 6m", "timeout: `6m` must be from 1ms to 300s"),
    (
        "max_response_bytes: 1",
        "max_response_bytes: `1` must be an integer from 1024 to 16777216",
    ),
    ("ca_file: ''", "ca_file: the path is empty"),
    (
        "client_cert_file: c",
        "client_key_file: is missing: `client_cert_file` is of no use alone",
    ),
    (
        "client_key_file: k",
        "client_cert_file: is missing: `client_key_file` is of no use alone",
    ),
    (
        "audience: a",
        "audience: unknown key\n    hint: did you mean `audiences`?",
    ),
];

#[test]
fn wrong_algorithms_are_refused() {
    let none = "`none` is no signature: anybody could make such a token\n    hint: remove it; it is never accepted";
    for (algorithms, want) in [
        ("[]", "algorithms: an empty list accepts no token".to_owned()),
        ("[none]", format!("algorithms[0]: {none}")),
        ("[ES256, NoNe]", format!("algorithms[1]: {none}")),
        ("[rs256]", "algorithms[0]: `rs256` is not an algorithm\n    hint: did you mean `RS256`?".to_owned()),
        ("[RS256, RS256]", "algorithms: `RS256` is given twice".to_owned()),
        (
            "[A]",
            "algorithms[0]: `A` is not an algorithm\n    hint: write one of `RS256`, `RS384`, `RS512`, `PS256`, \
             `PS384`, `PS512`, `ES256`, `ES384`, `ES512`, `EdDSA`, `HS256`, `HS384`, `HS512`"
                .to_owned(),
        ),
    ] {
        let fields = format!("jwks_uri: 'https://k', algorithms: {algorithms}");
        refused(&fields, &[&want]);
    }
}

#[test]
fn a_provider_has_the_keys_of_its_algorithms_and_no_others() {
    let nowhere = "jwks_uri: is missing: nothing says where the keys come from\n    \
                   hint: give one of `jwks_uri`, `jwks_file`, `jwks` and `discovery: true`";
    let no_secret = |name| {
        format!(
            "secret: is missing: `{name}` needs a shared secret\n    hint: give `secret` or `secret_file`"
        )
    };
    let idle_keys = "all `algorithms` use a shared secret and no such keys\n    \
                     hint: list an asymmetric algorithm such as `RS256`, or remove the key";
    let idle_secret = "none of the `algorithms` has a shared secret\n    \
                       hint: list `HS256`, `HS384` or `HS512` in `algorithms`, or remove the secret";
    for (fields, want) in [
        ("clock_skew: 1s", nowhere.to_owned()),
        ("discovery: false", nowhere.to_owned()),
        (
            "jwks_uri: 'https://k', jwks_file: f",
            "jwks_file: `jwks_uri` is given as well; keys come from one place".to_owned(),
        ),
        (
            "jwks_file: f, discovery: true",
            "discovery: `jwks_file` is given as well; keys come from one place".to_owned(),
        ),
        ("algorithms: [HS256, HS384]", no_secret("HS384")),
        (
            "algorithms: [RS256, HS256], jwks_file: f",
            no_secret("HS256"),
        ),
        (
            &format!("algorithms: [RS256, HS256], secret: {LONG_SECRET}"),
            nowhere.to_owned(),
        ),
        (
            &format!("algorithms: [HS256], secret: {LONG_SECRET}, jwks_file: f"),
            format!("jwks_file: {idle_keys}"),
        ),
        (
            &format!("jwks_file: f, secret: {LONG_SECRET}"),
            format!("secret: {idle_secret}"),
        ),
        (
            &format!(
                "algorithms: [HS256], secret: {LONG_SECRET}, secret_file: tests/fixtures/config/hs512.txt"
            ),
            "secret_file: `secret` is given as well; give one of them".to_owned(),
        ),
    ] {
        refused(fields, &[&want]);
    }
}

#[test]
fn a_secret_is_at_least_as_long_as_the_hash() {
    for (fields, want) in [
        (
            "algorithms: [HS256], secret: 0123456789abcdef0123456789abcde",
            "secret: has 31 bytes; `HS256` needs at least 32",
        ),
        (
            &format!("algorithms: [HS512, HS256], secret: {LONG_SECRET}"),
            "secret: has 32 bytes; `HS512` needs at least 64",
        ),
        (
            "algorithms: [HS256], secret_file: /nope/secret",
            "secret_file: cannot read `/nope/secret`: No such file or directory (os error 2)",
        ),
    ] {
        refused(fields, &[want]);
    }
    for fields in [
        format!("algorithms: [HS256], secret: {LONG_SECRET}"),
        "algorithms: [HS512, HS256], secret_file: tests/fixtures/config/hs512.txt".to_owned(),
    ] {
        one(&fields).unwrap();
    }
}

#[test]
fn only_urls_that_can_be_asked_in_safety_are_asked() {
    let no_url = "is not an `http` or `https` URL";
    let user = "holds a user or password, which would be sent in the open and logged";
    for (url, want) in [
        ("", format!("`` {no_url}")),
        ("k", format!("`k` {no_url}")),
        ("/keys", format!("`/keys` {no_url}")),
        ("file:///keys", format!("`file:///keys` {no_url}")),
        ("ftp://k/", format!("`ftp://k/` {no_url}")),
        ("https://", format!("`https://` {no_url}")),
        ("https://a b/", format!("`https://a b/` {no_url}")),
        (" https://k/", format!("` https://k/` {no_url}")),
        ("https:\\\\k", format!("`https:\\\\\\\\k` {no_url}")),
        ("https://u@k/", format!("`https://****@k/` {user}")),
        ("https://u:SECRET@k/", format!("`https://****@k/` {user}")),
        (
            "https://k/#f",
            "`https://k/#f` has a fragment, which is never sent".to_owned(),
        ),
    ] {
        refused(
            &format!("jwks_uri: '{url}'"),
            &[&format!("jwks_uri: {want}")],
        );
    }
    refused("jwks_uri: 7", &["jwks_uri: must be text, found a number"]);
    let hint =
        "discovery asks the issuer at its own URL; give `jwks_uri` for another kind of issuer";
    for (issuer, want) in [
        ("accounts", format!("the issuer `accounts` {no_url}")),
        (
            "https://i/?a=b",
            "the issuer `https://i/?****` has a query".to_owned(),
        ),
        ("https://u@i", format!("the issuer `https://****@i` {user}")),
    ] {
        let text = format!(
            "portcullis: {{jwt: {{providers: [{{name: p, issuer: '{issuer}', discovery: true}}]}}}}"
        );
        assert_eq!(
            yaml(&text).expect_err(issuer),
            format!(
                "1 problem in `/config.yaml`\n  {PROVIDER}.discovery: {want}\n    hint: {hint}"
            )
        );
    }
}

#[test]
fn keys_in_the_file_are_checked_with_it() {
    for (jwks, want) in [
        ("7", "jwks: must be a mapping or JSON text, found a number"),
        (
            "'{'",
            "jwks: the key set is not valid: not a JSON object with unique names",
        ),
        (
            "'{\"keys\": [], \"keys\": []}'",
            "jwks: the key set is not valid: not a JSON object with unique names",
        ),
        ("{}", "jwks: the key set has no list `keys`"),
        ("{keys: []}", "jwks: no key of it can be used"),
    ] {
        refused(&format!("jwks: {jwks}"), &[want]);
    }
    let many = vec![ED25519; 257].join(", ");
    refused(
        &format!("jwks: {{keys: [{many}]}}"),
        &["jwks: the key set has 257 keys; 256 are the most"],
    );
    let problems = one("jwks: {keys: [{kty: oct, k: SECRET, kid: a}]}").unwrap_err();
    let want = "jwks: no key of it can be used\n    hint: key 0 `a`: ";
    assert!(problems.contains(want), "{problems}");
    assert!(!problems.contains("SECRET"), "{problems}");
}

#[test]
fn a_prefix_that_no_value_begins_with_is_refused() {
    let want = "from_headers[0].prefix: finds no token: \
                values have neither a space before them nor a comma";
    for prefix in [" ", " X ", "X, "] {
        let header = format!("{{name: a, prefix: '{prefix}'}}");
        let fields = format!("jwks_uri: 'https://k', from_headers: [{header}]");
        refused(&fields, &[want]);
    }
}

#[test]
fn a_place_is_named_right_and_once() {
    let header = "from_headers[0].name";
    let again = "from_headers[1]: finds the tokens of another entry again";
    let nothing =
        "an empty list finds no token\n    hint: leave the key out to read `Authorization: Bearer`";
    let prefix = "from_headers[0].prefix: must be at most 64 visible ASCII characters";
    for (fields, want) in [
        ("from_headers: [{}]", format!("{header}: is missing")),
        (
            "from_headers: [a]",
            "from_headers[0]: must be a mapping, found text".to_owned(),
        ),
        (
            "from_headers: [{name: ':path'}]",
            format!("{header}: `:path` is not a header's name"),
        ),
        (
            "from_headers: [{name: ''}]",
            format!("{header}: `` is not a header's name"),
        ),
        ("from_headers: [{name: a, prefix: é}]", prefix.to_owned()),
        ("from_headers: [{name: a}, {name: A}]", again.to_owned()),
        (
            "from_headers: [{name: a, prefix: 'X '}, {name: a, prefix: 'x y'}]",
            again.to_owned(),
        ),
        (
            "from_headers: [{name: a, prefix: 'X '}, {name: a}]",
            again.to_owned(),
        ),
        (
            "from_cookies: ['a b']",
            "from_cookies[0]: `a b` is not a cookie's name".to_owned(),
        ),
        (
            "from_cookies: [a, a]",
            "from_cookies: `a` is given twice".to_owned(),
        ),
        (
            "from_params: ['']",
            "from_params[0]: `` is not a parameter's name".to_owned(),
        ),
        (
            "from_params: [a, a]",
            "from_params: `a` is given twice".to_owned(),
        ),
        ("from_headers: []", format!("from_headers: {nothing}")),
        (
            "from_params: [], from_cookies: []",
            format!("from_cookies: {nothing}"),
        ),
    ] {
        refused(&format!("jwks_uri: 'https://k', {fields}"), &[&want]);
    }
    for fields in [
        "from_headers: [{name: a, prefix: 'X '}, {name: a, prefix: 'Y '}]",
        "from_headers: [{name: a}, {name: b}], from_cookies: [a, A], from_params: [a]",
    ] {
        one(&format!("jwks_uri: 'https://k', {fields}")).expect(fields);
    }
}

#[test]
fn names_and_issuers_are_needed_and_belong_to_one_provider() {
    let providers = |text: &str| yaml(&format!("portcullis: {{jwt: {{providers: {text}}}}}"));
    let long = "n".repeat(64);
    let text = format!(
        "[{{name: a/b, issuer: a, jwks_file: f}}, {{name: {long}, issuer: {}, jwks_file: f}}, {{jwks_file: f}}, \
         {{name: x, issuer: i, jwks_file: f}}, {{name: x, issuer: i, jwks_file: f}}, {{name: X, issuer: i/, jwks_file: f}}]",
        "i".repeat(2049)
    );
    let rule = "is not a provider's name\n    hint: write 1 to 63 of the characters A-Z, a-z, 0-9, `.`, `_` and `-`";
    let list = "portcullis.jwt.providers";
    assert_eq!(
        providers(&text).unwrap_err(),
        format!(
            "7 problems in `/config.yaml`\n  \
             {list}[0].name: `a/b` {rule}\n  \
             {list}[1].name: `{long}` {rule}\n  \
             {list}[1].issuer: has more than 2048 bytes\n  \
             {list}[2].name: is missing\n  \
             {list}[2].issuer: is missing\n  \
             {list}[4].name: `x` is another provider's name\n  \
             {list}[4].issuer: `i` is another provider's issuer\n    \
             hint: the issuer selects the provider: put both into one"
        )
    );
    let count = |count: u32| {
        let entry = |at| format!("{{name: p{at}, issuer: i{at}, jwks_file: f}}");
        let entries: Vec<String> = (0..count).map(entry).collect();
        providers(&format!("[{}]", entries.join(", ")))
    };
    assert_eq!(count(64).unwrap().portcullis.jwt.sources.len(), 64);
    assert_eq!(
        count(65).unwrap_err(),
        format!("1 problem in `/config.yaml`\n  {list}: 65 providers; 64 are the most")
    );
}

#[test]
fn wrong_values_beside_the_providers_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let large = folder.path().join("large.yaml");
    fs::write(&large, " ".repeat(1024 * 1024 + 1)).unwrap();
    let large = large.display();
    for (text, want) in [
        ("jwt: {several_tokens: last}", "jwt.several_tokens: `last` must be one of `refuse`, `first`".to_owned()),
        ("jwt: {cache: {max_bytes: 1}}", "jwt.cache.max_bytes: `1` must be an integer from 65536 to 68719476736".to_owned()),
        ("jwt: {cache: {max_entries: -1}}", "jwt.cache.max_entries: `-1` must be an integer from 0 to 10000000".to_owned()),
        ("jwt: {cache: {max_ttl: 25h}}", "jwt.cache.max_ttl: `25h` must be from 1s to 86400s".to_owned()),
        ("jwt: {cache: {failure_ttl: 2m}}", "jwt.cache.failure_ttl: `2m` must be from 10ms to 60s".to_owned()),
        ("jwt: {cache: {max_failure: 1}}", "jwt.cache.max_failure: unknown key\n    hint: did you mean `max_failures`?".to_owned()),
        ("jwt: {provider: []}", "jwt.provider: unknown key\n    hint: did you mean `providers`?".to_owned()),
        ("identity: {xfcc: trust}", "identity.xfcc: `trust` must be one of `ignored`, `trusted`\n    hint: did you mean `trusted`?".to_owned()),
        (
            "jwt: {request_authentication: [/nope.yaml]}",
            "jwt.request_authentication[0]: cannot read `/nope.yaml`: No such file or directory (os error 2)".to_owned(),
        ),
        (
            &format!("jwt: {{request_authentication: ['{large}']}}"),
            format!("jwt.request_authentication[0]: cannot read `{large}`: more than 1048576 bytes"),
        ),
    ] {
        assert_eq!(
            yaml(&format!("portcullis: {{{text}}}")).expect_err(text),
            format!("1 problem in `/config.yaml`\n  portcullis.{want}")
        );
    }
}
