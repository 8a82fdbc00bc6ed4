//! The two ends of the connection: `AttributeContext.Peer` and `config.core.v3.Address`.
//!
//! `merge` may be called again with another occurrence of the same message and then does what
//! protobuf asks for: scalars are replaced, messages merged, maps joined.

use super::wire::{Cursor, WireError, text_entry};

/// `AttributeContext.Peer`.
#[derive(Debug, Default)]
pub(crate) struct Peer<'a> {
    pub(crate) address: Option<Address<'a>>,
    pub(crate) service: &'a str,
    /// In wire order; of equal keys the last counts.
    pub(crate) labels: Vec<(&'a str, &'a str)>,
    pub(crate) principal: &'a str,
    pub(crate) certificate: &'a str,
}

impl<'a> Peer<'a> {
    pub(super) fn merge(&mut self, message: &'a [u8]) -> Result<(), WireError> {
        let mut cursor = Cursor::new(message);
        while let Some((number, field)) = cursor.next()? {
            match number {
                1 => self.address.get_or_insert_default().merge(field.bytes()?)?,
                2 => self.service = field.text()?,
                3 => self.labels.push(text_entry(field.bytes()?)?),
                4 => self.principal = field.text()?,
                5 => self.certificate = field.text()?,
                _ => {}
            }
        }
        Ok(())
    }
}

/// `config.core.v3.Address`.
#[derive(Debug, Default)]
pub(crate) enum Address<'a> {
    /// The message is there, without any of its members.
    #[default]
    Unset,
    /// An IP address with a port.
    Socket(SocketAddress<'a>),
    /// A Unix domain socket.
    Pipe(Pipe<'a>),
    /// Another listener of the same Envoy.
    Internal(InternalAddress<'a>),
}

impl<'a> Address<'a> {
    fn merge(&mut self, message: &'a [u8]) -> Result<(), WireError> {
        let mut cursor = Cursor::new(message);
        while let Some((number, field)) = cursor.next()? {
            match number {
                1 => {
                    if !matches!(self, Self::Socket(_)) {
                        *self = Self::Socket(SocketAddress::default());
                    }
                    if let Self::Socket(address) = self {
                        address.merge(field.bytes()?)?;
                    }
                }
                2 => {
                    if !matches!(self, Self::Pipe(_)) {
                        *self = Self::Pipe(Pipe::default());
                    }
                    if let Self::Pipe(address) = self {
                        address.merge(field.bytes()?)?;
                    }
                }
                3 => {
                    if !matches!(self, Self::Internal(_)) {
                        *self = Self::Internal(InternalAddress::default());
                    }
                    if let Self::Internal(address) = self {
                        address.merge(field.bytes()?)?;
                    }
                }
                _ => {}
            }
        }
        Ok(())
    }
}

/// `config.core.v3.SocketAddress`.
#[derive(Debug, Default)]
pub(crate) struct SocketAddress<'a> {
    /// The number of the enum `Protocol`: TCP 0, UDP 1.
    pub(crate) protocol: i32,
    pub(crate) address: &'a str,
    pub(crate) port: Option<Port<'a>>,
    pub(crate) resolver_name: &'a str,
    pub(crate) ipv4_compat: bool,
    pub(crate) network_namespace_filepath: &'a str,
}

/// The oneof `port_specifier`.
#[derive(Debug)]
pub(crate) enum Port<'a> {
    /// `port_value`.
    Value(u32),
    /// `named_port`.
    Named(&'a str),
}

impl<'a> SocketAddress<'a> {
    fn merge(&mut self, message: &'a [u8]) -> Result<(), WireError> {
        let mut cursor = Cursor::new(message);
        while let Some((number, field)) = cursor.next()? {
            match number {
                1 => self.protocol = field.int32()?,
                2 => self.address = field.text()?,
                3 => self.port = Some(Port::Value(field.uint32()?)),
                4 => self.port = Some(Port::Named(field.text()?)),
                5 => self.resolver_name = field.text()?,
                6 => self.ipv4_compat = field.varint()? != 0,
                7 => self.network_namespace_filepath = field.text()?,
                _ => {}
            }
        }
        Ok(())
    }
}

/// `config.core.v3.Pipe`.
#[derive(Debug, Default)]
pub(crate) struct Pipe<'a> {
    pub(crate) path: &'a str,
    pub(crate) mode: u32,
}

impl<'a> Pipe<'a> {
    fn merge(&mut self, message: &'a [u8]) -> Result<(), WireError> {
        let mut cursor = Cursor::new(message);
        while let Some((number, field)) = cursor.next()? {
            match number {
                1 => self.path = field.text()?,
                2 => self.mode = field.uint32()?,
                _ => {}
            }
        }
        Ok(())
    }
}

/// `config.core.v3.EnvoyInternalAddress`.
#[derive(Debug, Default)]
pub(crate) struct InternalAddress<'a> {
    /// The only member of its oneof: present even when empty.
    pub(crate) server_listener_name: Option<&'a str>,
    pub(crate) endpoint_id: &'a str,
}

impl<'a> InternalAddress<'a> {
    fn merge(&mut self, message: &'a [u8]) -> Result<(), WireError> {
        let mut cursor = Cursor::new(message);
        while let Some((number, field)) = cursor.next()? {
            match number {
                1 => self.server_listener_name = Some(field.text()?),
                2 => self.endpoint_id = field.text()?,
                _ => {}
            }
        }
        Ok(())
    }
}
