//! `AttributeContext` and its small messages, merged field by field like [`super::peer`].

use super::{
    InvalidRequest, at,
    http::Http,
    peer::Peer,
    wire::{Cursor, Field, WireError, message_entry, text_entry},
};

/// `AttributeContext`.
#[derive(Debug, Default)]
pub(crate) struct Attributes<'a> {
    pub(crate) source: Option<Peer<'a>>,
    pub(crate) destination: Option<Peer<'a>>,
    pub(crate) request: Option<Request<'a>>,
    /// In wire order; of equal keys the last counts.
    pub(crate) context_extensions: Vec<(&'a str, &'a str)>,
    pub(crate) metadata_context: Option<Metadata<'a>>,
    pub(crate) route_metadata_context: Option<Metadata<'a>>,
    /// `tls_session.sni`.
    pub(crate) tls_session: Option<&'a str>,
}

impl<'a> Attributes<'a> {
    pub(super) fn merge(&mut self, message: &'a [u8]) -> Result<(), InvalidRequest> {
        let mut cursor = Cursor::new(message);
        while let Some((number, field)) = cursor.next().map_err(at("attributes"))? {
            if number == 4 {
                let request = self.request.get_or_insert_default();
                request.merge(field.bytes().map_err(at("request"))?)?;
            } else {
                let name = usize::try_from(number).ok().and_then(|n| FIELDS.get(n));
                self.set(number, field)
                    .map_err(at(name.copied().unwrap_or("attributes")))?;
            }
        }
        Ok(())
    }

    fn set(&mut self, number: u32, field: Field<'a>) -> Result<(), WireError> {
        match number {
            1 => self.source.get_or_insert_default().merge(field.bytes()?),
            2 => self
                .destination
                .get_or_insert_default()
                .merge(field.bytes()?),
            10 => {
                self.context_extensions.push(text_entry(field.bytes()?)?);
                Ok(())
            }
            11 => self
                .metadata_context
                .get_or_insert_default()
                .merge(field.bytes()?),
            12 => merge_tls_session(self.tls_session.get_or_insert_default(), field.bytes()?),
            13 => self
                .route_metadata_context
                .get_or_insert_default()
                .merge(field.bytes()?),
            _ => Ok(()),
        }
    }
}

fn merge_tls_session<'a>(sni: &mut &'a str, message: &'a [u8]) -> Result<(), WireError> {
    let mut cursor = Cursor::new(message);
    while let Some((number, field)) = cursor.next()? {
        if number == 1 {
            *sni = field.text()?;
        }
    }
    Ok(())
}

/// `AttributeContext.Request`.
#[derive(Debug, Default)]
pub(crate) struct Request<'a> {
    pub(crate) time: Option<Time>,
    pub(crate) http: Option<Http<'a>>,
}

impl<'a> Request<'a> {
    fn merge(&mut self, message: &'a [u8]) -> Result<(), InvalidRequest> {
        let mut cursor = Cursor::new(message);
        while let Some((number, field)) = cursor.next().map_err(at("request"))? {
            match number {
                1 => {
                    let time = self.time.get_or_insert_default();
                    let merged = field.bytes().and_then(|message| time.merge(message));
                    merged.map_err(at("request.time"))?;
                }
                2 => {
                    let http = self.http.get_or_insert_default();
                    http.merge(field.bytes().map_err(at("http"))?)?;
                }
                _ => {}
            }
        }
        Ok(())
    }
}

/// `google.protobuf.Timestamp`: when the request began.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Time {
    pub(crate) seconds: i64,
    pub(crate) nanos: i32,
}

impl Time {
    pub(crate) fn merge(&mut self, message: &[u8]) -> Result<(), WireError> {
        let mut cursor = Cursor::new(message);
        while let Some((number, field)) = cursor.next()? {
            match number {
                1 => self.seconds = field.int64()?,
                2 => self.nanos = field.int32()?,
                _ => {}
            }
        }
        Ok(())
    }
}

/// `config.core.v3.Metadata`. What stands under a namespace is decoded when it is read.
#[derive(Debug, Default)]
pub(crate) struct Metadata<'a> {
    /// Namespace and undecoded `google.protobuf.Struct`; of equal namespaces the last counts.
    pub(crate) filter: Vec<(&'a str, &'a [u8])>,
    /// Namespace and undecoded `google.protobuf.Any`.
    pub(crate) typed: Vec<(&'a str, &'a [u8])>,
}

impl<'a> Metadata<'a> {
    fn merge(&mut self, message: &'a [u8]) -> Result<(), WireError> {
        let mut cursor = Cursor::new(message);
        while let Some((number, field)) = cursor.next()? {
            match number {
                1 => self.filter.push(message_entry(field.bytes()?)?),
                2 => self.typed.push(message_entry(field.bytes()?)?),
                _ => {}
            }
        }
        Ok(())
    }
}

/// The names of the fields of [`Attributes`] by their numbers.
const FIELDS: [&str; 14] = [
    "attributes",
    "source",
    "destination",
    "attributes",
    "request",
    "attributes",
    "attributes",
    "attributes",
    "attributes",
    "attributes",
    "context_extensions",
    "metadata_context",
    "tls_session",
    "route_metadata_context",
];
