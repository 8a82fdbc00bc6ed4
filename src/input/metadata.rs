//! `metadataContext` and `routeMetadataContext`: `Struct` as plain JSON, `Any` as type and bytes.
//!
//! Structs are decoded here, straight into values and only as far as they are read. A claim that
//! is a whole number becomes an integer, although protobuf carries it as a double.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use regorus::Value;

use super::{
    Encoding, InvalidInput, Reads,
    attributes::rfc3339,
    jwt_authn,
    select::{Fields, Pick, Slot, text},
    token::TokenDocument,
};
use crate::request::{Cursor, Metadata, Time, WireError, message_entry};

/// Why a metadata value cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidMetadata {
    /// It does not decode.
    #[error("it does not decode")]
    Undecodable(#[from] WireError),
    /// Deeper than protobuf readers go.
    #[error("it is nested deeper than {MAX_DEPTH} levels")]
    TooDeep,
}

/// What to build of a `Metadata` message.
#[derive(Debug)]
pub(super) struct MetadataPlan {
    filter: Slot<Pick>,
    typed: Slot<Pick>,
    any: AnyPlan,
    /// Whether `fields` is wanted of the `jwt_authn` filter's metadata.
    jwt_fields: bool,
}

impl MetadataPlan {
    /// The plan for `metadataContext`.
    pub(super) fn of_request(reads: &Reads, encoding: Encoding) -> Self {
        let mut plan = Self::of_route(reads, encoding);
        plan.filter = Slot::new(reads, "filterMetadata", |reads| {
            Pick::new(&jwt_authn::with_payload(reads))
        });
        plan.jwt_fields = true;
        plan
    }

    /// The plan for `routeMetadataContext`, where no filter puts claims.
    pub(super) fn of_route(reads: &Reads, encoding: Encoding) -> Self {
        Self {
            filter: Slot::new(reads, "filterMetadata", Pick::new),
            typed: Slot::new(reads, "typedFilterMetadata", Pick::new),
            any: AnyPlan::new(&Reads::Everything, encoding),
            jwt_fields: false,
        }
    }

    /// The plan for logs: everything, in one spelling; with claims where they may be.
    pub(super) fn logged(encoding: Encoding, claims: bool) -> Self {
        let keys = ["filterMetadata", "typedFilterMetadata"];
        let reads = only(&keys);
        let mut plan = if claims {
            Self::of_request(&reads, encoding)
        } else {
            Self::of_route(&reads, encoding)
        };
        plan.any = AnyPlan::new(&only(&["typeUrl", "@type", "value"]), encoding);
        plan
    }

    /// Whether claims of a verified token are wanted.
    pub(super) fn wants_claims(&self) -> bool {
        let namespace = self.filter.plan.find(jwt_authn::NAMESPACE);
        self.jwt_fields && self.filter.wanted() && namespace.is_some()
    }

    pub(super) fn build(
        &self,
        metadata: &Metadata<'_>,
        token: Option<&TokenDocument>,
    ) -> Result<Value, InvalidInput> {
        let mut fields = Fields::default();
        let token = token.filter(|_| self.wants_claims());
        if (!metadata.filter.is_empty() || token.is_some()) && self.filter.wanted() {
            let mut namespaces = each(&self.filter.plan, &metadata.filter, |name, bytes, pick| {
                let mut object = object(bytes, pick, MAX_DEPTH)?;
                if self.jwt_fields && name == jwt_authn::NAMESPACE {
                    jwt_authn::add_fields(&mut object, token);
                }
                Ok(object.into())
            })?;
            if let Some(token) = token {
                let key = text(jwt_authn::NAMESPACE);
                namespaces
                    .0
                    .entry(key)
                    .or_insert_with(|| token.jwt_authn.clone());
            }
            self.filter.put(&mut fields, namespaces.into());
        }
        if !metadata.typed.is_empty() && self.typed.wanted() {
            let namespaces = each(&self.typed.plan, &metadata.typed, |_, bytes, _| {
                self.any.build(bytes)
            })?;
            self.typed.put(&mut fields, namespaces.into());
        }
        Ok(fields.into())
    }
}

/// These keys with everything under them.
fn only(keys: &[&str]) -> Reads {
    let keys = keys.iter().map(|key| ((*key).into(), Reads::Everything));
    Reads::Keys(keys.collect())
}

/// Builds the wanted namespaces; of equal names the last counts.
fn each<'a>(
    pick: &Pick,
    namespaces: &[(&'a str, &'a [u8])],
    build: impl Fn(&'a str, &'a [u8], &Pick) -> Result<Value, InvalidMetadata>,
) -> Result<Fields, InvalidInput> {
    let mut fields = Fields::default();
    for &(name, bytes) in namespaces {
        if let Some((key, rest)) = pick.find(name) {
            let value = build(name, bytes, rest).map_err(|source| InvalidInput::Metadata {
                namespace: name.into(),
                source,
            })?;
            fields.0.insert(key, value);
        }
    }
    Ok(fields)
}

