//! `attributes`, its peers and its metadata.

use std::sync::LazyLock;

use super::{MOST_BYTES, http, value};
use crate::{
    identity::Identity,
    input::{Encoding, Token, attributes::rfc3339, metadata::MetadataPlan},
    redact::json::Json,
    request::{
        Address, Attributes, InternalAddress, Metadata, Peer, Pipe, Port, Request, SocketAddress,
        Time,
    },
};

/// Writes the attributes of one request.
pub(super) struct Writer<'w> {
    pub(super) encoding: Encoding,
    pub(super) identity: &'w Identity<'w>,
    pub(super) token: Token<'w>,
    /// What is shown of the body.
    pub(super) body: &'w http::Shown,
}

impl Writer<'_> {
    pub(super) fn attributes(&self, json: &mut Json<'_>, attributes: &Attributes<'_>) {
        json.object(|json| {
            let extensions = &attributes.context_extensions;
            if !extensions.is_empty() {
                json.field("contextExtensions", |json| {
                    write_map(json, extensions.iter().copied());
                });
            }
            if let Some(peer) = &attributes.destination {
                json.field("destination", |json| {
                    self.peer(json, peer, peer.principal);
                });
            }
            self.metadata(json, attributes.metadata_context.as_ref());
            if let Some(request) = &attributes.request {
                json.field("request", |json| self.request(json, request));
            }
            if let Some(route) = &attributes.route_metadata_context {
                write_metadata(json, "routeMetadataContext", self.encoding, route, None);
            }
            if let Some(peer) = &attributes.source {
                json.field("source", |json| {
                    self.peer(json, peer, self.identity.principal);
                });
            }
            if let Some(sni) = attributes.tls_session {
                json.field("tlsSession", |json| {
                    json.object(|json| json.text_field("sni", sni));
                });
            }
        });
    }

    fn metadata(&self, json: &mut Json<'_>, sent: Option<&Metadata<'_>>) {
        if sent.is_some() || self.token.is_ok() {
            let none = Metadata::default();
            let sent = sent.unwrap_or(&none);
            write_metadata(
                json,
                "metadataContext",
                self.encoding,
                sent,
                Some(self.token),
            );
        }
    }

    fn request(&self, json: &mut Json<'_>, request: &Request<'_>) {
        json.object(|json| {
            if let Some(http) = &request.http {
                json.field("http", |json| {
                    http::write(json, http, self.encoding, self.body);
                });
            }
            if let Some(time) = request.time {
                json.field("time", |json| self.time(json, time));
            }
        });
    }

    fn time(&self, json: &mut Json<'_>, time: Time) {
        match self.encoding {
            Encoding::ProtoJson => json.string(&rfc3339(time)),
            Encoding::Reference => json.object(|json| {
                if time.nanos != 0 {
                    json.number_field("nanos", time.nanos);
                }
                if time.seconds != 0 {
                    json.number_field("seconds", time.seconds);
                }
            }),
        }
    }

    fn peer(&self, json: &mut Json<'_>, peer: &Peer<'_>, principal: &str) {
        json.object(|json| {
            if let Some(address) = &peer.address {
                json.field("address", |json| self.address(json, address));
            }
            json.text_field("certificate", peer.certificate);
            if !peer.labels.is_empty() {
                json.field("labels", |json| {
                    write_map(json, peer.labels.iter().copied());
                });
            }
            json.text_field("principal", principal);
            json.text_field("service", peer.service);
        });
    }

    fn address(&self, json: &mut Json<'_>, address: &Address<'_>) {
        json.object(|json| match address {
            Address::Unset => {}
            Address::Socket(socket) => {
                json.field("socketAddress", |json| self.socket(json, socket));
            }
            Address::Pipe(pipe) => json.field("pipe", |json| write_pipe(json, pipe)),
            Address::Internal(internal) => {
                json.field("envoyInternalAddress", |json| {
                    write_internal(json, internal);
                });
            }
        });
    }

    fn socket(&self, json: &mut Json<'_>, socket: &SocketAddress<'_>) {
        json.object(|json| {
            json.text_field("address", socket.address);
            if socket.ipv4_compat {
                json.raw_field("ipv4Compat", "true");
            }
            if let Some(Port::Named(port)) = socket.port {
                json.field("namedPort", |json| json.text(port));
            }
            json.text_field(
                "networkNamespaceFilepath",
                socket.network_namespace_filepath,
            );
            if let Some(Port::Value(port)) = socket.port {
                json.number_field("portValue", port);
            }
            match (self.encoding, socket.protocol) {
                (_, 0) => {}
                (Encoding::ProtoJson, 1) => json.string_field("protocol", "UDP"),
                (Encoding::ProtoJson | Encoding::Reference, protocol) => {
                    json.number_field("protocol", protocol);
                }
            }
            json.text_field("resolverName", socket.resolver_name);
        });
    }
}

