//! `bundles`, `bundle`, `keys`, `status` and `portcullis.bundles`: what they come to, and each mistake
//! with what is said of it.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use portcullis::{
    config::{Bundles, Config, LimitWishes, Wishes},
    policy::bundle::{Key, Limits, RevisionOrder, Verification, Verifier},
    services::Service,
    sources::bundles::{Kind, MaxAge, Polling, Source},
};

use super::{services::problems_of, yaml};

pub(super) const ES256: &str = "-----BEGIN PUBLIC KEY-----\n\
    MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAE6oyVXDolk7I+dFUCTQTgl0naojVA\n\
    1kYBjMTTqdeJ+tROkxpS+p68Z4l1YG9kjGXk+//pShpYiq2Zf8dFQTnP5g==\n\
    -----END PUBLIC KEY-----\n";

/// What `portcullis.bundles` of `everything.yaml` has.
pub(super) fn every_wish() -> Bundles {
    let authz = Wishes {
        require_signature: Some(true),
        run_tests: Some(false),
        max_age: Some(Duration::from_mins(1)),
        unready_when_old: Some(true),
        monotonic: Some(RevisionOrder::Semver),
        limits: LimitWishes {
            archive_bytes: Some(4096),
            unpacked_bytes: Some(8192),
            file_bytes: Some(2048),
            entries: Some(7),
            module_bytes: Some(1024),
            data_bytes: Some(16_384),
        },
    };
    Bundles {
        all: Wishes {
            require_signature: Some(true),
            run_tests: Some(true),
            max_age: Some(Duration::from_mins(10)),
            unready_when_old: Some(false),
            monotonic: None,
            limits: LimitWishes {
                archive_bytes: Some(50_000_000),
                unpacked_bytes: Some(400_000_000),
                file_bytes: Some(200_000_000),
                entries: Some(500),
                module_bytes: Some(3_000_000),
                data_bytes: Some(900_000_000),
            },
        },
        named: [("authz".to_owned(), authz)].into(),
    }
}

/// What `bundles` of `everything.yaml` come to.
pub(super) fn every_bundle(config: &Config) -> Vec<Source> {
    let limits = Limits {
        archive_bytes: 50_000_000,
        unpacked_bytes: 400_000_000,
        file_bytes: 200_000_000,
        entries: 500,
        module_bytes: 3_000_000,
        data_bytes: 900_000_000,
    };
    let of_all = |name: &str, kind| Source {
        name: name.into(),
        kind,
        polling: Polling::default(),
        manual: false,
        persist: None,
        limits,
        verification: signed(None, None, &[]),
        monotonic: None,
        run_tests: true,
        max_age: Some(MaxAge {
            age: Duration::from_mins(10),
            unready: false,
        }),
    };
    vec![
        authz(of_all(
            "authz",
            Kind::File("/policies/bundle.tar.gz".into()),
        )),
        of_all(
            "images",
            Kind::Oci {
                service: service(config, "registry"),
                reference: "registry.example.com/policies/authz:v1".to_owned(),
            },
        ),
        Source {
            limits: Limits {
                file_bytes: 2_000_000,
                ..limits
            },
            ..of_all(
                "objects",
                Kind::Object {
                    service: service(config, "bucket"),
                    resource: "authz.tar.gz".to_owned(),
                },
            )
        },
        shop(of_all(
            "shop",
            Kind::Http {
                service: service(config, "acmecorp"),
                resource: "shop/bundle.tar.gz".to_owned(),
            },
        )),
    ]
}

/// What OPA's keys say of this one.
fn shop(of_all: Source) -> Source {
    Source {
        polling: Polling {
            min_delay: Duration::from_secs(10),
            max_delay: Duration::from_secs(20),
            long_polling_timeout: Some(Duration::from_secs(30)),
        },
        manual: true,
        persist: Some("/var/lib/portcullis".into()),
        limits: Limits {
            file_bytes: 1_000_000,
            ..of_all.limits
        },
        verification: signed(Some("release"), Some("shop"), &["README.md"]),
        ..of_all
    }
}

