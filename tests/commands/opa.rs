//! Both directions with OPA itself: what it signs is verified here, what is signed here it verifies.
//!
//! `PORTCULLIS_OPA=/path/to/opa cargo test --test commands -- --ignored`

use std::process::{Command, Output};

use crate::{
    authors::{Folder, Pair},
    portcullis,
};

const ALGORITHMS: [&str; 13] = [
    "ES256", "ES384", "ES512", "HS256", "HS384", "HS512", "PS256", "PS384", "PS512", "RS256",
    "RS384", "RS512", "EdDSA",
];

fn opa(arguments: &[&str]) -> Output {
    #[expect(
        clippy::disallowed_methods,
        reason = "only a test can be told where OPA is"
    )]
    let opa = std::env::var("PORTCULLIS_OPA").unwrap();
    Command::new(opa).args(arguments).output().unwrap()
}

/// A folder with everything that a hash could stumble over.
fn folder() -> Folder {
    let folder = Folder::new();
    folder.write(
        "src/.manifest",
        "{\"roots\" : [\"envoy\", \"k\"],\n \"revision\":\"r<1>\"}\n",
    );
    folder.write(
        "src/k/data.json",
        "{\"b\":1,\"a\":\"<é\\u2028&>\\ud83d\\ude00\",\"n\":[1.0,1e3,10000000000000000000000,0.10,-0,1E+2,-0.0e-5],\"\\u00e9\":{},\"\":[]}",
    );
    folder.write(
        "src/k/l/data.yaml",
        "# text\nq: 1.0\nr: 0x10\nf: .5\nv: yes\nu: ~\nd: 2020-01-01\nl: [a, {b: c}]\n",
    );
    folder.write("src/k/m/data.yml", "{\"json\": 1.0}\n");
    folder
}

#[test]
#[ignore = "needs PORTCULLIS_OPA"]
fn what_opa_signs_is_verified_here() {
    for algorithm in ALGORITHMS {
        let folder = folder();
        let (mine, other) = (
            Pair::new(&folder, "mine", algorithm),
            Pair::new(&folder, "other", algorithm),
        );
        let (source, bundle) = (folder.path("src"), folder.path("opa.tar.gz"));
        let made = opa(&[
            "build",
            "-b",
            &source,
            "-o",
            &bundle,
            "--signing-key",
            &mine.private,
            "--signing-alg",
            algorithm,
        ]);
        assert!(made.status.success(), "{made:?}");
        // A folder is signed from within: OPA puts the path that it is given before the names.
        let signed = Command::new("sh")
            .args(["-c", "cd \"$1\" && \"$PORTCULLIS_OPA\" sign -b . --signing-key \"$2\" --signing-alg \"$3\"", "sh"])
            .args([&source, &mine.private, algorithm])
            .output()
            .unwrap();
        assert!(signed.status.success(), "{signed:?}");
        for path in [&bundle, &source] {
            let verify = |key: &str| {
                portcullis(&[
                    "verify",
                    path,
                    "--verification-key",
                    key,
                    "--signing-alg",
                    algorithm,
                ])
            };
            let done = verify(&mine.public);
            assert_eq!(done.code, 0, "{algorithm} {path}: {}", done.err);
            assert_eq!(verify(&other.public).code, 1, "{algorithm} {path}");
        }
    }
}

#[test]
#[ignore = "needs PORTCULLIS_OPA"]
fn what_is_signed_here_opa_verifies() {
    for algorithm in ALGORITHMS {
        let folder = folder();
        let (mine, other) = (
            Pair::new(&folder, "mine", algorithm),
            Pair::new(&folder, "other", algorithm),
        );
        let (source, built, signed) = (
            folder.path("src"),
            folder.path("built.tar.gz"),
            folder.path("signed.tar.gz"),
        );
        let key = [
            "--signing-key",
            mine.private.as_str(),
            "--signing-alg",
            algorithm,
        ];
        let scope = ["--scope", "write"];
        for arguments in [
            ["build", "-b", &source, "-o", &built].as_slice(),
            ["build", "-b", &source, "-o", &signed].as_slice(),
        ] {
            let done = portcullis(&[arguments, &key, &scope].concat());
            assert_eq!(done.code, 0, "{algorithm}: {}", done.err);
        }
        let done = portcullis(&[["sign", signed.as_str()].as_slice(), &key, &scope].concat());
        assert_eq!(done.code, 0, "{algorithm}: {}", done.err);
        for path in [&built, &signed] {
            let verify = |key: &str| {
                let to = folder.path("out.tar.gz");
                let key = [
                    "--verification-key",
                    key,
                    "--signing-alg",
                    algorithm,
                    "--scope",
                    "write",
                ];
                opa(&[["build", "-b", path.as_str(), "-o", &to].as_slice(), &key].concat())
            };
            let done = verify(&mine.public);
            assert!(done.status.success(), "{algorithm} {path}: {done:?}");
            assert!(
                !verify(&other.public).status.success(),
                "{algorithm} {path}"
            );
        }
    }
}

#[test]
#[ignore = "needs PORTCULLIS_OPA"]
fn what_is_built_here_says_the_same_in_opa() {
    let folder = folder();
    let bundle = folder.path("bundle.tar.gz");
    let done = portcullis(&[
        "build",
        "-b",
        &folder.path("src"),
        "-o",
        &bundle,
        "-e",
        "envoy/authz/allow",
    ]);
    assert_eq!(done.code, 0, "{}", done.err);
    folder.write(
        "input.json",
        r#"{"source": {"spiffe": {"namespace": "foo"}}}"#,
    );
    let query =
        "[data.envoy.authz.allow, data.k.b, data.k.l.q, data.system.bundles[_].manifest.metadata]";
    let input = folder.path("input.json");
    let answer = opa(&[
        "eval", "--format", "raw", "-b", &bundle, "-i", &input, query,
    ]);
    let said = String::from_utf8(answer.stdout).unwrap();
    assert_eq!(
        said.trim(),
        r#"[true,1,1,{"entrypoints":["envoy/authz/allow"]}]"#,
        "{:?}",
        answer.stderr
    );
}
