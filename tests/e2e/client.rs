//! The workloads that call through Envoy.

use reqwest::{Certificate, Client, Identity, RequestBuilder, Response, Version};

use crate::Mesh;

/// How a caller reaches the inbound listener.
pub(crate) enum Caller<'a> {
    /// mTLS with the certificate of this workload.
    Workload(&'a str),
    /// Without TLS.
    Plaintext,
}

impl Mesh {
    /// A client for `caller`, on HTTP/1.1.
    pub(crate) fn client(&self, caller: &Caller<'_>) -> Client {
        self.builder(caller).http1_only().build().unwrap()
    }

    /// A client for `caller`, on HTTP/2.
    pub(crate) fn http2_client(&self, caller: &Caller<'_>) -> Client {
        self.builder(caller)
            .http2_prior_knowledge()
            .build()
            .unwrap()
    }

    fn builder(&self, caller: &Caller<'_>) -> reqwest::ClientBuilder {
        let builder = Client::builder().no_proxy();
        match caller {
            Caller::Workload(name) => {
                let root = std::fs::read(self.pki.path().join("ca.crt")).unwrap();
                builder
                    .tls_certs_only([Certificate::from_pem(&root).unwrap()])
                    // Mesh certificates carry a SPIFFE ID and no host name.
                    .tls_danger_accept_invalid_hostnames(true)
                    .identity(Identity::from_pem(&self.pki.identity(name)).unwrap())
            }
            Caller::Plaintext => builder,
        }
    }

    /// The URL of `path` on a listener.
    pub(crate) fn url(&self, caller: &Caller<'_>, listener: &str, path: &str) -> String {
        let scheme = match caller {
            Caller::Workload(_) => "https",
            Caller::Plaintext => "http",
        };
        format!("{scheme}://127.0.0.1:{}{path}", self.envoy.port(listener))
    }

    /// `GET path` on the inbound listener.
    pub(crate) async fn get(&self, caller: Caller<'_>, path: &str) -> Response {
        let url = self.url(&caller, "inbound", path);
        send(self.client(&caller).get(url)).await
    }

    /// A unary gRPC call with a five-byte body, as a gRPC client sends it.
    pub(crate) async fn grpc(&self, caller: Caller<'_>, method: &str) -> Response {
        let url = self.url(&caller, "inbound", method);
        let request = self
            .http2_client(&caller)
            .post(url)
            .version(Version::HTTP_2)
            .header("content-type", "application/grpc")
            .header("te", "trailers")
            .body(vec![0, 0, 0, 0, 0]);
        send(request).await
    }
}

/// Sends and expects an answer, whatever its status.
pub(crate) async fn send(request: RequestBuilder) -> Response {
    request.send().await.unwrap()
}