/// What `named` says of this one.
fn authz(of_all: Source) -> Source {
    Source {
        limits: Limits {
            archive_bytes: 4096,
            unpacked_bytes: 8192,
            file_bytes: 2048,
            entries: 7,
            module_bytes: 1024,
            data_bytes: 16_384,
        },
        monotonic: Some(RevisionOrder::Semver),
        run_tests: false,
        max_age: Some(MaxAge {
            age: Duration::from_mins(1),
            unready: true,
        }),
        ..of_all
    }
}

pub(super) fn signed(
    key_id: Option<&str>,
    scope: Option<&str>,
    excluded: &[&str],
) -> Arc<Verification> {
    let key = Key::from_config(ES256, Some("ES256"), Some("release")).unwrap();
    let keys = BTreeMap::from([("release".to_owned(), key)]);
    let excluded: Vec<String> = excluded.iter().map(|&text| text.to_owned()).collect();
    let [key_id, scope] = [key_id, scope].map(|text| text.map(str::to_owned));
    let verifier = Verifier::new(keys, key_id, scope, &excluded).unwrap();
    Arc::new(Verification::Signed(verifier))
}

pub(super) fn service(config: &Config, name: &str) -> Arc<Service> {
    let named = |service: &&Arc<Service>| *service.name == *name;
    Arc::clone(config.services.iter().find(named).unwrap())
}

fn http(config: &Config) -> Vec<(&str, &str, &str)> {
    config
        .bundles
        .iter()
        .filter_map(|source| match &source.kind {
            Kind::Http { service, resource } => {
                Some((&*source.name, &*service.name, resource.as_str()))
            }
            Kind::File(_) | Kind::Oci { .. } | Kind::Object { .. } => None,
        })
        .collect()
}

#[test]
fn what_a_bundle_leaves_out_is_as_in_opa() {
    let config = yaml("services: {s: {url: 'https://x'}}\nbundles: {a: {}, b/c: {}}").unwrap();
    let want = [("a", "s", "bundles/a"), ("b/c", "s", "bundles/b/c")];
    assert_eq!(http(&config), want);
    let bundle = &config.bundles[0];
    assert_eq!(bundle.polling.min_delay, Duration::from_mins(1));
    assert_eq!(bundle.polling.max_delay, Duration::from_mins(2));
    assert_eq!(bundle.polling.long_polling_timeout, None);
    assert_eq!(*bundle.verification, Verification::None);
    assert_eq!(bundle.limits, Limits::default());
    assert!(!bundle.manual && bundle.persist.is_none() && bundle.max_age.is_none());
    let kept = yaml("bundles: {a: {resource: 'file://x', persist: true}}").unwrap();
    assert_eq!(kept.bundles[0].persist, Some(".opa".into()));
}

#[test]
fn the_default_service_is_the_first_of_a_list_and_the_only_one_of_a_mapping() {
    let list = yaml(
        "services: [{name: z, url: 'https://z'}, {name: a, url: 'https://a'}]\nbundles: {b: {}}",
    )
    .unwrap();
    assert_eq!(http(&list), [("b", "z", "bundles/b")]);
    let mapping = "services: {z: {url: 'https://z'}, a: {url: 'https://a'}}\nbundles: {b: {}}";
    assert!(yaml(mapping).unwrap_err().contains("more than one"));
    let named = mapping.replace("{b: {}}", "{b: {service: a}}");
    assert_eq!(http(&yaml(&named).unwrap()), [("b", "a", "bundles/b")]);
}

#[test]
fn the_old_section_is_a_bundle_with_a_prefix() {
    for (bundle, resource) in [
        ("name: x", "bundles/x"),
        ("name: x, prefix: ''", "x"),
        ("name: x, prefix: /p/", "p/x"),
        ("name: x/y.tar.gz, prefix: p", "p/x/y.tar.gz"),
    ] {
        let text = format!("services: {{s: {{url: 'https://x'}}}}\nbundle: {{{bundle}}}");
        let config = yaml(&text).unwrap();
        assert_eq!(http(&config)[0].2, resource, "{bundle}");
        assert!(
            config
                .warnings
                .iter()
                .any(|text| text.contains("deprecated"))
        );
    }
}

