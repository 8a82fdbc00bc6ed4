//! The path that `docs/bundles.md` shows, from the example's folder to a gate's configuration.

use std::fs;

use crate::{
    authors::{Folder, Pair},
    portcullis,
};

const EXAMPLE: &str = "docs/examples/bundles";

#[test]
fn the_document_shows_the_files_of_the_example() {
    let document = fs::read_to_string("docs/bundles.md").unwrap();
    for file in ["publish.yaml", "gate.yaml"] {
        let text = fs::read_to_string(format!("{EXAMPLE}/{file}")).unwrap();
        assert!(document.contains(&format!("```yaml\n{text}```")), "{file}");
    }
}

#[test]
fn the_example_is_tested_built_signed_verified_and_inspected_as_shown() {
    let document = fs::read_to_string("docs/bundles.md").unwrap();
    let (folder, policy) = (Folder::new(), format!("{EXAMPLE}/policy"));
    let pair = Pair::new(&folder, "bundle", "ES256");
    let bundle = folder.path("bundle.tar.gz");
    let key = ["--signing-alg", "ES256", "--verification-key-id", "release"];
    let verifying = [&key[..], &["--verification-key", &pair.public]].concat();
    let build = [
        "build",
        &policy,
        "-b",
        "-o",
        &bundle,
        "-e",
        "envoy/authz/allow",
        "-r",
        "v1",
    ];
    let sign = [&["sign", &bundle, "--signing-key", &pair.private][..], &key].concat();
    let verify = [&["verify", &bundle][..], &verifying].concat();
    let inspect = [&["inspect", "-b", &bundle][..], &verifying].concat();
    // Not yet signed.
    assert_eq!(portcullis(&build).code, 0);
    assert_eq!(portcullis(&verify).code, 1);
    for command in [&["test", "-b", &policy][..], &sign, &verify, &inspect] {
        let done = portcullis(command);
        assert_eq!((done.code, done.err.as_str()), (0, ""), "{command:?}");
        let shown = done.out.replace(&bundle, "bundle.tar.gz");
        let (shown, _) = shown.split_once("bundle  ").unwrap_or((&shown, ""));
        assert!(document.contains(shown.trim_end()), "{shown}");
    }
    let gate = format!("{EXAMPLE}/gate.yaml");
    let set = format!("keys.release.key={}", pair.public);
    let check = ["check-config", "-c", &gate];
    let with_key = [&check[..], &["--set-file", &set]].concat();
    assert_eq!(portcullis(&with_key).code, 0);
    let done = portcullis(&check);
    assert_eq!(done.code, 64);
    assert!(done.err.contains("keys.release.key"), "{}", done.err);
}

#[test]
fn tests_that_fail_err_or_do_not_compile_are_told_apart() {
    let folder = Folder::new();
    let test = |text: &str| {
        folder.write("src/policy_test.rego", text);
        portcullis(&["test", &folder.path("src")])
    };
    let package = "package envoy.authz_test\n\n";
    let rules = "test_good := true\n\ntodo_test_later := false\n\n";
    let done = test(&format!("{package}{rules}"));
    assert_eq!(done.code, 0, "{}", done.err);
    assert!(
        done.out
            .contains("1 of 2 tests passed, 0 failed, 1 skipped")
    );
    assert!(!done.out.contains("test_good"), "{}", done.out);
    let done = test(&format!(
        "{package}{rules}test_bad if data.envoy.authz.allow\n"
    ));
    assert_eq!(done.code, 1);
    assert!(done.out.contains("test_bad: failed"), "{}", done.out);
    assert!(
        done.out
            .contains("1 of 3 tests passed, 1 failed, 1 skipped")
    );
    assert_eq!(
        test(&format!("{package}test_x if nobody_knows(1)\n")).code,
        64
    );
    assert_eq!(portcullis(&["test"]).code, 64);
}
