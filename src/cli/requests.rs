//! Saved CheckRequests in any of the forms people have them: wire bytes, proto JSON, or a capture
//! that holds the proto JSON under `check_request`.

use std::{fs, io::Read, path::Path};

use anyhow::{Context, Result, bail};
use prost::Message;
use prost_reflect::{DescriptorPool, DeserializeOptions, DynamicMessage, MessageDescriptor};
use serde_json::Value;

use crate::descriptors;

/// Reads one request into wire bytes; `-` is standard input.
pub(super) fn read(path: &Path) -> Result<Vec<u8>> {
    wire(file(path)?)
}

/// The bytes of a file; `-` is standard input.
pub(super) fn file(path: &Path) -> Result<Vec<u8>> {
    if path == Path::new("-") {
        let mut bytes = Vec::new();
        std::io::stdin().lock().read_to_end(&mut bytes)?;
        return Ok(bytes);
    }
    Ok(fs::read(path)?)
}

/// Wire bytes of a request in any form.
pub(super) fn wire(bytes: Vec<u8>) -> Result<Vec<u8>> {
    let json = bytes.trim_ascii_start().first() == Some(&b'{');
    if json { from_json(&bytes) } else { Ok(bytes) }
}

/// Wire bytes of a request in proto JSON.
fn from_json(bytes: &[u8]) -> Result<Vec<u8>> {
    let mut value: Value = serde_json::from_slice(bytes).context("not valid JSON")?;
    if let Some(request) = value.get_mut("check_request") {
        value = request.take();
    }
    if !value.is_object() {
        bail!("a CheckRequest is a JSON object");
    }
    let strict = DeserializeOptions::new().deny_unknown_fields(true);
    let message = DynamicMessage::deserialize_with_options(
        message("envoy.service.auth.v3.CheckRequest")?,
        value,
        &strict,
    )
    .context("not a CheckRequest in proto JSON")?;
    Ok(message.encode_to_vec())
}

/// A CheckResponse in proto JSON.
pub(super) fn response_json(bytes: &[u8]) -> Result<Value> {
    let descriptor = message("envoy.service.auth.v3.CheckResponse")?;
    let response = DynamicMessage::decode(descriptor, bytes)?;
    Ok(serde_json::to_value(response)?)
}

fn message(name: &str) -> Result<MessageDescriptor> {
    let pool = DescriptorPool::decode(descriptors::AUTHORIZATION)?;
    pool.get_message_by_name(name)
        .with_context(|| format!("no message `{name}` in the descriptors"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const CAPTURES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/captures");

    #[test]
    fn every_capture_reads_the_same_from_wire_bytes_and_from_json() {
        let mut compared = 0;
        for entry in fs::read_dir(CAPTURES).unwrap() {
            let json = entry.unwrap().path();
            if json.extension().is_none_or(|e| e != "json") {
                continue;
            }
            let descriptor = message("envoy.service.auth.v3.CheckRequest").unwrap();
            let decode =
                |bytes: Vec<u8>| DynamicMessage::decode(descriptor.clone(), &*bytes).unwrap();
            let from_json = decode(read(&json).unwrap());
            let from_wire = decode(read(&json.with_extension("pb")).unwrap());
            assert_eq!(from_json, from_wire, "{}", json.display());
            compared += 1;
        }
        assert!(compared >= 30, "only {compared} captures found");
    }

    #[test]
    fn json_that_is_no_check_request_is_refused() {
        for text in [
            r#"{"atributes":{}}"#,
            r#"{"attributes":1}"#,
            "{",
            r#"{"check_request":3}"#,
        ] {
            assert!(from_json(text.as_bytes()).is_err(), "{text}");
        }
    }
}