fn write_pipe(json: &mut Json<'_>, pipe: &Pipe<'_>) {
    json.object(|json| {
        if pipe.mode != 0 {
            json.number_field("mode", pipe.mode);
        }
        json.text_field("path", pipe.path);
    });
}

fn write_internal(json: &mut Json<'_>, internal: &InternalAddress<'_>) {
    json.object(|json| {
        json.text_field("endpointId", internal.endpoint_id);
        if let Some(name) = internal.server_listener_name {
            json.field("serverListenerName", |json| json.text(name));
        }
    });
}

/// `Metadata`, with the claims of the token where there may be some; nothing when it cannot be read.
fn write_metadata(
    json: &mut Json<'_>,
    key: &str,
    encoding: Encoding,
    metadata: &Metadata<'_>,
    token: Option<Token<'_>>,
) {
    if metadata.filter.is_empty() && metadata.typed.is_empty() && !matches!(token, Some(Ok(_))) {
        json.raw_field(key, "{}");
        return;
    }
    let plan = plan(encoding, token.is_some());
    let document = token.and_then(Result::ok);
    if let Ok(built) = plan.build(metadata, document) {
        json.field(key, |json| {
            json.bounded(MOST_BYTES, |json| value::write_metadata(json, &built));
        });
    }
}

/// The plan for metadata, with claims or without; each is made once.
fn plan(encoding: Encoding, claims: bool) -> &'static MetadataPlan {
    static REFERENCE: [LazyLock<MetadataPlan>; 2] = [
        LazyLock::new(|| MetadataPlan::logged(Encoding::Reference, false)),
        LazyLock::new(|| MetadataPlan::logged(Encoding::Reference, true)),
    ];
    static PROTO_JSON: [LazyLock<MetadataPlan>; 2] = [
        LazyLock::new(|| MetadataPlan::logged(Encoding::ProtoJson, false)),
        LazyLock::new(|| MetadataPlan::logged(Encoding::ProtoJson, true)),
    ];
    let [without, with] = match encoding {
        Encoding::Reference => &REFERENCE,
        Encoding::ProtoJson => &PROTO_JSON,
    };
    if claims { with } else { without }
}

/// The entries of a map, sorted; of equal keys the last counts.
pub(super) fn write_map<'e>(
    json: &mut Json<'_>,
    entries: impl Iterator<Item = (&'e str, &'e str)>,
) {
    json.object(|json| {
        for (key, value) in sorted(entries) {
            json.field(key, |json| json.header(key, value));
        }
    });
}

fn sorted<'e>(entries: impl Iterator<Item = (&'e str, &'e str)>) -> Vec<(&'e str, &'e str)> {
    let mut entries: Vec<_> = entries.collect();
    // Stable: of equal keys the last is the last.
    entries.sort_by_key(|(key, _)| *key);
    entries.dedup_by(|later, earlier| {
        let equal = later.0 == earlier.0;
        if equal {
            earlier.1 = later.1;
        }
        equal
    });
    entries
}
