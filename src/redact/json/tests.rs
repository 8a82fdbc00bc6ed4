//! Keys from outside, and how large what is written may become.

use super::*;
use crate::redact::credentials::Options;

const TOKEN: &str = "eyJhbGciOi.eyJzdWIi.c2ln";

fn redactor() -> Redactor {
    Redactor::new(&Options::default())
}

fn text(json: Json<'_>) -> String {
    String::from_utf8(json.into_bytes()).unwrap()
}

#[test]
fn a_key_that_is_a_credential_is_hashed_where_it_stands_and_in_the_pointer() {
    let redactor = redactor();
    let hash = redactor.hash(TOKEN.as_bytes());
    let mut json = Json::new(&redactor, 0);
    json.object(|json| {
        json.field(TOKEN, |json| json.string("x"));
        json.field("plain", |json| json.string("x"));
    });
    assert_eq!(json.redacted(), [format!("/{hash}").into()]);
    assert_eq!(text(json), format!(r#"{{"{hash}":"x","plain":"x"}}"#));
}

#[test]
fn different_keys_stay_different_however_many_there_are() {
    let redactor = redactor();
    let mut json = Json::new(&redactor, 0);
    json.object(|json| {
        for at in 0..1_000 {
            json.field(&format!("sig={at}"), |json| json.raw("1"));
        }
    });
    let fields: serde_json::Map<_, _> = serde_json::from_str(&text(json)).unwrap();
    assert_eq!(fields.len(), 1_000);
}

#[test]
fn many_credentials_under_a_long_key_cost_no_more_than_they_are_long() {
    let redactor = redactor();
    let mut json = Json::new(&redactor, 0);
    json.object(|json| {
        json.field(&"k".repeat(60_000), |json| {
            json.list(|json| (0..10_000).for_each(|at| json.item(at, |json| json.text("sig=1"))));
        });
    });
    let pointers: usize = json.take_redacted().iter().map(|it| it.len()).sum();
    assert!(pointers < 1024, "{pointers}");
    let text = text(json);
    assert!(!text.contains("sig=1\""));
    assert_eq!(text.matches("sha256:").count(), 64);
}

#[test]
fn what_is_too_long_is_left_out_and_listed_and_what_fits_is_not() {
    let redactor = redactor();
    for (items, listed) in [(5, &[][..]), (100_000, &["/long"])] {
        let mut json = Json::new(&redactor, 0);
        json.object(|json| {
            json.field("long", |json| {
                json.bounded(30, |json| {
                    json.list(|json| {
                        (0..items).for_each(|at| json.item(at, |json| json.object(|_| {})));
                    });
                    assert!(json.written().len() < 100, "{items}");
                });
            });
            json.string_field("next", "x");
        });
        let truncated = json.take_truncated();
        assert_eq!(truncated.iter().map(|it| &**it).collect::<Vec<_>>(), listed);
        let value: serde_json::Value = serde_json::from_str(&text(json)).unwrap();
        assert_eq!(value["long"] == MASK, !listed.is_empty());
        assert_eq!(value["next"], "x");
    }
}
