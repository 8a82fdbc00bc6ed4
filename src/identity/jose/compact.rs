//! The compact serialization: three parts of strict base64url, joined by dots (RFC 7515, section 7.1).

use super::{InvalidJson, JsonObject};

/// A token taken apart; nothing in it is proven.
#[derive(Debug)]
pub struct Jws<'t> {
    /// The JOSE header.
    pub header: JsonObject,
    /// The JOSE header as its JSON text.
    pub header_json: Vec<u8>,
    /// What is signed, decoded.
    pub payload: Vec<u8>,
    /// The bytes that the signature covers.
    pub signing_input: &'t [u8],
    /// The signature.
    pub signature: Vec<u8>,
}

/// Why a text is no compact JWS.
#[derive(Debug, thiserror::Error)]
pub enum InvalidJws {
    /// Not three parts; five are a JWE.
    #[error("not three parts joined by dots")]
    Parts,
    /// A part is not base64url without padding, in its one canonical form.
    #[error("a part is not base64url")]
    Base64,
    /// The header.
    #[error("the header is not valid")]
    Header(#[source] InvalidJson),
}

impl<'t> Jws<'t> {
    /// Takes a token apart.
    pub fn parse(token: &'t str) -> Result<Self, InvalidJws> {
        let _ = token;
        todo!("jose")
    }
}
