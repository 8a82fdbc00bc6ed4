//! JSON as JOSE wants it: one object, and no name twice (RFC 7515, section 4).

/// An object with its members.
pub type JsonObject = serde_json::Map<String, serde_json::Value>;

/// Why a text is no such object.
#[derive(Debug, thiserror::Error)]
#[error("not a JSON object with unique names")]
pub struct InvalidJson(#[source] pub(super) serde_json::Error);

/// Reads one object; a name that comes twice, at any depth, is refused.
pub fn object(text: &[u8]) -> Result<JsonObject, InvalidJson> {
    let _ = text;
    todo!("jose")
}
