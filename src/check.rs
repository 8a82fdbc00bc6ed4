//! Stub.

/// One Check, wire bytes in and out.
#[derive(Clone, Debug, Default)]
pub struct CheckService {}

impl CheckService {
    /// Denies.
    #[expect(clippy::unused_async, reason = "stand-in")]
    pub async fn check(
        &self,
        _metadata: &http::HeaderMap,
        _request: bytes::Bytes,
    ) -> Result<bytes::Bytes, tonic::Status> {
        Ok(bytes::Bytes::from_static(&[0x0a, 0x02, 0x08, 0x07]))
    }
}
