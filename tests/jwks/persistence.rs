//! Keys on disk: a restart while the issuer is away.

use std::{fs, path::PathBuf, time::Duration};

use axum::http::header::ETAG;
use portcullis::sources::jwks::{Kind, Source};
use serde_json::Value;
use tempfile::TempDir;

use crate::{
    following::{Following, HOUR, at, source},
    server::{
        Answer, KeyServer,
        keys::{Signer, key_set},
    },
};

/// A folder with the keys that a process has fetched which is no more, and the server of those.
struct Left {
    folder: TempDir,
    server: KeyServer,
}

const NAME: &str = "corp/1";

impl Left {
    async fn by_a_process() -> Self {
        let answer = Answer::keys(&key_set(&[&Signer::es256("a")])).with(ETAG, "\"1\"");
        let left = Self {
            folder: TempDir::new().unwrap(),
            server: KeyServer::start(answer).await,
        };
        let following = left.follow(at(left.server.url()));
        following.rounds(1).await;
        // Keys are written before the next fetch begins.
        following.refreshed().await;
        left
    }

    fn follow(&self, source: Source) -> Following {
        let soon = Duration::from_millis(20);
        Following::start_with(NAME, source, soon, Some(self.folder.path()))
    }

    fn file(&self) -> PathBuf {
        self.folder.path().join("portcullis/jwks/corp%2F1.json")
    }

    fn record(&self) -> Value {
        serde_json::from_slice(&fs::read(self.file()).unwrap()).unwrap()
    }

    /// Changes what is on disk.
    fn edit(&self, change: impl FnOnce(&mut Value)) {
        let mut record = self.record();
        change(&mut record);
        fs::write(self.file(), record.to_string()).unwrap();
    }

    /// Follows `source` while the server is gone, until the first attempt has failed.
    async fn restart(self, source: Source) -> Following {
        let Self { folder, server } = self;
        drop(server);
        let soon = Duration::from_millis(20);
        let following = Following::start_with(NAME, source, soon, Some(folder.path()));
        following.rounds(1).await;
        following
    }
}

fn serves(following: &Following) -> bool {
    let usable = !following.usable_now(&["a"]).is_empty();
    assert_eq!(following.ready.current().is_ready(), usable);
    usable
}

#[tokio::test]
async fn a_restart_serves_while_the_issuer_is_away() {
    let left = Left::by_a_process().await;
    let source = at(left.server.url());
    let following = left.restart(source).await;
    assert!(serves(&following));
    assert_eq!(following.fetches("startup", "failure"), 1);
    assert_eq!(following.metric("portcullis_jwks_keys{{}}"), Some(1.0));
    // An hour fresh, an hour stale, as if there had been no restart.
    assert_eq!(following.usable(&["a"], HOUR), ["a"]);
    assert!(following.usable(&["a"], 3 * HOUR).is_empty());
}

#[tokio::test]
async fn a_restart_without_keys_on_disk_does_not_serve() {
    let left = Left::by_a_process().await;
    let source = at(left.server.url());
    fs::remove_file(left.file()).unwrap();
    assert!(!serves(&left.restart(source).await));
}

#[tokio::test]
async fn keys_of_another_source_are_ignored() {
    let left = Left::by_a_process().await;
    let other = at(format!("{}?other", left.server.url()));
    assert!(!serves(&left.restart(other).await));

    let left = Left::by_a_process().await;
    let issuer = left.server.url().into();
    let other = source(Kind::Discovery { issuer });
    assert!(!serves(&left.restart(other).await));
}

#[tokio::test]
async fn keys_that_are_too_old_are_ignored() {
    // An hour fresh and an hour stale, up to a tenth more or less.
    for (hours, good) in [(1, true), (3, false)] {
        let left = Left::by_a_process().await;
        let source = at(left.server.url());
        left.edit(|record| {
            let fetched_at = record["fetched_at"].as_u64().unwrap();
            record["fetched_at"] = (fetched_at - hours * 3600).into();
        });
        let following = left.restart(source).await;
        assert_eq!(serves(&following), good, "{hours}");
        if good {
            let age = following.metric("portcullis_jwks_age_seconds{{}}").unwrap();
            assert!((3600.0..3700.0).contains(&age), "{age}");
            assert!(following.usable(&["a"], HOUR * 12 / 10).is_empty());
        }
    }
}

#[tokio::test]
async fn keys_on_disk_that_make_no_sense_are_ignored() {
    let changes: [fn(&mut Value); 5] = [
        |record| record["fetched_at"] = 99_999_999_999_u64.into(),
        |record| record["fetched_at"] = "today".into(),
        |record| record["jwks"] = "garbage".into(),
        |record| *record = Value::Null,
        |record| record["more"] = true.into(),
    ];
    for (at_change, change) in changes.into_iter().enumerate() {
        let left = Left::by_a_process().await;
        let source = at(left.server.url());
        left.edit(change);
        let following = left.restart(source).await;
        assert!(!serves(&following), "{at_change}");
        let lines = following.lines("keys on disk ignored");
        assert_eq!(lines.last().unwrap()["level"], "WARN", "{at_change}");
    }
}

#[tokio::test]
async fn keys_on_disk_are_confirmed_by_their_entity_tag() {
    let left = Left::by_a_process().await;
    let following = left.follow(at(left.server.url()));
    following.rounds(1).await;
    assert_eq!(following.fetches("startup", "not_modified"), 1);
    let seen = left.server.seen();
    assert_eq!(seen.last().unwrap().if_none_match.as_deref(), Some("\"1\""));
    assert!(serves(&following));
}

#[tokio::test]
async fn keys_that_change_replace_those_on_disk() {
    let left = Left::by_a_process().await;
    assert!(left.record()["jwks"].as_str().unwrap().contains("\"a\""));
    left.server
        .set_keys(Answer::keys(&key_set(&[&Signer::es256("b")])));
    let following = left.follow(at(left.server.url()));
    following.rounds(1).await;
    following.refreshed().await;
    let jwks = left.record()["jwks"].as_str().unwrap().to_owned();
    assert!(jwks.contains("\"b\"") && !jwks.contains("\"a\""), "{jwks}");
}

#[tokio::test]
async fn the_secrets_of_a_url_are_not_written() {
    let left = Left::by_a_process().await;
    let url = left.server.url().replace("://", "://user:hunter2@");
    let following = left.follow(at(format!("{url}?key=hunter3")));
    following.rounds(1).await;
    following.refreshed().await;
    let text = left.record().to_string();
    assert!(!text.contains("hunter"), "{text}");
    assert!(text.contains(&left.server.url()), "{text}");
}

#[tokio::test]
async fn a_disk_that_cannot_be_written_is_told_and_nothing_else() {
    let left = Left::by_a_process().await;
    fs::remove_dir_all(left.folder.path().join("portcullis")).unwrap();
    fs::write(left.folder.path().join("portcullis"), "a file").unwrap();
    let following = left.follow(at(left.server.url()));
    following.rounds(1).await;
    following.refreshed().await;
    assert!(serves(&following));
    let failures = following.metric("portcullis_jwks_persistence_failures_total{{}}");
    assert!(failures.unwrap() >= 1.0, "{failures:?}");
    assert_eq!(following.lines("keys not persisted")[0]["level"], "WARN");
}
