//! Any text as `x-forwarded-client-cert`: a caller is named only by a whole header, and what a client
//! sends before the proxy's own element never changes who that is.
#![no_main]

use libfuzzer_sys::fuzz_target;
use portcullis::{
    identity::{Identity, Xfcc},
    request::RequestView,
};
use portcullis_fuzz::with_header;

const PEER: &str = "spiffe://a.b/ns/x/sa/peer";
const CALLER: &str = "spiffe://a.b/ns/x/sa/caller";

/// Whom a request of `principal` with this header is of.
fn named(principal: &str, header: &str, xfcc: Xfcc) -> String {
    let request = with_header(principal, "x-forwarded-client-cert", header);
    let view = RequestView::parse(&request).expect("a request");
    let identity = Identity::of(&view, xfcc);
    let id = identity.peer.map(|peer| peer.id());
    assert_eq!(id.unwrap_or_default(), identity.principal, "half a caller");
    identity.principal.to_owned()
}

fuzz_target!(|text: &str| {
    let alone = named("", text, Xfcc::Trusted);
    assert!(text.contains(&alone), "{alone} out of {text}");
    assert_eq!(named("", text, Xfcc::Ignored), "");
    for xfcc in [Xfcc::Trusted, Xfcc::Ignored] {
        assert_eq!(named(PEER, text, xfcc), PEER);
    }
    let last = format!("{text},By={PEER};URI={CALLER}");
    let behind = named("", &last, Xfcc::Trusted);
    assert!(behind.is_empty() || behind == CALLER, "{behind} out of {last}");
});
