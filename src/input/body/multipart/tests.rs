//! Forms as browsers send them, and as attackers do.

use proptest::prelude::*;

use super::*;

const TYPE: &str = "multipart/form-data; boundary=b";

fn read(body: &str) -> Result<String, InvalidMultipart> {
    parse(TYPE, body.as_bytes()).map(|form| form.unwrap().to_string())
}

fn part(headers: &str, content: &str) -> String {
    format!("--b\r\n{headers}\r\n\r\n{content}\r\n")
}

fn field(name: &str, content: &str) -> String {
    part(
        &format!("Content-Disposition: form-data; name=\"{name}\""),
        content,
    )
}

#[test]
fn fields_are_lists_by_name() {
    let body = [
        field("a", "1"),
        field("b", "x\r\ny"),
        field("a", "2"),
        "--b--\r\n".to_owned(),
    ];
    assert_eq!(
        read(&body.concat()).unwrap(),
        r#"{"a":["1","2"],"b":["x\r\ny"]}"#
    );
}

#[test]
fn parts_are_read_by_their_own_type() {
    let disposition = "Content-Disposition: form-data; name=\"j\"";
    let json = part(
        &format!("{disposition}\r\nContent-Type: application/json"),
        "{\"a\":1}",
    );
    assert_eq!(read(&format!("{json}--b--")).unwrap(), r#"{"j":[{"a":1}]}"#);

    let file = part(
        "content-disposition: form-data; name=f; filename=\"x.bin\"\r\ncontent-type: image/png",
        "\u{1}\u{2}",
    );
    assert_eq!(
        read(&format!("{file}--b--")).unwrap(),
        "{\"f\":[\"\\u0001\\u0002\"]}"
    );

    let broken = part(
        &format!("{disposition}\r\nContent-Type: application/json"),
        "{",
    );
    assert!(matches!(
        read(&format!("{broken}--b--")),
        Err(InvalidMultipart::Json(_))
    ));
}

#[test]
fn empty_parts_preamble_and_epilogue_are_no_trouble() {
    assert_eq!(
        read(&format!("{}--b--", field("a", ""))).unwrap(),
        r#"{"a":[""]}"#
    );
    let joined = "--b\r\nContent-Disposition: form-data; name=a\r\n\r\n--b--";
    assert_eq!(read(joined).unwrap(), r#"{"a":[""]}"#);
    assert_eq!(read("--b\r\n\r\nno headers\r\n--b--").unwrap(), "{}");
    assert_eq!(read("--b\r\n\r\n--b--").unwrap(), "{}");
    assert_eq!(read("--b--").unwrap(), "{}");
    let padded = format!("preamble\r\n{}--b-- \r\nepilogue", field("a", "1"));
    assert_eq!(read(&padded).unwrap(), r#"{"a":["1"]}"#);
    let padding = field("a", "1").replacen("--b", "--b \t", 1);
    assert_eq!(read(&format!("{padding}--b--")).unwrap(), r#"{"a":["1"]}"#);
}

#[test]
fn parts_without_a_form_name_are_left_out() {
    for headers in [
        "X-A: 1",
        "Content-Disposition: attachment; name=a",
        "Content-Disposition: form-data",
        "Content-Disposition: form-data; name=\"\"",
        "Content-Disposition: form-data; filename=name",
    ] {
        assert_eq!(
            read(&format!("{}--b--", part(headers, "1"))).unwrap(),
            "{}",
            "{headers}"
        );
    }
}

#[test]
fn a_longer_boundary_in_the_content_is_content() {
    let body = format!("{}--b--", field("a", "1\r\n--bb\r\n2"));
    assert_eq!(read(&body).unwrap(), r#"{"a":["1\r\n--bb\r\n2"]}"#);
}

#[test]
fn a_broken_frame_is_refused() {
    use InvalidMultipart as E;
    let disposition = "Content-Disposition: form-data; name=a";
    for (body, rule) in [
        (String::new(), E::End),
        ("x".to_owned(), E::End),
        ("--b\r\n".to_owned(), E::End),
        ("--b".to_owned(), E::End),
        (field("a", "1"), E::End),
        (format!("--b\r\n{disposition}\r\n\r\n1\r\n--c--"), E::End),
        (format!("--b\n{disposition}\n\n1\n--b--"), E::End),
        (
            format!("--b x\r\n{disposition}\r\n\r\n1\r\n--b--"),
            E::BoundaryLine,
        ),
        (format!("{}--b-x", field("a", "1")), E::BoundaryLine),
    ] {
        assert_eq!(read(&body), Err(rule), "{body:?}");
    }
}

#[test]
fn a_part_that_readers_may_read_differently_is_refused() {
    use InvalidMultipart as E;
    let plain = "Content-Disposition: form-data; name=a";
    for (headers, rule) in [
        ("no header".to_owned(), E::Header),
        (format!("{plain}\r\n folded"), E::Header),
        (format!("{plain}\r\n{plain}"), E::Header),
        (format!("{plain}\nX-A: 1"), E::Header),
        (plain.replace(':', " :"), E::Header),
        (
            format!("{plain}\r\nContent-Transfer-Encoding: quoted-printable"),
            E::TransferEncoding,
        ),
        (
            format!("{plain}; name=b"),
            E::Disposition(InvalidParameters::Repeated),
        ),
        (
            plain.replace("name=", "name*=utf-8''"),
            E::Disposition(InvalidParameters::Extended),
        ),
    ] {
        let body = format!("{}--b--", part(&headers, "1"));
        assert_eq!(read(&body), Err(rule), "{body:?}");
    }
    let body = format!(
        "{}--b--",
        part(&format!("{plain}\r\nContent-Transfer-Encoding: 8BIT"), "1")
    );
    assert_eq!(read(&body).unwrap(), r#"{"a":["1"]}"#);
}

#[test]
fn without_a_boundary_there_is_nothing_to_read() {
    assert_eq!(parse("multipart/form-data", b"x"), Ok(None));
    let broken = [
        ("multipart/form-data; boundary", InvalidParameters::Syntax),
        (
            "multipart/form-data; boundary=\"\"",
            InvalidParameters::Syntax,
        ),
        (
            "multipart/form-data; boundary=a; boundary=b",
            InvalidParameters::Repeated,
        ),
    ];
    for (content_type, rule) in broken {
        let refused = parse(content_type, b"--b--").unwrap_err();
        assert_eq!(
            refused,
            InvalidMultipart::ContentType(rule),
            "{content_type}"
        );
    }
}

proptest! {
    #[test]
    fn any_bytes_are_read_or_refused(pieces in prop::collection::vec(prop_oneof![
        Just("--b"), Just("\r\n"), Just("--"), Just("Content-Disposition: form-data; name=a"),
        Just("\r\n\r\n"), Just("x"), Just("\n"), Just(" "), Just("é"),
    ], 0..24)) {
        drop(parse(TYPE, pieces.concat().as_bytes()));
    }
}
