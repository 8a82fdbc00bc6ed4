//! One request to a collector and its answer, over gRPC or HTTP.

use std::{io::Write as _, net::IpAddr, sync::Arc};

use bytes::{Bytes, BytesMut};
use flate2::{Compression, write::GzEncoder};
use http::{HeaderValue, header, uri::PathAndQuery};
use prost::Message as _;
use reqwest::{redirect, retry};
use rustls::crypto::aws_lc_rs as provider;
use rustls_platform_verifier::Verifier;
use tonic::{
    client::Grpc,
    codec::CompressionEncoding,
    metadata::MetadataMap,
    transport::{Certificate, Channel, ClientTlsConfig, Endpoint, Identity},
};
use tonic_prost::ProstCodec;

use super::{
    ExportError, Options, Protocol, Signal, Tls,
    tls::{Anybody, Material},
};

/// A way to the collector; it connects when it is used.
#[derive(Clone, Debug)]
pub(super) enum Transport {
    Grpc(Channel),
    Http(reqwest::Client),
}

impl Transport {
    /// A way by these certificates. Blocks: it may read the authorities of this machine.
    pub(super) fn new(options: &Options, material: &Material) -> Result<Self, ExportError> {
        match options.protocol {
            Protocol::Grpc => Ok(Self::Grpc(channel(options, material)?)),
            Protocol::Http => Ok(Self::Http(client(options, material)?)),
        }
    }

    /// Gives the collector a request.
    pub(super) async fn send<S: Signal>(
        &self,
        request: S::Request,
        options: &Options,
    ) -> Result<S::Response, ExportError> {
        match self {
            Self::Grpc(channel) => call::<S>(channel.clone(), request, options).await,
            Self::Http(client) => post::<S>(client, &request, options).await,
        }
    }
}

async fn call<S: Signal>(
    channel: Channel,
    request: S::Request,
    options: &Options,
) -> Result<S::Response, ExportError> {
    let mut client = Grpc::new(channel);
    if options.gzip {
        client = client.send_compressed(CompressionEncoding::Gzip);
    }
    client.ready().await.map_err(|error| {
        let status = tonic::Status::unavailable(crate::chain::Chain(&error).to_string());
        ExportError::from(status)
    })?;
    let mut request = tonic::Request::new(request);
    *request.metadata_mut() = MetadataMap::from_headers(options.headers.expose().clone());
    let codec = ProstCodec::<S::Request, S::Response>::default();
    let method = PathAndQuery::from_static(S::METHOD);
    let response = client.unary(request, method, codec).await?;
    Ok(response.into_inner())
}

async fn post<S: Signal>(
    client: &reqwest::Client,
    request: &S::Request,
    options: &Options,
) -> Result<S::Response, ExportError> {
    let mut headers = options.headers.expose().clone();
    let protobuf = HeaderValue::from_static("application/x-protobuf");
    headers.insert(header::CONTENT_TYPE, protobuf);
    let mut body = request.encode_to_vec();
    if options.gzip {
        headers.insert(header::CONTENT_ENCODING, HeaderValue::from_static("gzip"));
        body = compressed(&body).map_err(|error| ExportError::Client(error.into()))?;
    }
    let sending = client
        .post(url(options, S::PATH))
        .headers(headers)
        .body(body);
    let failed = |error: reqwest::Error| ExportError::Http(error.without_url());
    let mut response = sending.send().await.map_err(failed)?;
    if !response.status().is_success() {
        return Err(ExportError::Status(response.status()));
    }
    let mut answer = BytesMut::new();
    while let Some(chunk) = response.chunk().await.map_err(failed)? {
        answer.extend_from_slice(&chunk);
        if answer.len() > MOST_ANSWER {
            break;
        }
    }
    // It has been taken, whatever is said of it that cannot be read.
    Ok(S::Response::decode(Bytes::from(answer)).unwrap_or_default())
}

fn compressed(body: &[u8]) -> std::io::Result<Vec<u8>> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(body)?;
    encoder.finish()
}

fn url(options: &Options, path: &str) -> String {
    let scheme = if options.tls.is_some() {
        "https"
    } else {
        "http"
    };
    format!("{scheme}://{}{path}", options.address)
}

fn channel(options: &Options, material: &Material) -> Result<Channel, ExportError> {
    let client = |error: tonic::transport::Error| ExportError::Client(error.into());
    let endpoint = Endpoint::from_shared(url(options, ""))
        .and_then(|endpoint| endpoint.user_agent(AGENT))
        .map_err(client)?
        .connect_timeout(options.batch.timeout);
    let Some(tls) = &options.tls else {
        return Ok(endpoint.connect_lazy());
    };
    let mut config = ClientTlsConfig::new();
    if let Some((certificate, key)) = &material.identity {
        config = config.identity(Identity::from_pem(certificate, key));
    }
    let endpoint = match &material.authorities {
        _ if tls.insecure => endpoint.tls_config_with_verifier(config, Arc::new(Anybody::new())),
        Some(pem) => endpoint.tls_config(config.ca_certificate(Certificate::from_pem(pem))),
        None => {
            let verifier = Verifier::new(Arc::new(provider::default_provider()))
                .map_err(|error| ExportError::Client(error.into()))?;
            endpoint.tls_config_with_verifier(config, Arc::new(verifier))
        }
    };
    Ok(endpoint.map_err(client)?.connect_lazy())
}

fn client(options: &Options, material: &Material) -> Result<reqwest::Client, ExportError> {
    let wrong = |error: reqwest::Error| ExportError::Client(error.into());
    let mut builder = reqwest::Client::builder()
        .user_agent(AGENT)
        .redirect(redirect::Policy::none())
        .retry(retry::never())
        .referer(false);
    if is_loopback(&options.address) {
        builder = builder.no_proxy();
    }
    let Some(Tls { insecure, .. }) = options.tls else {
        // A machine without authorities can do without them.
        return builder.tls_certs_only([]).build().map_err(wrong);
    };
    if let Some((certificate, key)) = &material.identity {
        let both = [certificate.as_slice(), b"\n", key].concat();
        builder = builder.identity(reqwest::Identity::from_pem(&both).map_err(wrong)?);
    }
    builder = match &material.authorities {
        _ if insecure => builder
            .tls_certs_only([])
            .tls_danger_accept_invalid_certs(true),
        Some(pem) => {
            let certificates = reqwest::Certificate::from_pem_bundle(pem).map_err(wrong)?;
            builder.tls_certs_only(certificates)
        }
        None => builder,
    };
    builder.build().map_err(wrong)
}

/// Whether the address is of this machine, which is asked without a proxy.
fn is_loopback(address: &str) -> bool {
    let host = address.rsplit_once(':').map_or(address, |(host, _)| host);
    let host = host.trim_start_matches('[').trim_end_matches(']');
    host == "localhost" || host.parse().is_ok_and(|ip: IpAddr| ip.is_loopback())
}

const AGENT: &str = concat!("portcullis/", env!("CARGO_PKG_VERSION"));
/// Longest answer that is read, in bytes.
const MOST_ANSWER: usize = 64 * 1024;
