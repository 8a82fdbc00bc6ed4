//! Bundles over HTTP, as the follower asks for them.

use std::{sync::Arc, time::Duration};

use portcullis::{
    policy::bundle::Limits,
    services::{Credentials, Service, Token},
    sources::bundles::{
        Kind, Polling, Source,
        download::{Archive, Ask, Download, DownloadError, Downloader},
    },
};

use crate::{
    LONG, ask,
    bundles::{Answer, BundleServer, LONG_POLL, Version, archive},
    client, service, told,
};

const AT: &str = "/v1/bundles/authz";

fn downloader(service: Service) -> Downloader {
    Downloader::new(&Source {
        name: "authz".into(),
        kind: Kind::Http {
            service: Arc::new(service),
            resource: "bundles/authz".to_owned(),
        },
        polling: Polling::default(),
        manual: false,
        persist: None,
        limits: Limits {
            archive_bytes: 1 << 20,
            ..Limits::default()
        },
        verification: Arc::default(),
        monotonic: None,
        run_tests: false,
        max_age: None,
    })
}

/// A whole archive.
fn whole(download: Result<Download, DownloadError>) -> Archive {
    match download.unwrap() {
        Download::Archive(archive) => archive,
        Download::Unchanged { .. } => panic!("unchanged"),
    }
}

/// That there is nothing new, and whether requests are held.
fn unchanged(download: Result<Download, DownloadError>) -> bool {
    match download.unwrap() {
        Download::Archive(_) => panic!("an archive"),
        Download::Unchanged { long_poll } => long_poll,
    }
}

fn knowing(validator: &str) -> Ask<'_> {
    Ask {
        validator: Some(validator),
        delta: true,
        wait: None,
    }
}

#[tokio::test]
async fn a_version_is_downloaded_once() {
    let server = BundleServer::start().await;
    let bytes = archive(&[("a.rego", b"package a")]);
    server.set(AT, Version::new("1", bytes.clone()));
    let mut downloader = downloader(service(&server));
    assert_eq!(downloader.place(), format!("{}{AT}", server.origin()));
    let first = whole(downloader.download(Ask::default()).await);
    assert_eq!(first.bytes, bytes);
    assert_eq!(first.validator.as_deref(), Some("\"1\""));
    assert!(!first.long_poll);
    assert!(!unchanged(downloader.download(knowing("\"1\"")).await));
    server.set(AT, Version::new("2", bytes));
    let second = whole(downloader.download(knowing("\"1\"")).await);
    assert_eq!(second.validator.as_deref(), Some("\"2\""));
}

#[tokio::test]
async fn what_is_preferred_is_said_as_opa_says_it() {
    let server = BundleServer::start().await;
    server.set(AT, Answer::ok("bytes"));
    let mut downloader = downloader(service(&server));
    let ask = |validator, delta, wait: Option<u64>| Ask {
        validator,
        delta,
        wait: wait.map(Duration::from_secs),
    };
    for (ask, tag, prefer) in [
        (ask(None, false, None), None, "modes=snapshot"),
        (ask(None, true, None), None, "modes=snapshot,delta"),
        (
            ask(Some("a"), true, Some(7)),
            Some("a"),
            "modes=snapshot,delta;wait=7",
        ),
        // No server gave that.
        (ask(Some("a\nb"), true, None), None, "modes=snapshot,delta"),
    ] {
        whole(downloader.download(ask).await);
        let seen = server.seen(AT).pop().unwrap();
        assert_eq!(seen.header("if-none-match"), tag);
        assert_eq!(seen.header("prefer"), Some(prefer));
    }
}

#[tokio::test]
async fn a_delta_comes_to_those_who_take_it() {
    let server = BundleServer::start().await;
    server.set(
        AT,
        Version::new("2", b"all".to_vec()).delta("1", b"new".to_vec()),
    );
    let mut downloader = downloader(service(&server));
    let delta = downloader.download(knowing("\"1\"")).await;
    assert_eq!(whole(delta).bytes, "new");
    let ask = Ask {
        delta: false,
        ..knowing("\"1\"")
    };
    assert_eq!(whole(downloader.download(ask).await).bytes, "all");
}

#[tokio::test]
async fn a_long_poll_ends_with_the_next_version() {
    let server = BundleServer::start().await;
    server.set(AT, Version::new("1", b"one".to_vec()).held());
    server.set("/v1/thing", Answer::Stall);
    let hasty = Service {
        response_header_timeout: Duration::from_millis(50),
        ..service(&server)
    };
    let mut downloader = downloader(hasty.clone());
    let wait = |validator| Ask {
        validator,
        delta: true,
        wait: Some(LONG),
    };
    assert!(whole(downloader.download(wait(None)).await).long_poll);
    let next = async {
        server.requests(AT, 2).await;
        // It is held for longer than any other request.
        assert!(ask(&client(hasty)).await.is_err());
        server.set(AT, Version::new("2", b"two".to_vec()).held());
    };
    let (second, ()) = tokio::join!(downloader.download(wait(Some("\"1\""))), next);
    let second = whole(second);
    assert_eq!(
        (second.bytes.as_ref(), second.long_poll),
        (&b"two"[..], true)
    );
    let ask = Ask {
        wait: Some(Duration::ZERO),
        ..wait(Some("\"2\""))
    };
    assert!(unchanged(downloader.download(ask).await));
}

