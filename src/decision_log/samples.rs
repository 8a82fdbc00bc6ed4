//! Records to tell of, for the tests of this module.

use std::{path::Path, sync::Arc, time::Duration};

use bytes::Bytes;

use crate::{
    check::Active,
    decision::Decision,
    identity::{
        Xfcc,
        jwt::{Document as _, Verified, VerifiedToken},
    },
    input::{self, TokenDocument, Value},
    outcome::{Outcome, Stage},
    policy::{Engine, Entrypoint, Externals, LoadOptions, Policy, PolicyFile, Provenance},
    request::RequestView,
    telemetry::{DecisionId, Record, Recorded, RecordedToken, StageTimes, Trace},
};

pub(super) fn capture(name: &str) -> Bytes {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/fixtures/captures")
        .join(name)
        .with_extension("pb");
    Bytes::from(std::fs::read(path).unwrap())
}

pub(super) fn captures() -> Vec<(String, Bytes)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/captures");
    let names = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path());
    let names = names.filter(|path| path.extension().is_some_and(|e| e == "pb"));
    let mut names: Vec<_> = names
        .map(|path| path.file_stem().unwrap().to_str().unwrap().to_owned())
        .collect();
    names.sort();
    names
        .into_iter()
        .map(|name| (name.clone(), capture(&name)))
        .collect()
}

pub(super) fn json(text: &str) -> Value {
    Value::from_json_str(text).unwrap()
}

pub(super) fn decision(text: &str) -> Outcome {
    Ok(Decision::parse(&json(text))?)
}

/// A record of which everything is known beforehand.
pub(super) fn record(request: Bytes, outcome: Outcome) -> Record {
    let mut stages = StageTimes::default();
    stages.record(Stage::Request, Duration::from_nanos(2_100));
    stages.record(Stage::Policy, Duration::from_nanos(40_500));
    Record {
        decision_id: DecisionId::of(uuid::Uuid::from_u128(
            0x0123_4567_89ab_4def_8123_4567_89ab_cdef,
        )),
        at: Duration::new(1_795_320_199, 164_060_000),
        request,
        outcome,
        dry_run: false,
        duration: Duration::from_micros(51),
        stages,
        token: None,
        policy: Some(Arc::new(Provenance {
            revision: "r1".to_owned(),
            bundles: vec![
                ("authz".into(), Some("r1".to_owned())),
                ("data".into(), None),
            ],
            entrypoint: "data.envoy.authz.allow".to_owned(),
            engine: Engine::Rvm,
        })),
        externals: Externals::default(),
        trace: None,
        shed: None,
    }
}

pub(super) const TRACE: Trace = Trace {
    trace_id: [0xab; 16],
    span_id: [0xcd; 8],
    parent: None,
    sampled: true,
};

pub(super) fn token(claims: &str) -> RecordedToken {
    let token = VerifiedToken {
        provider: "corp".into(),
        issuer: "https://issuer.example".into(),
        subject: Some("alice".into()),
        audiences: vec!["orders".to_owned()],
        expires_at: Some(1_795_320_999),
        header: br#"{"alg":"RS256","kid":"k"}"#.to_vec(),
        claims: claims.as_bytes().to_vec(),
        space_delimited: [].into(),
    };
    let document = TokenDocument::of(&token).unwrap();
    RecordedToken {
        provider: Some("corp".into()),
        verified: Ok(Arc::new(Verified { token, document })),
        cached: true,
    }
}

/// What `tell` makes of the record with its request read.
pub(super) fn recorded<T>(record: &Record, tell: impl FnOnce(&Recorded<'_>) -> T) -> T {
    let request = RequestView::parse(&record.request);
    tell(&Recorded::new(record, &request, Xfcc::Ignored))
}

/// A policy of these modules.
pub(super) fn active(modules: &[&str]) -> Active {
    let files = modules.iter().enumerate().map(|(at, rego)| PolicyFile {
        name: format!("policy{at}.rego"),
        data_path: Vec::new(),
        bytes: rego.as_bytes().to_vec(),
    });
    let options = LoadOptions {
        entrypoint: Entrypoint::Path(["envoy", "authz", "allow"].map(str::to_owned).to_vec()),
        v0_compatible: false,
        strict_builtin_errors: false,
    };
    let files: Vec<_> = files.collect();
    let policy = Policy::load(&files, &options).unwrap_or_else(|e| panic!("{e}"));
    Active::new(policy, &input::Options::default())
}

/// A length-delimited field.
pub(super) fn field(number: u8, bytes: impl AsRef<[u8]>) -> Vec<u8> {
    let bytes = bytes.as_ref();
    let mut field = vec![number << 3 | 2];
    prost::encoding::encode_varint(bytes.len().try_into().unwrap(), &mut field);
    field.extend(bytes);
    field
}

/// An entry of a map.
pub(super) fn entry(number: u8, key: &str, value: impl AsRef<[u8]>) -> Vec<u8> {
    field(number, [field(1, key), field(2, value)].concat())
}

/// A `CheckRequest` whose `attributes` are these fields.
pub(super) fn check_request(attributes: &[Vec<u8>]) -> Bytes {
    field(1, attributes.concat()).into()
}

/// `attributes.request` with an HTTP request of these fields.
pub(super) fn http_request(http: &[Vec<u8>]) -> Vec<u8> {
    field(4, field(2, http.concat()))
}
