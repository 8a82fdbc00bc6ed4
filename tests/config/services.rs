//! `services`: each form that is read, and each mistake with what is said of it.

use std::{fmt::Write as _, fs, time::Duration};

use portcullis::{
    redact::Secret,
    services::{
        AwsCredentials, ClientCredentials, ClientTls, ContainerMetadata, Credentials, S3Signing,
        Service, Tls, Token,
    },
};

use super::{load_file, yaml};

/// What `everything.yaml` has, in the order of the names.
pub(super) fn every_service() -> Vec<Service> {
    vec![
        Service {
            response_header_timeout: Duration::from_secs(5),
            headers: [("x-tenant".to_owned(), secret("shop"))].into(),
            tls: Tls {
                ca_cert: Some("/bundles/ca.crt".into()),
                system_ca_required: true,
                insecure: false,
            },
            credentials: Credentials::Bearer {
                token: Token::Given(secret("t0ken")),
                scheme: "Token".to_owned(),
            },
            ..plain("acmecorp", "https://bundles.example.com/opa")
        },
        Service {
            credentials: Credentials::S3Signing(S3Signing {
                service: "s3".to_owned(),
                from: every_aws_key(),
            }),
            ..plain("bucket", "s3://policies/prod")
        },
        Service {
            credentials: Credentials::Bearer {
                token: Token::File("/bundles/token".into()),
                scheme: "Bearer".to_owned(),
            },
            ..plain("fresh", "https://bundles.example.com")
        },
        Service {
            credentials: Credentials::ClientTls(ClientTls {
                cert: "/bundles/tls.crt".into(),
                private_key: "/bundles/tls.key".into(),
            }),
            ..plain("mutual", "https://mutual.example.com")
        },
        Service {
            credentials: Credentials::OAuth2(ClientCredentials {
                token_url: "https://id.example.com/token".parse().unwrap(),
                client_id: "portcullis".to_owned(),
                client_secret: secret("t0ken"),
                scopes: vec!["bundles".to_owned(), "status".to_owned()],
                additional_headers: [("x-realm".to_owned(), secret("shop"))].into(),
                additional_parameters: [("audience".to_owned(), secret("bundles"))].into(),
            }),
            ..plain("oauth", "https://oauth.example.com")
        },
        Service {
            oci: true,
            ..plain("registry", "https://registry.example.com")
        },
    ]
}

fn every_aws_key() -> Vec<AwsCredentials> {
    vec![
        AwsCredentials::Environment {
            access_key_id: "AKIA".to_owned(),
            secret_access_key: secret("t0ken"),
            session_token: None,
            region: "eu-north-1".to_owned(),
        },
        AwsCredentials::WebIdentity {
            region: "eu-west-1".to_owned(),
            role_arn: "arn:gate".to_owned(),
            token_file: "/aws/token".into(),
            session_name: "gate".to_owned(),
        },
        AwsCredentials::Metadata {
            region: "eu-central-1".to_owned(),
            iam_role: Some("gate".to_owned()),
        },
    ]
}

fn plain(name: &str, url: &str) -> Service {
    Service {
        name: name.into(),
        url: url.parse().unwrap(),
        oci: false,
        response_header_timeout: Duration::from_secs(10),
        headers: [].into(),
        tls: Tls::default(),
        credentials: Credentials::None,
    }
}

fn secret(text: &str) -> Secret<String> {
    Secret::new(text.to_owned())
}

/// Each text with the problems that it has.
pub(super) fn problems_of(texts: &[&str]) -> String {
    let mut said = String::new();
    for text in texts {
        let problems = yaml(text).unwrap_err();
        let problems = problems.split_once('\n').unwrap().1;
        writeln!(said, "{text}\n{problems}\n").unwrap();
    }
    said
}