#[tokio::test]
async fn who_holds_requests_says_so_and_need_not_repeat_it() {
    let server = BundleServer::start().await;
    let mut downloader = downloader(service(&server));
    let held = |answer: Answer| answer.with("content-type", LONG_POLL);
    let gzip = |answer: Answer| answer.with("content-type", "application/gzip");
    let not_modified = || Answer::status(304);
    for (answer, long_poll) in [
        (not_modified(), false),
        (held(not_modified()), true),
        (not_modified(), false),
        (held(Answer::ok("")), true),
        (not_modified(), true),
        (gzip(not_modified()), false),
        (gzip(Answer::ok("")), false),
        (not_modified(), false),
    ] {
        server.set(AT, answer.clone());
        let said = unchanged(downloader.download(knowing("\"1\"")).await);
        assert_eq!(said, long_poll, "{answer:?}");
    }
}

#[tokio::test]
async fn an_empty_body_is_nothing_new() {
    let server = BundleServer::start().await;
    server.set(AT, Answer::ok("").with("etag", "\"2\""));
    let mut downloader = downloader(service(&server));
    assert!(!unchanged(downloader.download(knowing("\"1\"")).await));
}

#[tokio::test]
async fn entity_tags_are_remembered_unless_they_are_long() {
    let server = BundleServer::start().await;
    let mut downloader = downloader(service(&server));
    let longest = "a".repeat(512);
    for (tag, remembered) in [
        ("W/\"a\"", true),
        (longest.as_str(), true),
        (&format!("{longest}a"), false),
        ("", false),
    ] {
        server.set(AT, Answer::ok("bytes").with("etag", tag));
        let archive = whole(downloader.download(Ask::default()).await);
        assert_eq!(archive.validator.as_deref(), remembered.then_some(tag));
    }
}

#[tokio::test]
async fn every_other_status_is_named() {
    let server = BundleServer::start().await;
    let mut downloader = downloader(service(&server));
    for status in [
        201, 204, 206, 304, 400, 401, 403, 404, 410, 429, 500, 502, 503,
    ] {
        server.set(AT, Answer::Reply(status, Vec::new(), b"bytes".to_vec()));
        // Nothing was known, so that 304 is no answer either.
        let error = downloader.download(Ask::default()).await.unwrap_err();
        assert_eq!(error.http_status(), Some(status));
        assert!(error.to_string().contains(&status.to_string()), "{error}");
    }
}

#[tokio::test]
async fn what_is_no_archive_has_a_reason() {
    let server = BundleServer::start().await;
    let mut good = downloader(service(&server));
    let mut hasty = downloader(Service {
        response_header_timeout: Duration::from_millis(50),
        ..service(&server)
    });
    let transport = |error: &DownloadError| matches!(error, DownloadError::Transport { .. });
    for broken in [
        Answer::Truncated(b"bytes".to_vec()),
        Answer::HangUp,
        Answer::Stall,
        Answer::StallAfter(b"bytes".to_vec()),
    ] {
        server.set(AT, broken.clone());
        let error = hasty.download(Ask::default()).await.unwrap_err();
        assert!(
            transport(&error) && error.http_status().is_none(),
            "{broken:?}: {error}"
        );
    }
    for announced in [true, false] {
        server.set(AT, Answer::Flood { announced });
        let error = good.download(Ask::default()).await.unwrap_err();
        assert!(
            matches!(
                error,
                DownloadError::TooLarge {
                    most: 1_048_576,
                    ..
                }
            ),
            "{error}"
        );
    }
    let mut unprepared = downloader(Service {
        credentials: Credentials::Bearer {
            token: Token::File("/nonexistent/token".into()),
            scheme: "Bearer".to_owned(),
        },
        ..service(&server)
    });
    let error = unprepared.download(Ask::default()).await.unwrap_err();
    assert!(matches!(error, DownloadError::Prepare { .. }), "{error}");
    assert!(told(&error).contains("/nonexistent/token"), "{error}");
    server.go_away().await;
    assert!(transport(&good.download(Ask::default()).await.unwrap_err()));
    server.come_back().await;
    server.set(AT, Answer::ok("bytes"));
    assert_eq!(whole(good.download(Ask::default()).await).bytes, "bytes");
}