/// The wanted fields of a `google.protobuf.Struct`.
fn object(message: &[u8], pick: &Pick, depth: usize) -> Result<Fields, InvalidMetadata> {
    let depth = depth.checked_sub(1).ok_or(InvalidMetadata::TooDeep)?;
    let mut fields = Fields::default();
    let mut cursor = Cursor::new(message);
    while let Some((number, field)) = cursor.next()? {
        if number != 1 {
            continue;
        }
        let (key, bytes) = message_entry(field.bytes()?)?;
        if let Some((key, rest)) = pick.find(key) {
            fields.0.insert(key, value(bytes, rest, depth)?);
        }
    }
    Ok(fields)
}

/// A `google.protobuf.Value`. Without any kind it is null, as the reference has it.
///
/// Two kinds would have to be merged; nothing writes that, so it is refused.
fn value(message: &[u8], pick: &Pick, depth: usize) -> Result<Value, InvalidMetadata> {
    let mut kind = None;
    let mut cursor = Cursor::new(message);
    while let Some((number, field)) = cursor.next()? {
        let read = match number {
            1 => field.varint().map(|_| Value::Null)?,
            2 => double(field.double()?),
            3 => text(field.text()?),
            4 => Value::Bool(field.varint()? != 0),
            5 => object(field.bytes()?, pick, depth)?.into(),
            6 => list(field.bytes()?, depth)?,
            _ => continue,
        };
        if kind.replace(read).is_some() {
            return Err(WireError::Repeated.into());
        }
    }
    Ok(kind.unwrap_or(Value::Null))
}

/// A `google.protobuf.ListValue`, whole: a reference into it may have any index.
fn list(message: &[u8], depth: usize) -> Result<Value, InvalidMetadata> {
    let depth = depth.checked_sub(1).ok_or(InvalidMetadata::TooDeep)?;
    let mut items = Vec::new();
    let mut cursor = Cursor::new(message);
    while let Some((number, field)) = cursor.next()? {
        if number == 1 {
            items.push(value(field.bytes()?, &Pick::All, depth)?);
        }
    }
    Ok(Value::from(items))
}

/// A number; the ones JSON cannot express become the strings that proto JSON has for them.
fn double(number: f64) -> Value {
    if number.is_nan() {
        return text("NaN");
    }
    if number.is_infinite() {
        return text(if number > 0.0 {
            "Infinity"
        } else {
            "-Infinity"
        });
    }
    if number.fract() != 0.0 {
        return Value::from(number);
    }
    if number.abs() < I64_RANGE {
        #[expect(
            clippy::as_conversions,
            clippy::cast_possible_truncation,
            reason = "a whole number within the range of i64 converts exactly"
        )]
        return Value::from(number as i64);
    }
    Value::from_numeric_string(&format!("{number:.0}")).unwrap_or_else(|_| Value::from(number))
}

/// What to build of a `google.protobuf.Any`: always the whole of it, it has two fields.
#[derive(Debug)]
struct AnyPlan {
    type_url: Slot,
    value: Slot,
    encoding: Encoding,
}

impl AnyPlan {
    fn new(reads: &Reads, encoding: Encoding) -> Self {
        let type_url = match encoding {
            Encoding::Reference => "typeUrl",
            Encoding::ProtoJson => "@type",
        };
        Self {
            type_url: Slot::leaf(reads, type_url),
            value: Slot::leaf(reads, "value"),
            encoding,
        }
    }

    fn build(&self, message: &[u8]) -> Result<Value, InvalidMetadata> {
        let (mut type_url, mut bytes) = ("", &[][..]);
        let mut cursor = Cursor::new(message);
        while let Some((number, field)) = cursor.next()? {
            match number {
                1 => type_url = field.text()?,
                2 => bytes = field.bytes()?,
                _ => {}
            }
        }
        let mut fields = Fields::default();
        self.type_url.put_text(&mut fields, type_url);
        let expanded = match self.encoding {
            Encoding::Reference => None,
            Encoding::ProtoJson => well_known(type_url, bytes)?,
        };
        if let Some(expanded) = expanded {
            self.value.put(&mut fields, expanded);
        } else if !bytes.is_empty() {
            self.value.put(&mut fields, text(&STANDARD.encode(bytes)));
        }
        Ok(fields.into())
    }
}

/// The proto JSON form of the well-known types that stand in metadata.
///
/// Other messages would need their descriptors, which nothing supplies; they stay base64.
fn well_known(type_url: &str, bytes: &[u8]) -> Result<Option<Value>, InvalidMetadata> {
    let (_, name) = type_url.rsplit_once('/').unwrap_or(("", type_url));
    Ok(Some(match name {
        "google.protobuf.Struct" => object(bytes, &Pick::All, MAX_DEPTH)?.into(),
        "google.protobuf.ListValue" => list(bytes, MAX_DEPTH)?,
        "google.protobuf.Value" => value(bytes, &Pick::All, MAX_DEPTH)?,
        "google.protobuf.StringValue" => {
            let mut content = "";
            let mut cursor = Cursor::new(bytes);
            while let Some((number, field)) = cursor.next()? {
                if number == 1 {
                    content = field.text()?;
                }
            }
            text(content)
        }
        "google.protobuf.Timestamp" => {
            let mut time = Time::default();
            time.merge(bytes)?;
            text(&rfc3339(time))
        }
        _ => return Ok(None),
    }))
}

/// The deepest nesting of objects and lists in metadata; protobuf readers stop at about the same.
const MAX_DEPTH: usize = 32;
/// 2^63.
const I64_RANGE: f64 = 9_223_372_036_854_775_808.0;

#[cfg(test)]
mod tests;
