//! `portcullis.observe`: an address that others can reach is guarded, or it is an error.

use portcullis::config::{Config, ListenAddr, Observe, ObserveAddr};
use tempfile::TempDir;

use super::load_file;

fn read(section: &str) -> Result<Config, String> {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("config.yaml");
    std::fs::write(&path, format!("portcullis:\n  observe: {section}\n")).unwrap();
    load_file(&path, &[]).map_err(|error| error.to_string())
}

const MUTUAL: &str = "tls: {cert_file: /c, key_file: /k, client_ca_file: /ca, \
                      allowed_callers: [\"spiffe://cluster.local/ns/ops/*\"]}";

#[test]
fn without_a_word_decisions_are_shown_at_the_usual_address() {
    let config = Config::default();
    assert_eq!(config.portcullis.observe, Observe::default());
    assert_eq!(read("{}").unwrap().portcullis.observe, Observe::default());
    let usual: ListenAddr = "127.0.0.1:9292".parse().unwrap();
    assert_eq!(ObserveAddr::Usual.address(), Some(usual));
    let off = read("{addr: off}").unwrap().portcullis.observe.addr;
    assert_eq!((&off, off.address()), (&ObserveAddr::Off, None));
}

#[test]
fn an_address_of_this_machine_needs_no_guard_and_any_other_does() {
    for addr in [
        "127.0.0.1:1",
        "127.1.2.3:1",
        "[::1]:1",
        "localhost:1",
        "unix:///run/o.sock",
    ] {
        let config = read(&format!("{{addr: \"{addr}\"}}")).unwrap();
        let want = ObserveAddr::At(addr.parse().unwrap());
        assert_eq!(config.portcullis.observe.addr, want);
    }
    for addr in [
        ":1",
        "0.0.0.0:1",
        "[::]:1",
        "10.0.0.1:1",
        "gate.example.org:1",
        "localhost.example.org:1",
    ] {
        for tls in [
            "",
            ", tls: {cert_file: /c, key_file: /k}",
            ", tls: {cert_file: /c, key_file: /k, client_ca_file: /ca}",
        ] {
            let error = read(&format!("{{addr: \"{addr}\"{tls}}}")).unwrap_err();
            assert!(error.contains("portcullis.observe.addr: "), "{error}");
            assert!(error.contains("can be reached from elsewhere"), "{error}");
        }
        let guarded = read(&format!("{{addr: \"{addr}\", {MUTUAL}}}")).unwrap();
        assert!(guarded.portcullis.observe.tls.unwrap().knows_callers());
    }
}

#[test]
fn what_cannot_be_meant_is_an_error() {
    let socket = format!("{{addr: \"unix:///run/o.sock\", {MUTUAL}}}");
    for (section, rule) in [
        (
            "{addr: \"unix://@name\"}",
            "an abstract socket has no permissions",
        ),
        (socket.as_str(), "a Unix socket is not served with TLS"),
        ("{capacity: 0}", "must be an integer from 1 to 100000"),
        ("{record: some}", "must be one of `all`, `refused`"),
        ("{adr: off}", "did you mean `addr`?"),
        ("{addr: \":8282\"}", "is where the admin port is"),
        ("{addr: \":9191\"}", "is where checks are answered"),
    ] {
        let error = read(section).unwrap_err();
        assert!(error.contains(rule), "{error}");
    }
}