#[test]
fn a_list_and_a_mapping_are_the_same_services() {
    let list = yaml("services: [{name: a, url: 'https://x'}, {name: b, url: 'gs://y'}]").unwrap();
    let mapping = yaml("services: {a: {url: 'https://x'}, b: {name: b, url: 'gs://y'}}").unwrap();
    assert_eq!(list.services, mapping.services);
    assert_eq!(*list.services[0], plain("a", "https://x"));
    assert_eq!(*list.services[1], plain("b", "gs://y"));
}

#[test]
fn what_can_be_read_or_changed_on_the_way_is_named_in_a_warning() {
    for (service, warned) in [
        ("url: 'http://bundles'", true),
        ("url: 'http://10.0.0.1'", true),
        ("url: 'http://localhost.example.com'", true),
        ("url: 'https://bundles'", false),
        ("url: 'http://localhost:8181'", false),
        ("url: 'http://127.0.0.1:8181'", false),
        ("url: 'http://[::1]:8181'", false),
        ("url: 'https://bundles', allow_insecure_tls: true", true),
    ] {
        let config = yaml(&format!("services: {{a: {{{service}}}}}")).unwrap();
        assert_eq!(!config.warnings.is_empty(), warned, "{service}");
        assert!(
            config
                .warnings
                .iter()
                .all(|text| text.starts_with("`services.a."))
        );
    }
}

#[test]
fn aws_keys_are_those_that_the_environment_has() {
    let load = |ways: &str, env: &[(&str, &str)]| {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("config.yaml");
        let signing = format!("{{s3_signing: {{{ways}}}}}");
        let text = format!("services: {{a: {{url: 's3://b', credentials: {signing}}}}}");
        fs::write(&file, text).unwrap();
        let config = load_file(&file, env).map_err(|error| error.to_string())?;
        Ok::<_, String>(config.services[0].credentials.clone())
    };
    let sources = |credentials| match credentials {
        Ok(Credentials::S3Signing(signing)) => signing.from.len(),
        other => panic!("{other:?}"),
    };
    let keys = [("AWS_ACCESS_KEY_ID", "a"), ("AWS_SECRET_ACCESS_KEY", "s")];
    let region = ("AWS_REGION", "r");
    let first = "environment_credentials: {}";
    let both = "environment_credentials: {}, metadata_credentials: {iam_role: r}";
    assert_eq!(sources(load(first, &[keys[0], keys[1], region])), 1);
    assert_eq!(sources(load(both, &[keys[0], keys[1], region])), 2);
    assert_eq!(sources(load(both, &[keys[0], region])), 1);
    for env in [&[keys[0], keys[1]][..], &[keys[0], region], &[]] {
        let problems = load(first, env).unwrap_err();
        assert!(problems.contains("is not set"), "{problems}");
    }
    assert!(load(both, &keys).unwrap_err().contains("aws_region"));
}

#[test]
fn a_container_asks_its_own_metadata_service_unless_a_role_is_named() {
    let from = |way: &str, env: &[(&str, &str)]| {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("config.yaml");
        let text = format!(
            "services: {{a: {{url: 's3://b', credentials: {{s3_signing: {{metadata_credentials: {way}}}}}}}}}"
        );
        fs::write(&file, text).unwrap();
        let config = load_file(&file, env).unwrap();
        let Credentials::S3Signing(signing) = &config.services[0].credentials else {
            panic!("{:?}", config.services[0].credentials);
        };
        signing.from[0].clone()
    };
    let (plain, role) = ("{aws_region: r}", "{aws_region: r, iam_role: x}");
    let task = [("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", "/v2/c")];
    let pod = [
        (
            "AWS_CONTAINER_CREDENTIALS_FULL_URI",
            "http://169.254.170.23/v1",
        ),
        ("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", "/token"),
    ];
    let container = |at| AwsCredentials::Container {
        region: "r".to_owned(),
        at,
    };
    let of_task = ContainerMetadata::Task("/v2/c".to_owned());
    assert_eq!(from(plain, &task), container(of_task));
    let of_pod = ContainerMetadata::Pod {
        url: pod[0].1.to_owned(),
        token_file: "/token".into(),
    };
    assert_eq!(from(plain, &pod), container(of_pod));
    for (way, env) in [(role, &task[..]), (plain, &pod[..1]), (plain, &[])] {
        assert!(matches!(from(way, env), AwsCredentials::Metadata { .. }));
    }
}