#[test]
fn one_key_makes_every_bundle_prove_itself() {
    let key = "keys: {k: {key: secret, algorithm: HS256}}\n";
    let bundles =
        "bundles: {a: {resource: 'file://a'}, b: {resource: 'file://b', signing: {keyid: k}}}";
    let is_signed = |source: &Source| matches!(*source.verification, Verification::Signed(_));
    let config = yaml(&format!("{key}{bundles}")).unwrap();
    assert!(config.bundles.iter().all(is_signed));
    let config = yaml("bundles: {a: {resource: 'file://a'}}").unwrap();
    assert!(!config.bundles.iter().any(is_signed));
}

#[test]
fn a_private_key_alone_verifies_nothing_and_lets_no_bundle_in() {
    let keys = "keys: {k: {private_key: s3cret}}\n";
    let config = yaml(keys).unwrap();
    let told = |text: &String| text.contains("`keys.k.private_key`") && !text.contains("s3cret");
    assert!(config.warnings.iter().any(told), "{:?}", config.warnings);
    let bundle = "bundles: {a: {resource: 'file://a'}}\n";
    for section in [bundle, "discovery: {resource: 'file://d'}\n"] {
        let problems = yaml(&format!("{section}{keys}")).unwrap_err();
        assert!(problems.contains("none of them verifies"), "{problems}");
    }
    let both = "keys: {k: {private_key: s3cret}, l: {key: x, algorithm: HS256}}\n";
    let config = yaml(&format!("{bundle}{both}")).unwrap();
    let verification = &*config.bundles[0].verification;
    assert!(matches!(verification, Verification::Signed(_)));
    yaml(&format!("{bundle}keys: {{k: {{}}}}")).unwrap_err();
}

#[test]
fn a_discovered_bundle_may_have_wishes_before_it_is_known() {
    let wishes = "portcullis: {bundles: {named: {later: {max_age: 1m}}}}\n";
    assert!(
        yaml(wishes)
            .unwrap_err()
            .contains("no bundle has this name")
    );
    yaml(&format!("{wishes}discovery: {{resource: 'file://d'}}")).unwrap();
    yaml(&format!(
        "{wishes}bundles: {{later: {{resource: 'file://l'}}}}"
    ))
    .unwrap();
}

#[test]
fn the_trigger_of_discovery_is_that_of_all() {
    let manual = |trigger: &str| {
        let text = format!(
            "bundles: {{a: {{resource: 'file://a'{trigger}}}}}\n\
             discovery: {{resource: 'file://d', trigger: manual}}"
        );
        yaml(&text).unwrap().bundles[0].manual
    };
    assert!(manual(""));
    assert!(!manual(", trigger: periodic"));
}

#[test]
fn reports_go_where_opa_sends_them() {
    let services = "services: {s: {url: 'https://x'}}\n";
    let status = |text: &str| {
        let config = yaml(&format!("{services}status: {text}")).unwrap();
        let options = config.status?;
        let service = options.service.map(|service| service.name.to_string());
        Some((service, options.console, options.partition))
    };
    let to = |service: Option<&str>, console, partition: &str| {
        Some((service.map(str::to_owned), console, partition.to_owned()))
    };
    for (text, want) in [
        ("{}", to(Some("s"), false, "")),
        ("{console: true}", to(None, true, "")),
        ("{console: true, service: s}", to(Some("s"), true, "")),
        ("{partition_name: /a/b/}", to(Some("s"), false, "a/b")),
        ("{prometheus: true}", to(None, false, "")),
        ("{trigger: manual}", None),
        (
            "{trigger: manual, console: true, service: s}",
            to(None, true, ""),
        ),
        ("", None),
    ] {
        assert_eq!(status(text), want, "{text}");
    }
    assert_eq!(yaml("status: {}").unwrap().status, None);
}

#[test]
fn every_mistake_about_a_bundle_is_said_with_its_rule() {
    insta::assert_snapshot!(problems_of(MISTAKES));
}

