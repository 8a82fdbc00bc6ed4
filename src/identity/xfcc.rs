//! `x-forwarded-client-cert`: the caller's identity where Envoy has no principal of its own.
//!
//! An ambient waypoint ends no mTLS connection itself, so `source.principal` is empty there; with the
//! annotation `ambient.istio.io/xfcc-include-client-identity` it writes the caller into this header
//! instead. Elsewhere a caller can send the header, so it is read only where configuration says that
//! it is overwritten.
//!
//! Promises: only the last element counts, which is the one the proxy itself wrote; when it is not well-formed,
//! or a quote of the whole header is left open, nothing is proven, so that no earlier element can reach
//! into the last one.

/// Whether `x-forwarded-client-cert` proves who calls.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Xfcc {
    /// It is a header like any other.
    #[default]
    Ignored,
    /// Its last element names the caller when Envoy names no principal.
    Trusted,
}

impl Xfcc {
    /// The header.
    pub const HEADER: &str = "x-forwarded-client-cert";
}

/// The one `URI` of the last element.
pub(super) fn last_uri(header: &str) -> Option<&str> {
    let mut uri = None;
    for pair in pairs(split(header, ',')?.pop()?)? {
        let (key, value) = pair.split_once('=')?;
        let known = KEYS.iter().any(|known| known.eq_ignore_ascii_case(key));
        if !known {
            return None;
        }
        if key.eq_ignore_ascii_case("uri") && uri.replace(unquoted(value)?).is_some() {
            return None;
        }
    }
    uri.filter(|uri| !uri.is_empty())
}

fn pairs(element: &str) -> Option<Vec<&str>> {
    split(element.trim_matches(' '), ';')
}

/// The parts between separators that stand outside quotes; `None` when a quote is left open.
fn split(text: &str, separator: char) -> Option<Vec<&str>> {
    let (mut quoted, mut escaped) = (false, false);
    let parts = text.split(|c: char| {
        let was_escaped = std::mem::take(&mut escaped);
        match c {
            '"' if !was_escaped => quoted = !quoted,
            '\\' if quoted && !was_escaped => escaped = true,
            _ => {}
        }
        c == separator && !quoted
    });
    let parts = parts.collect();
    (!quoted).then_some(parts)
}

/// A value without its quotes; nothing in a SPIFFE ID needs an escape.
fn unquoted(value: &str) -> Option<&str> {
    let inner = match value.strip_prefix('"') {
        Some(rest) => rest.strip_suffix('"')?,
        None => value,
    };
    (!inner.contains(['"', '\\'])).then_some(inner)
}

/// The keys that Envoy writes.
const KEYS: [&str; 7] = ["By", "Hash", "Cert", "Chain", "Subject", "URI", "DNS"];

#[cfg(test)]
mod tests {
    use super::*;

    const OURS: &str = "By=spiffe://a.b/ns/x/sa/wp;URI=spiffe://a.b/ns/x/sa/y";

    #[test]
    fn the_last_element_names_the_caller() {
        for header in [
            OURS.to_owned(),
            format!("URI=spiffe://a.b/ns/evil/sa/root,{OURS}"),
            format!("By=x;Subject=\"CN=a, b\";URI=spiffe://a.b/ns/evil/sa/root, {OURS}"),
            OURS.replace("URI=", "uri="),
            OURS.replace(
                "URI=spiffe://a.b/ns/x/sa/y",
                "URI=\"spiffe://a.b/ns/x/sa/y\"",
            ),
            format!("{OURS};Subject=\"O=\\\"x\\\", URI=spiffe://evil\";Hash=ab"),
        ] {
            assert_eq!(
                last_uri(&header),
                Some("spiffe://a.b/ns/x/sa/y"),
                "{header}"
            );
        }
    }

    #[test]
    fn a_header_that_is_not_whole_proves_nothing() {
        for header in [
            String::new(),
            ",".to_owned(),
            format!("{OURS},"),
            format!("{OURS},By=x"),
            format!("{OURS};URI=spiffe://a.b/ns/x/sa/z"),
            format!("{OURS};"),
            format!("{OURS};Evil=1"),
            format!("x=\",{OURS}"),
            format!("x=\"\\\",{OURS}"),
            format!("x=\",{OURS};Subject=\"CN=a,URI=spiffe://a.b/ns/evil/sa/root\""),
            format!("{OURS};Subject=\"CN=a"),
            "URI=".to_owned(),
            "URI=\"a\\\"b\"".to_owned(),
            "URI=\"a".to_owned(),
            "URI".to_owned(),
        ] {
            assert_eq!(last_uri(&header), None, "{header}");
        }
    }

    proptest::proptest! {
        #[test]
        fn whatever_a_caller_sends_first_never_changes_who_it_is(sent in r#"[a-zU="\\;,R I:/]{0,40}"#) {
            let header = format!("{sent},{OURS}");
            let uri = last_uri(&header);
            proptest::prop_assert!(uri.is_none() || uri == Some("spiffe://a.b/ns/x/sa/y"), "{header} {uri:?}");
        }
    }
}
