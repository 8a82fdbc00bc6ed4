//! Columns, colours, and what of a text reaches the terminal.

use super::*;

fn decision() -> Decision {
    Decision {
        time: Some(Timestamp {
            seconds: 1_700_000_000,
            nanos: 250_000_000,
        }),
        decision_id: "id".to_owned(),
        outcome: "denied".to_owned(),
        reason: "policy".to_owned(),
        duration: Some(prost_types::Duration {
            seconds: 0,
            nanos: 1_234_567,
        }),
        caller: "spiffe://cluster.local/ns/shop/sa/cart".to_owned(),
        path: "/orders".to_owned(),
        ..Decision::default()
    }
}

fn lines(output: Output) -> Lines {
    Lines::new(output, false)
}

#[test]
fn columns_stay_below_their_names_and_grow_with_what_stands_in_them() {
    let mut lines = lines(Output::Table);
    let header = lines.header().unwrap();
    let first = lines.decision(&decision()).unwrap();
    let place = |line: &str, what: &str| line.find(what).unwrap();
    assert_eq!(place(&header, "CALLER"), place(&first, "shop/cart"));
    assert_eq!(place(&header, "PATH"), place(&first, "/orders"));
    assert!(first.starts_with("2023-11-14T22:13:20.250Z  denied   policy"));
    let mut long = decision();
    long.caller = format!("spiffe://cluster.local/ns/shop/sa/{}", "c".repeat(30));
    let long = lines.decision(&long).unwrap();
    let next = lines.decision(&decision()).unwrap();
    assert!(place(&next, "/orders") > place(&first, "/orders"));
    assert_eq!(place(&next, "/orders"), place(&long, "/orders"));
}

#[test]
fn in_dry_run_the_column_says_what_would_have_been_answered() {
    let mut rehearsed = decision();
    rehearsed.outcome = "allowed".to_owned();
    rehearsed.would = "denied".to_owned();
    assert_eq!(outcome(&rehearsed), "denied (dry run)");
    rehearsed.would = "allowed".to_owned();
    assert_eq!(outcome(&rehearsed), "allowed");
}

#[test]
fn colours_are_only_for_terminals_and_do_not_move_columns() {
    let plain = lines(Output::Table).decision(&decision()).unwrap();
    let coloured = Lines::new(Output::Table, true)
        .decision(&decision())
        .unwrap();
    assert!(!plain.contains('\u{1b}'));
    assert!(coloured.contains("\u{1b}[31mdenied\u{1b}[0m "));
    let without = coloured.replace("\u{1b}[31m", "").replace(PLAIN, "");
    assert_eq!(without, plain);
}

#[test]
fn nothing_in_a_text_acts_on_a_terminal() {
    let hostile = "/\u{1b}[2J\u{9b}31m\r\n\t\u{7f}\u{202e}\u{200b}\u{e0041}é";
    let mut attack = decision();
    attack.path = hostile.to_owned();
    attack.message = hostile.to_owned();
    for output in [Output::Table, Output::Wide, Output::Json] {
        let line = lines(output).decision(&attack).unwrap();
        assert!(!line.contains(acts), "{line:?}");
        assert!(line.contains('é'), "{line:?}");
    }
    let json = lines(Output::Json).decision(&attack).unwrap();
    let read: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(read["path"], hostile);
    assert_eq!(plain("a b"), "a b");
    assert_eq!(plain("a\nb"), "a\\u{a}b");
}

#[test]
fn json_leaves_out_what_there_is_not_and_says_what_is_lost() {
    let json = lines(Output::Json).decision(&decision()).unwrap();
    let read: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(read["duration_us"], 1234);
    assert!(read.get("host").is_none());
    assert_eq!(lines(Output::Json).lost(3).unwrap(), r#"{"lost":3}"#);
    assert_eq!(lines(Output::Table).lost(3), None);
}
