//! The compact serialization: three parts of strict base64url, joined by dots (RFC 7515, section 7.1).

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};

use super::{InvalidJson, JsonObject, object};

/// A token taken apart; nothing in it is proven.
#[derive(Debug)]
pub struct Jws<'t> {
    /// The JOSE header.
    pub header: JsonObject,
    /// The JOSE header as its JSON text.
    pub header_json: Vec<u8>,
    /// What is signed, decoded. Any bytes: that it is JSON is for its reader to see.
    pub payload: Vec<u8>,
    /// The bytes that the signature covers.
    pub signing_input: &'t [u8],
    /// The signature; it may be empty, and then verifies with no key.
    pub signature: Vec<u8>,
}

/// Why a text is no compact JWS.
#[derive(Debug, thiserror::Error)]
pub enum InvalidJws {
    /// Not three parts; five are a JWE.
    #[error("not three parts joined by dots")]
    Parts,
    /// A part is not base64url without padding, in its one canonical form.
    #[error("the {0} is not base64url in its canonical form, without padding")]
    Base64(&'static str),
    /// The header.
    #[error("the header is not valid")]
    Header(#[source] InvalidJson),
}

impl<'t> Jws<'t> {
    /// Takes a token apart.
    pub fn parse(token: &'t str) -> Result<Self, InvalidJws> {
        let (signing_input, signature) = token.rsplit_once('.').ok_or(InvalidJws::Parts)?;
        let (header, payload) = signing_input.split_once('.').ok_or(InvalidJws::Parts)?;
        if payload.contains('.') {
            return Err(InvalidJws::Parts);
        }
        let header_json = decode("header", header)?;
        Ok(Self {
            header: object(&header_json).map_err(InvalidJws::Header)?,
            header_json,
            payload: decode("payload", payload)?,
            signing_input: signing_input.as_bytes(),
            signature: decode("signature", signature)?,
        })
    }
}

/// The engine refuses padding, white space, the standard alphabet and bits behind the last byte, so
/// that one value has one text and a token cannot be varied without breaking its signature.
fn decode(part: &'static str, text: &str) -> Result<Vec<u8>, InvalidJws> {
    URL_SAFE_NO_PAD
        .decode(text)
        .map_err(|_| InvalidJws::Base64(part))
}

#[cfg(test)]
mod tests;
