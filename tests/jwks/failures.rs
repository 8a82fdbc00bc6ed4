//! Keys that do not come: what the server does wrong, and how the last good keys outlive it.

use std::time::Duration;

use portcullis::sources::jwks::{Http, Source};
use serde_json::json;

use crate::{
    following::{Following, HOUR, at, soon},
    server::{
        Answer, FLOOD, KeyServer,
        keys::{Signer, key_set},
    },
};

/// Bytes that may be on their way when the reader has gone.
const IN_FLIGHT: usize = 24 << 20;

fn impatient(server: &KeyServer) -> Source {
    Source {
        http: Http {
            timeout: Duration::from_millis(300),
            ..Http::default()
        },
        ..at(server.url())
    }
}

fn text(text: &str) -> Answer {
    Answer::Text(text.to_owned(), Vec::new())
}

/// What a server can do wrong, and what the log says then.
fn wrongs() -> Vec<(Answer, &'static str)> {
    let many = json!({"keys": vec![json!({}); 1000]});
    vec![
        (text(""), "no key set"),
        (text("<html>garbage</html>"), "no key set"),
        (text("{\"keys\": [}"), "no key set"),
        (text("{}"), "no list `keys`"),
        (text("{\"keys\": {}}"), "no list `keys`"),
        (text(&"[".repeat(100_000)), "no key set"),
        (Answer::keys(&many), "1000 keys"),
        (Answer::Status(500), "answered 500"),
        (Answer::Status(404), "answered 404"),
        (Answer::Status(204), "answered 204"),
        (Answer::Status(304), "answered 304"),
        (
            Answer::Redirect("/elsewhere".to_owned()),
            "answered 302, and redirects are not followed",
        ),
        (Answer::Stall, "took too long"),
        (Answer::StallWithin, "took too long"),
        (
            Answer::Flood { announced: true },
            "is larger than 1048576 bytes",
        ),
        (
            Answer::Flood { announced: false },
            "is larger than 1048576 bytes",
        ),
    ]
}

#[tokio::test]
async fn whatever_a_server_does_wrong_the_last_good_keys_stay() {
    let good = Answer::keys(&key_set(&[&Signer::es256("a")]));
    for (at, (wrong, error)) in wrongs().into_iter().enumerate() {
        let server = KeyServer::start(good.clone()).await;
        let following = Following::start(&format!("wrong-{at}"), impatient(&server));
        following.rounds(1).await;
        let first = following.generation();
        server.set_keys(wrong.clone());
        following.refreshed().await;
        assert!(
            following.error().contains(error),
            "{wrong:?}: {}",
            following.error()
        );
        assert_eq!(following.usable_now(&["a"]), ["a"], "{wrong:?}");
        assert_eq!(following.generation(), first);
        assert!(
            following.fetches("unknown_kid", "failure") >= 1,
            "{wrong:?}"
        );
    }
}

#[tokio::test]
async fn whatever_a_server_does_wrong_from_the_start_gives_no_key() {
    for (at, (wrong, error)) in wrongs().into_iter().enumerate() {
        let server = KeyServer::start(wrong.clone()).await;
        let following = Following::start(&format!("wrong-start-{at}"), impatient(&server));
        following.rounds(1).await;
        assert!(
            following.error().contains(error),
            "{wrong:?}: {}",
            following.error()
        );
        let ring = following.keys.snapshot().load_full().unwrap();
        assert!(
            ring.usable(0, std::time::Instant::now()).is_none(),
            "{wrong:?}"
        );
        assert_eq!(following.generation(), 0);
        assert_eq!(following.metric("portcullis_jwks_keys{{}}"), None);
    }
}

#[tokio::test]
async fn a_set_without_a_key_that_can_be_used_takes_every_key_back() {
    let good = Answer::keys(&key_set(&[&Signer::es256("a")]));
    let none = [
        json!({"keys": []}),
        json!({"keys": [{"kty": "quantum", "kid": "q"}]}),
    ];
    for (at, set) in none.into_iter().enumerate() {
        let server = KeyServer::start(good.clone()).await;
        let following = Following::start(&format!("none-{at}"), impatient(&server));
        following.rounds(1).await;
        assert_eq!(following.usable_now(&["a"]), ["a"]);
        server.set_keys(Answer::keys(&set));
        following.refreshed().await;
        assert!(following.usable_now(&["a"]).is_empty(), "{set}");
        assert_eq!(following.lines("keys not fetched").len(), 0);
        let withdrawn = "keys withdrawn: the set has none that can be used, every token is refused";
        assert_eq!(following.lines(withdrawn).len(), 1);
        server.set_keys(good.clone());
        following.refreshed().await;
        assert_eq!(following.usable_now(&["a"]), ["a"]);
    }
}

#[tokio::test]
async fn a_redirect_is_never_asked() {
    let server = KeyServer::start(Answer::Redirect("/elsewhere".to_owned())).await;
    let following = Following::start("redirect", at(server.url()));
    following.rounds(1).await;
    following.refreshed().await;
    assert!(
        server.seen().iter().all(|seen| seen.path == "/jwks"),
        "{:?}",
        server.seen()
    );
}

