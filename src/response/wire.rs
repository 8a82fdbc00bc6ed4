//! Writing protobuf fields: just what the parts of a `CheckResponse` need that are written by hand.
//!
//! prost would write the same, but from structs that own their text and, for maps, in a random
//! order; a response is the same bytes every time.

use prost::encoding::{WireType, encode_key, encode_varint};

/// A varint field.
pub(super) fn varint(out: &mut Vec<u8>, tag: u32, value: u64) {
    encode_key(tag, WireType::Varint, out);
    encode_varint(value, out);
}

/// A double field.
pub(super) fn double(out: &mut Vec<u8>, tag: u32, value: f64) {
    encode_key(tag, WireType::SixtyFourBit, out);
    out.extend_from_slice(&value.to_le_bytes());
}

/// A string or bytes field.
pub(super) fn bytes(out: &mut Vec<u8>, tag: u32, value: &[u8]) {
    encode_key(tag, WireType::LengthDelimited, out);
    // usize is never wider than u64 where this runs.
    encode_varint(u64::try_from(value.len()).unwrap_or(u64::MAX), out);
    out.extend_from_slice(value);
}

/// A message field whose content `write` appends.
pub(super) fn message(out: &mut Vec<u8>, tag: u32, write: impl FnOnce(&mut Vec<u8>)) {
    encode_key(tag, WireType::LengthDelimited, out);
    let start = out.len();
    // Room for the length of a short message; a longer one is moved up.
    out.push(0);
    let content = out.len();
    write(out);
    let length = u64::try_from(out.len().saturating_sub(content)).unwrap_or(u64::MAX);
    if let (Ok(short @ 0..0x80), Some(place)) = (u8::try_from(length), out.get_mut(start)) {
        *place = short;
        return;
    }
    let mut varint = Vec::with_capacity(10);
    encode_varint(length, &mut varint);
    out.splice(start..content, varint);
}
