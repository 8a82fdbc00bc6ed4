//! Key sets in files are treated as those on servers.

use std::{fs, time::Duration};

use portcullis::sources::jwks::{Kind, Source};
use tempfile::TempDir;

use crate::{
    following::{Following, HOUR, source},
    server::keys::{Signer, key_set},
};

fn keys(kid: &str) -> String {
    key_set(&[&Signer::es256(kid)]).to_string()
}

#[tokio::test]
async fn a_file_that_changes_is_read_again() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("jwks.json");
    fs::write(&path, keys("a")).unwrap();
    let source = Source {
        refresh_interval: Duration::from_millis(20),
        ..source(Kind::File(path.clone()))
    };
    let following = Following::start("file", source);
    following.rounds(1).await;
    assert_eq!(following.usable_now(&["a", "b"]), ["a"]);
    let next = folder.path().join("next");
    fs::write(&next, keys("b")).unwrap();
    fs::rename(next, path).unwrap();
    // The round under way may have read the file before.
    let now = following.refresh.rounds();
    following.rounds(now + 2).await;
    assert_eq!(following.usable_now(&["a", "b"]), ["b"]);
}

#[tokio::test]
async fn a_file_that_cannot_be_used_leaves_the_last_good_keys() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("jwks.json");
    fs::write(&path, keys("a")).unwrap();
    let following = Following::start("bad-file", source(Kind::File(path.clone())));
    following.rounds(1).await;
    let large = " ".repeat(2 << 20);
    let cases: [(&[u8], &str); 3] = [
        (b"garbage", "no key set"),
        (b"\xff\xfe", "no UTF-8"),
        (large.as_bytes(), "is larger than"),
    ];
    for (content, error) in cases {
        fs::write(&path, content).unwrap();
        following.refreshed().await;
        assert!(following.error().contains(error), "{}", following.error());
        assert_eq!(following.usable_now(&["a"]), ["a"]);
    }
    fs::remove_file(&path).unwrap();
    following.refreshed().await;
    assert!(
        following.error().contains("cannot be read"),
        "{}",
        following.error()
    );
    assert_eq!(following.usable_now(&["a"]), ["a"]);
    assert!(following.usable(&["a"], 3 * HOUR).is_empty());
}
