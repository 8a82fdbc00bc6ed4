//! The generated messages, client and server of `proto/portcullis/observe/v1/observe.proto`.

pub use generated::*;

#[expect(
    unused_qualifications,
    clippy::allow_attributes,
    clippy::allow_attributes_without_reason,
    clippy::pedantic,
    reason = "as the generator writes it"
)]
mod generated {
    tonic::include_proto!("portcullis.observe.v1");
}
