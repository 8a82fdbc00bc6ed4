//! The file descriptors of Envoy's ext_authz API, for reflection and for proto JSON on the command
//! line. Never used on the line of a check.

/// A serialized `FileDescriptorSet` with `envoy.service.auth.v3` and what it imports.
pub const EXT_AUTHZ: &[u8] = include_bytes!("../proto/ext_authz.binpb");