#[test]
fn a_bucket_says_where_it_is_in_its_url_and_a_server_does_not() {
    for url in [
        "s3://policies/prod?endpoint=http://127.0.0.1:9000&region=eu-west-1",
        "abfss://policies@account.dfs.core.windows.net/prod",
    ] {
        yaml(&format!("services: {{a: {{url: '{url}'}}}}")).unwrap();
    }
    for url in [
        "https://policies/prod?endpoint=x",
        "https://policies@account/prod",
        "s3://key:secret@policies",
        "s3://key@policies",
    ] {
        let problems = yaml(&format!("services: {{a: {{url: '{url}'}}}}")).unwrap_err();
        assert!(problems.contains("services.a.url"), "{problems}");
    }
}

#[test]
fn every_mistake_in_a_service_is_said_with_its_rule() {
    insta::assert_snapshot!(problems_of(MISTAKES));
}

const MISTAKES: &[&str] = &[
    "services: x",
    "services: {a: x}",
    "services: [x]",
    "services: [{url: 'https://x'}]",
    "services: [{name: a, url: 'https://x'}, {name: a, url: 'https://y'}]",
    "services: {a: {name: b, url: 'https://x'}}",
    "services: {a: {}}",
    "services: {a: {url: bundles.example.com}}",
    "services: {a: {url: '/bundles'}}",
    "services: {a: {url: 'ftp://x'}}",
    "services: {a: {url: 'file:///x'}}",
    "services: {a: {url: 's3:///path'}}",
    "services: {a: {url: 'https://u:p@x'}}",
    "services: {a: {url: 'https://x?sig=y'}}",
    "services: {a: {url: 'https://x', type: git}}",
    "services: {a: {url: 's3://x', type: oci}}",
    "services: {a: {url: 'https://x', response_header_timeout_seconds: -1}}",
    "services: {a: {url: 'https://x', headers: {'a b': c, d: \"e\\nf\", g: 1}}}",
    "services: {a: {url: 'https://x', tls: {ca_crt: y}}}",
    "services: {a: {url: 'https://x', credentials: {bearer: {}}}}",
    "services: {a: {url: 'https://x', credentials: {bearer: {token: ''}}}}",
    "services: {a: {url: 'https://x', credentials: {bearer: {token: a, token_path: b, scheme: 'c d'}}}}",
    "services: {a: {url: 'https://x', credentials: {bearer: {token: a}, client_tls: {cert: a, private_key: b}}}}",
    "services: {a: {url: 'https://x', credentials: {client_tls: {cert: a, private_key_passphrase: b}}}}",
    "services: {a: {url: 'https://x', credentials: {oauth2: {}}}}",
    "services: {a: {url: 'https://x', credentials: {oauth2: {grant_type: jwt_bearer, signing_key: k, token_url: 'http://x', client_id: c, client_secret: s}}}}",
    "services: {a: {url: 'https://x', credentials: {oauth2: {token_url: 'https://x?y', client_id: c, client_secret: s, additional_parameters: {scope: x, a: [b]}}}}}",
    "services: {a: {url: 's3://x', credentials: {s3_signing: {}}}}",
    "services: {a: {url: 's3://x', credentials: {s3_signing: {profile_credentials: {}, signature_version: 4a, metadata_credentials: {}}}}}",
    "services: {a: {url: 's3://x', credentials: {s3_signing: {environment_credentials: {}, web_identity_credentials: {}}}}}",
    "services: {a: {url: 'https://x', credentials: {gcp_metadata: {}, azure_managed_identity: {}, plugin: p}}}",
];
