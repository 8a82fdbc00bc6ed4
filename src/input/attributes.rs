//! `input.attributes`: the `AttributeContext` as the reference walks it, populated fields only.

use regorus::Value;

use super::{
    Encoding, InvalidInput, Reads,
    address::PeerPlan,
    http::HttpPlan,
    metadata::MetadataPlan,
    select::{Fields, Pick, Slot, text},
    token::Token,
};
use crate::{
    identity::Identity,
    request::{Attributes, Metadata, Request, Time},
};

/// What to build of `attributes`.
#[derive(Debug)]
pub(super) struct AttributesPlan {
    source: Slot<PeerPlan>,
    destination: Slot<PeerPlan>,
    request: Slot<RequestPlan>,
    context_extensions: Slot<Pick>,
    metadata_context: Slot<MetadataPlan>,
    route_metadata_context: Slot<MetadataPlan>,
    tls_session: Slot<Slot>,
}

impl AttributesPlan {
    pub(super) fn new(reads: &Reads, encoding: Encoding) -> Self {
        let peer = |reads: &Reads| PeerPlan::new(reads, encoding);
        Self {
            source: Slot::new(reads, "source", peer),
            destination: Slot::new(reads, "destination", peer),
            request: Slot::new(reads, "request", |r| RequestPlan::new(r, encoding)),
            context_extensions: Slot::new(reads, "contextExtensions", Pick::new),
            metadata_context: Slot::new(reads, "metadataContext", |r| {
                MetadataPlan::of_request(r, encoding)
            }),
            route_metadata_context: Slot::new(reads, "routeMetadataContext", |r| {
                MetadataPlan::of_route(r, encoding)
            }),
            tls_session: Slot::new(reads, "tlsSession", |r| Slot::leaf(r, "sni")),
        }
    }

    pub(super) fn build(
        &self,
        attributes: &Attributes<'_>,
        identity: &Identity<'_>,
        token: Token<'_>,
    ) -> Result<Value, InvalidInput> {
        let mut fields = Fields::default();
        if let Some(peer) = &attributes.source {
            self.source
                .put_with(&mut fields, |plan| plan.build(peer, identity.principal));
        }
        if let Some(peer) = &attributes.destination {
            self.destination
                .put_with(&mut fields, |plan| plan.build(peer, peer.principal));
        }
        if let (Some(request), true) = (&attributes.request, self.request.wanted()) {
            let value = self.request.plan.build(request);
            self.request.put(&mut fields, value);
        }
        if !attributes.context_extensions.is_empty() {
            self.context_extensions.put_with(&mut fields, |pick| {
                pick.object(attributes.context_extensions.iter().copied())
            });
        }
        self.put_metadata(&mut fields, attributes, token)?;
        if let Some(sni) = attributes.tls_session {
            self.tls_session.put_with(&mut fields, |slot| {
                let mut session = Fields::default();
                slot.put_text(&mut session, sni);
                session.into()
            });
        }
        Ok(fields.into())
    }

    /// Whether claims of a verified token are wanted.
    pub(super) fn wants_claims(&self) -> bool {
        self.metadata_context.wanted() && self.metadata_context.plan.wants_claims()
    }

    fn put_metadata(
        &self,
        fields: &mut Fields,
        attributes: &Attributes<'_>,
        token: Token<'_>,
    ) -> Result<(), InvalidInput> {
        let slot = &self.metadata_context;
        let sent = attributes.metadata_context.as_ref();
        if slot.wanted() && (sent.is_some() || token.is_ok()) {
            let none = Metadata::default();
            let value = slot.plan.build(sent.unwrap_or(&none), token.ok())?;
            slot.put(fields, value);
        }
        let slot = &self.route_metadata_context;
        if let (Some(metadata), true) = (&attributes.route_metadata_context, slot.wanted()) {
            slot.put(fields, slot.plan.build(metadata, None)?);
        }
        Ok(())
    }
}

/// What to build of `attributes.request`.
#[derive(Debug)]
struct RequestPlan {
    time: Slot<TimePlan>,
    http: Slot<HttpPlan>,
}

impl RequestPlan {
    fn new(reads: &Reads, encoding: Encoding) -> Self {
        Self {
            time: Slot::new(reads, "time", |r| TimePlan::new(r, encoding)),
            http: Slot::new(reads, "http", |r| HttpPlan::new(r, encoding)),
        }
    }

    fn build(&self, request: &Request<'_>) -> Value {
        let mut fields = Fields::default();
        if let Some(time) = request.time {
            self.time.put_with(&mut fields, |plan| plan.build(time));
        }
        if let Some(http) = &request.http {
            self.http.put_with(&mut fields, |plan| plan.build(http));
        }
        fields.into()
    }
}

#[derive(Debug)]
struct TimePlan {
    seconds: Slot,
    nanos: Slot,
    encoding: Encoding,
}

impl TimePlan {
    fn new(reads: &Reads, encoding: Encoding) -> Self {
        Self {
            seconds: Slot::leaf(reads, "seconds"),
            nanos: Slot::leaf(reads, "nanos"),
            encoding,
        }
    }

    fn build(&self, time: Time) -> Value {
        match self.encoding {
            Encoding::ProtoJson => text(&rfc3339(time)),
            Encoding::Reference => {
                let mut fields = Fields::default();
                if time.seconds != 0 {
                    self.seconds.put(&mut fields, Value::from(time.seconds));
                }
                if time.nanos != 0 {
                    self.nanos
                        .put(&mut fields, Value::from(i64::from(time.nanos)));
                }
                fields.into()
            }
        }
    }
}

/// UTC with 0, 3, 6 or 9 digits after the second.
pub(super) fn rfc3339(time: Time) -> String {
    let Time { seconds, nanos } = time;
    prost_types::Timestamp { seconds, nanos }.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_written_as_proto_json_writes_them() {
        for (seconds, nanos, written) in [
            (0, 0, "1970-01-01T00:00:00Z"),
            (1_795_320_199, 164_060_000, "2026-11-22T04:03:19.164060Z"),
            (1_795_320_199, 500_000_000, "2026-11-22T04:03:19.500Z"),
            (1_795_320_199, 1, "2026-11-22T04:03:19.000000001Z"),
            (-1, 0, "1969-12-31T23:59:59Z"),
        ] {
            assert_eq!(rfc3339(Time { seconds, nanos }), written);
        }
    }

    #[test]
    fn no_time_is_too_far_away_to_be_written() {
        for seconds in [i64::MIN, i64::MIN + 1, -1, 0, i64::MAX - 1, i64::MAX] {
            for nanos in [i32::MIN, -1, 0, 999_999_999, 1_000_000_000, i32::MAX] {
                assert!(rfc3339(Time { seconds, nanos }).ends_with('Z'));
            }
        }
    }
}