#[tokio::test]
async fn a_flood_is_left_long_before_its_end() {
    for announced in [true, false] {
        let server = KeyServer::start(Answer::Flood { announced }).await;
        let following = Following::start(&format!("flood-{announced}"), at(server.url()));
        following.rounds(1).await;
        // What the sockets hold is sent without anybody reading it.
        assert!(
            server.flooded() < IN_FLIGHT,
            "{} of {FLOOD}",
            server.flooded()
        );
    }
}

#[tokio::test]
async fn an_answer_is_read_up_to_its_bound() {
    let set = key_set(&[&Signer::es256("a")]);
    let length = set.to_string().len();
    let server = KeyServer::start(Answer::keys(&set)).await;
    for (name, most, kids) in [("fits", length, &["a"][..]), ("larger", length - 1, &[])] {
        let source = Source {
            http: Http {
                max_response_bytes: most,
                ..Http::default()
            },
            ..at(server.url())
        };
        let following = Following::start(name, source);
        following.rounds(1).await;
        assert_eq!(following.usable_now(&["a"]), kids, "{name}");
    }
}

#[tokio::test]
async fn a_server_that_is_gone_is_a_failure_that_ends_when_it_is_back() {
    let server = KeyServer::start(Answer::Status(500)).await;
    let url = server.url();
    drop(server);
    let following = Following::start("gone", at(url));
    following.rounds(1).await;
    assert!(
        following.error().starts_with("cannot connect to"),
        "{}",
        following.error()
    );

    let server = KeyServer::start(Answer::Status(500)).await;
    let following = Following::start("back", at(server.url()));
    following.rounds(2).await;
    server.set_keys(Answer::keys(&key_set(&[&Signer::es256("a")])));
    // It tries again by itself, at twice the time each.
    following.is_ready().await;
    assert_eq!(following.usable_now(&["a"]), ["a"]);
    assert!(following.fetches("ttl", "failure") >= 1);
}

#[tokio::test]
async fn what_is_no_url_is_never_fetched() {
    for (at, url) in ["", "/jwks", "ftp://localhost/jwks", "file:///etc/passwd"]
        .iter()
        .enumerate()
    {
        let following = Following::start(&format!("no-url-{at}"), super::following::at(*url));
        following.rounds(1).await;
        assert_eq!(
            following.error(),
            "`jwks_uri` is not an absolute `http` or `https` URL",
            "{url}"
        );
    }
}

#[tokio::test]
async fn no_line_shows_the_secrets_of_a_url() {
    let server = KeyServer::start(Answer::Status(500)).await;
    let url = server.url().replace("://", "://user:hunter2@");
    let following = Following::start("secret-url", at(format!("{url}?key=hunter3#hunter4")));
    following.rounds(1).await;
    server.set_keys(Answer::keys(&key_set(&[&Signer::es256("a")])));
    following.refreshed().await;
    drop(server);
    following.refreshed().await;
    let messages = ["keys followed", "keys changed", "keys not fetched"];
    for message in messages {
        let lines = following.lines(message);
        assert!(!lines.is_empty(), "{message}");
        for line in lines {
            assert!(!line.to_string().contains("hunter"), "{line}");
            assert!(line.to_string().contains("/jwks"), "{line}");
        }
    }
}

#[tokio::test]
async fn keys_are_used_until_they_are_too_stale() {
    let server = KeyServer::start(Answer::keys(&key_set(&[&Signer::es256("a")]))).await;
    let source = Source {
        max_stale: 10 * HOUR,
        ..at(server.url())
    };
    let following = Following::start("stale", source);
    following.rounds(1).await;
    server.set_keys(Answer::Status(500));
    following.refreshed().await;
    // One hour fresh, ten hours stale; a tenth of the hour is left to chance.
    let (least, most) = (HOUR * 109 / 10, HOUR * 111 / 10);
    let minute = Duration::from_mins(1);
    let still = least.saturating_sub(minute);
    assert_eq!(following.usable(&["a"], still), ["a"]);
    assert!(following.usable(&["a"], most + minute).is_empty());
    let line = &following.lines("keys not fetched")[0];
    let left = Duration::from_secs(line["jwks.usable_s"].as_u64().unwrap());
    assert!(left > still && left < most, "{left:?}");
}

#[tokio::test]
async fn keys_that_got_too_stale_are_used_again_when_a_fetch_succeeds() {
    let answer = Answer::keys(&key_set(&[&Signer::es256("a")]));
    let server = KeyServer::start(answer.clone()).await;
    let source = Source {
        refresh_interval: Duration::from_millis(20),
        max_stale: Duration::from_millis(20),
        ..at(server.url())
    };
    let following = Following::start("unstale", source);
    following.rounds(1).await;
    server.set_keys(Answer::Status(500));
    let unusable = async {
        while !following.usable_now(&["a"]).is_empty() {
            tokio::task::yield_now().await;
        }
    };
    soon(unusable).await;
    server.set_keys(answer);
    let usable = async {
        while following.usable_now(&["a"]).is_empty() {
            tokio::task::yield_now().await;
        }
    };
    soon(usable).await;
}
