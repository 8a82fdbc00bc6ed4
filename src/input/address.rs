//! `attributes.source` and `attributes.destination` with their addresses.

use regorus::Value;

use super::{
    Encoding, Reads,
    select::{Fields, Pick, Slot, text},
};
use crate::request::{Address, InternalAddress, Peer, Pipe, Port, SocketAddress};

/// What to build of a `Peer`.
#[derive(Debug)]
pub(super) struct PeerPlan {
    address: Slot<AddressPlan>,
    service: Slot,
    labels: Slot<Pick>,
    principal: Slot,
    certificate: Slot,
}

impl PeerPlan {
    pub(super) fn new(reads: &Reads, encoding: Encoding) -> Self {
        Self {
            address: Slot::new(reads, "address", |r| AddressPlan::new(r, encoding)),
            service: Slot::leaf(reads, "service"),
            labels: Slot::new(reads, "labels", Pick::new),
            principal: Slot::leaf(reads, "principal"),
            certificate: Slot::leaf(reads, "certificate"),
        }
    }

    pub(super) fn build(&self, peer: &Peer<'_>, principal: &str) -> Value {
        let mut fields = Fields::default();
        if let Some(address) = &peer.address {
            self.address
                .put_with(&mut fields, |plan| plan.build(address));
        }
        self.service.put_text(&mut fields, peer.service);
        if !peer.labels.is_empty() {
            self.labels
                .put_with(&mut fields, |pick| pick.object(peer.labels.iter().copied()));
        }
        self.principal.put_text(&mut fields, principal);
        self.certificate.put_text(&mut fields, peer.certificate);
        fields.into()
    }
}

#[derive(Debug)]
struct AddressPlan {
    socket: Slot<SocketPlan>,
    pipe: Slot<PipePlan>,
    internal: Slot<InternalPlan>,
}

impl AddressPlan {
    fn new(reads: &Reads, encoding: Encoding) -> Self {
        Self {
            socket: Slot::new(reads, "socketAddress", |r| SocketPlan::new(r, encoding)),
            pipe: Slot::new(reads, "pipe", PipePlan::new),
            internal: Slot::new(reads, "envoyInternalAddress", InternalPlan::new),
        }
    }

    fn build(&self, address: &Address<'_>) -> Value {
        let mut fields = Fields::default();
        match address {
            Address::Unset => {}
            Address::Socket(socket) => self.socket.put_with(&mut fields, |plan| plan.build(socket)),
            Address::Pipe(pipe) => self.pipe.put_with(&mut fields, |plan| plan.build(pipe)),
            Address::Internal(internal) => self
                .internal
                .put_with(&mut fields, |plan| plan.build(internal)),
        }
        fields.into()
    }
}

#[derive(Debug)]
struct SocketPlan {
    protocol: Slot,
    address: Slot,
    port_value: Slot,
    named_port: Slot,
    resolver_name: Slot,
    ipv4_compat: Slot,
    network_namespace_filepath: Slot,
    encoding: Encoding,
}

impl SocketPlan {
    fn new(reads: &Reads, encoding: Encoding) -> Self {
        Self {
            protocol: Slot::leaf(reads, "protocol"),
            address: Slot::leaf(reads, "address"),
            port_value: Slot::leaf(reads, "portValue"),
            named_port: Slot::leaf(reads, "namedPort"),
            resolver_name: Slot::leaf(reads, "resolverName"),
            ipv4_compat: Slot::leaf(reads, "ipv4Compat"),
            network_namespace_filepath: Slot::leaf(reads, "networkNamespaceFilepath"),
            encoding,
        }
    }

    fn build(&self, socket: &SocketAddress<'_>) -> Value {
        let mut fields = Fields::default();
        if socket.protocol != 0 {
            self.protocol
                .put_with(&mut fields, |()| protocol(socket.protocol, self.encoding));
        }
        self.address.put_text(&mut fields, socket.address);
        // The members of a oneof are there even when they are zero or empty.
        match socket.port {
            Some(Port::Value(port)) => self
                .port_value
                .put_with(&mut fields, |()| Value::from(u64::from(port))),
            Some(Port::Named(port)) => self.named_port.put_with(&mut fields, |()| text(port)),
            None => {}
        }
        self.resolver_name
            .put_text(&mut fields, socket.resolver_name);
        if socket.ipv4_compat {
            self.ipv4_compat.put(&mut fields, Value::Bool(true));
        }
        self.network_namespace_filepath
            .put_text(&mut fields, socket.network_namespace_filepath);
        fields.into()
    }
}

/// `SocketAddress.Protocol`: UDP is the only name beside TCP, which is zero and never shown.
fn protocol(number: i32, encoding: Encoding) -> Value {
    match (encoding, number) {
        (Encoding::ProtoJson, 1) => text("UDP"),
        (Encoding::ProtoJson | Encoding::Reference, _) => Value::from(i64::from(number)),
    }
}

#[derive(Debug)]
struct PipePlan {
    path: Slot,
    mode: Slot,
}

impl PipePlan {
    fn new(reads: &Reads) -> Self {
        Self {
            path: Slot::leaf(reads, "path"),
            mode: Slot::leaf(reads, "mode"),
        }
    }

    fn build(&self, pipe: &Pipe<'_>) -> Value {
        let mut fields = Fields::default();
        self.path.put_text(&mut fields, pipe.path);
        if pipe.mode != 0 {
            self.mode
                .put_with(&mut fields, |()| Value::from(u64::from(pipe.mode)));
        }
        fields.into()
    }
}

#[derive(Debug)]
struct InternalPlan {
    server_listener_name: Slot,
    endpoint_id: Slot,
}

impl InternalPlan {
    fn new(reads: &Reads) -> Self {
        Self {
            server_listener_name: Slot::leaf(reads, "serverListenerName"),
            endpoint_id: Slot::leaf(reads, "endpointId"),
        }
    }

    fn build(&self, internal: &InternalAddress<'_>) -> Value {
        let mut fields = Fields::default();
        if let Some(name) = internal.server_listener_name {
            self.server_listener_name
                .put_with(&mut fields, |()| text(name));
        }
        self.endpoint_id.put_text(&mut fields, internal.endpoint_id);
        fields.into()
    }
}
