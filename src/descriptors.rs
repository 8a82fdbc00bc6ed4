//! The descriptors of Envoy's authorization API, for reflection and for proto JSON on the command
//! line. Never used on the line of a check.

/// A `google.protobuf.FileDescriptorSet` with `envoy.service.auth.v3.Authorization` and every message
/// it reaches; `proto/README.md` says how it was made.
pub const AUTHORIZATION: &[u8] = include_bytes!("../proto/authorization.binpb");
