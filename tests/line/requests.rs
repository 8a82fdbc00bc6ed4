//! Requests: the captures of a real Envoy, and captures with one thing changed.

use std::{fs, path::PathBuf};

use envoy_types::pb::envoy::service::auth::v3::{
    CheckRequest,
    attribute_context::{HttpRequest, Peer},
};
use prost::Message as _;

/// A GET from `spiffe://cluster.local/ns/foo/sa/sleep`.
pub(crate) const GET: &str = "http1-mtls-get";
/// A POST with a JSON body from the same workload.
pub(crate) const POST: &str = "http2-mtls-json-body";

/// Every capture, as wire bytes.
pub(crate) fn captures() -> Vec<(String, Vec<u8>)> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/captures");
    let paths = fs::read_dir(folder).unwrap().map(|e| e.unwrap().path());
    let mut captures: Vec<_> = paths
        .filter(|path| path.extension().is_some_and(|e| e == "pb"))
        .map(|path| {
            let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
            (name, fs::read(&path).unwrap())
        })
        .collect();
    captures.sort();
    assert!(captures.len() > 30, "the captures are not there");
    captures
}

/// One capture.
pub(crate) fn capture(name: &str) -> CheckRequest {
    let (_, bytes) = captures().into_iter().find(|(n, _)| n == name).unwrap();
    CheckRequest::decode(bytes.as_slice()).unwrap()
}

/// A capture with its HTTP request changed.
pub(crate) fn http(name: &str, change: impl FnOnce(&mut HttpRequest)) -> Vec<u8> {
    let mut request = capture(name);
    let attributes = request.attributes.as_mut().unwrap();
    let inner = attributes.request.as_mut().unwrap();
    change(inner.http.as_mut().unwrap());
    request.encode_to_vec()
}

/// A GET of `path`.
pub(crate) fn path(path: &str) -> Vec<u8> {
    http(GET, |http| path.clone_into(&mut http.path))
}

/// A GET whose caller presents `principal`.
pub(crate) fn principal(principal: &str) -> Vec<u8> {
    let mut request = capture(GET);
    set_principal(&mut request, principal);
    request.encode_to_vec()
}

/// Makes `principal` the caller.
pub(crate) fn set_principal(request: &mut CheckRequest, principal: &str) {
    let attributes = request.attributes.as_mut().unwrap();
    let source = attributes.source.get_or_insert_with(Peer::default);
    principal.clone_into(&mut source.principal);
}

/// Asks `host`.
pub(crate) fn set_host(request: &mut CheckRequest, host: &str) {
    let attributes = request.attributes.as_mut().unwrap();
    let http = attributes.request.as_mut().unwrap().http.as_mut().unwrap();
    host.clone_into(&mut http.host);
}

/// A length-delimited protobuf field.
pub(crate) fn field(number: u32, content: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    prost::encoding::encode_key(number, prost::encoding::WireType::LengthDelimited, &mut out);
    let length = u64::try_from(content.len()).unwrap();
    prost::encoding::encode_varint(length, &mut out);
    out.extend_from_slice(content);
    out
}

/// `content` as `attributes.request.http` of a request with nothing else.
pub(crate) fn raw_http(content: &[u8]) -> Vec<u8> {
    field(1, &field(4, &field(2, content)))
}
