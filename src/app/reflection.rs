//! gRPC reflection: what `grpcurl list` and `describe` show.
//!
//! `proto/authorization.binpb` describes `envoy.service.auth.v3.Authorization` and every message it
//! reaches; `proto/README.md` says how it was made.

use tonic_reflection::server::Builder;

use crate::descriptors;

/// Reflects the authorization service, health and reflection itself.
pub(super) fn builder() -> Builder<'static> {
    Builder::configure()
        .register_encoded_file_descriptor_set(descriptors::AUTHORIZATION)
        .register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET)
}