const MISTAKES: &[&str] = &[
    "bundles: [a]",
    "bundles: {a: text}",
    "bundles: {a: {}}",
    "bundles: {a: {resource: 'https://x/b.tar.gz'}}",
    "bundles: {a: {resource: 'file://'}}",
    "bundles: {a: {service: x, resource: b}}\nservices: {s: {url: 'https://x'}}",
    "bundles: {a: {service: x}}\nservices: {s: {url: 'https://x'}, t: {url: x}}",
    "bundles: {a: {service: t}}\nservices: {t: {url: x}}",
    "bundles: {a: {resource: '../x'}, b: {resource: '/'}}\nservices: {s: {url: 'https://x'}}",
    "bundles: {../a: {resource: 'file://a'}, '': {resource: 'file://b'}}",
    "bundles: {a: {resource: 'file://a', polling: {min_delay_seconds: 1}}}",
    "bundles: {a: {resource: 'file://a', polling: {min_delay_seconds: 3, max_delay_seconds: 2}}}",
    "bundles: {a: {resource: 'file://a', polling: {min_delay_seconds: 0, max_delay_seconds: 0, long_polling_timeout_seconds: 0}}}",
    "bundles: {a: {resource: 'file://a', trigger: immediate, persist: yes, size_limit_bytes: 0, recource: x}}",
    "bundles: {a: {resource: 'file://a', signing: {}}}",
    "bundles: {a: {resource: 'file://a', signing: {keyid: j, scop: x}}}\nkeys: {k: {key: x, algorithm: HS256}}",
    "bundles: {a: {resource: 'file://a', signing: {exclude_files: ['[']}}}\nkeys: {k: {key: x, algorithm: HS256}}",
    "keys: {k: {}, l: {key: ''}, m: {key: /keys/pub.pem}, n: {key: x, algorithm: none}}",
    "bundle: {resource: x}",
    "bundle: {name: x, resource: y}\nbundles: {a: {resource: 'file://a'}}\nservices: {s: {url: 'https://x'}}",
    "status: {service: x}",
    "status: {plugin: p, console: maybe, partition_name: '../x', trigger: often}",
    "portcullis: {bundles: {require_signature: true, named: {a: {require_signature: true}}}}\nbundles: {a: {resource: 'file://a'}}",
    "portcullis: {bundles: {unready_when_old: true, monotonic: semver, max_age: 0s, limits: {archive_bytes: 1, entries: 0}}}",
    "portcullis: {bundles: {named: {atuhz: {monotonic: natural, on_activation: {run_test: true}}}}}\nbundles: {authz: {resource: 'file://a'}}",
];

#[test]
fn a_name_is_nobody_elses_and_that_of_a_file() {
    let discovery = "discovery: {resource: 'file://d'}\n";
    let named = |name: &str| format!("bundles: {{{name}: {{resource: 'file://a'}}}}\n");
    let problems = |text: &str| yaml(text).unwrap_err();
    let taken = problems(&format!("{discovery}{}", named("discovery")));
    assert!(
        taken.contains("bundles.discovery: the name is that of the discovery bundle"),
        "{taken}"
    );
    yaml(&named("discovery")).unwrap();
    yaml(&format!("{discovery}{}", named("discovery/x"))).unwrap();
    let long = problems(&named(&"x".repeat(256)));
    assert!(long.contains("the name is longer than 255 bytes"), "{long}");
    yaml(&named(&"x".repeat(255))).unwrap();
}

#[test]
fn an_order_that_a_restart_forgets_is_told() {
    let ordered = "portcullis: {bundles: {named: {a: {monotonic: semver}}}}\n";
    for (persist, told) in [(false, true), (true, false)] {
        let text = format!("{ordered}bundles: {{a: {{resource: 'file://a', persist: {persist}}}}}");
        let warnings = yaml(&text).unwrap().warnings;
        let is_told = warnings
            .iter()
            .any(|text| text.contains("is forgotten at a restart"));
        assert_eq!(is_told, told, "{warnings:?}");
    }
}
