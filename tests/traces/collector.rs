//! A collector of OpenTelemetry on a free port.

use std::{
    io::Read as _,
    net::SocketAddr,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
};

use axum::{Router, body::Bytes as Body, extract::State, routing::post};
use http::{HeaderMap, StatusCode};
use opentelemetry_proto::tonic::{
    collector::{
        logs::v1::{
            ExportLogsPartialSuccess, ExportLogsServiceRequest, ExportLogsServiceResponse,
            logs_service_server::{LogsService, LogsServiceServer},
        },
        trace::v1::{
            ExportTracePartialSuccess, ExportTraceServiceRequest, ExportTraceServiceResponse,
            trace_service_server::{TraceService, TraceServiceServer},
        },
    },
    common::v1::{KeyValue, any_value::Value},
    logs::v1::LogRecord,
    resource::v1::Resource,
    trace::v1::Span,
};
use portcullis::{
    redact::Secret,
    traces::otlp::{Batch, Options, Protocol, Tls},
};
use prost::Message;
use rustls::ServerConfig;
use tokio::{
    net::{TcpListener, TcpStream},
    sync::Notify,
    task::JoinHandle,
};
use tokio_rustls::{TlsAcceptor, server::TlsStream};
use tokio_stream::wrappers::TcpListenerStream;
use tonic::{
    Code, Request, Response, Status,
    codec::CompressionEncoding,
    transport::{Certificate, Identity, Server, ServerTlsConfig},
};

use crate::certificates::{Authority, Leaf};

/// What the collector does with what it is given.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Does {
    /// Takes it.
    Takes,
    /// Takes all but so many.
    Rejects(i64),
    /// Refuses it for good.
    Refuses,
    /// Fails so many times, and takes it then.
    FailsFirst(usize),
    /// Never answers.
    Stalls,
    /// Takes requests of so many items; others are too large.
    TakesAtMost(usize),
    /// Takes requests whose items have so many bytes each; others are too large.
    TakesItemsUpTo(usize),
}

/// Whom it shows itself as, and whom it lets in.
pub(crate) struct Encrypted {
    pub(crate) leaf: Leaf,
    pub(crate) clients: Option<Authority>,
}

/// A running collector.
pub(crate) struct Collector {
    pub(crate) protocol: Protocol,
    pub(crate) address: SocketAddr,
    pub(crate) got: Arc<Got>,
    serving: JoinHandle<()>,
}

impl Drop for Collector {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

/// What it was given.
#[derive(Debug)]
pub(crate) struct Got {
    does: Does,
    pub(crate) calls: AtomicUsize,
    came: Notify,
    pub(crate) spans: Mutex<Vec<Span>>,
    pub(crate) records: Mutex<Vec<LogRecord>>,
    pub(crate) resources: Mutex<Vec<Resource>>,
    pub(crate) headers: Mutex<Vec<HeaderMap>>,
}

impl Collector {
    pub(crate) async fn start(protocol: Protocol, does: Does) -> Self {
        Self::with(protocol, does, None).await
    }

    pub(crate) async fn with(protocol: Protocol, does: Does, tls: Option<Encrypted>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let got = Arc::new(Got {
            does,
            calls: AtomicUsize::default(),
            came: Notify::new(),
            spans: Mutex::default(),
            records: Mutex::default(),
            resources: Mutex::default(),
            headers: Mutex::default(),
        });
        let serving = match protocol {
            Protocol::Grpc => serve_grpc(listener, Arc::clone(&got), tls),
            Protocol::Http => serve_http(listener, Arc::clone(&got), tls),
        };
        Self {
            protocol,
            address,
            got,
            serving,
        }
    }

    /// How to give it things, one batch after 10 ms.
    pub(crate) fn options(&self) -> Options {
        options(self.protocol, format!("localhost:{}", self.address.port()))
    }

    pub(crate) fn spans(&self) -> Vec<Span> {
        self.got.spans.lock().unwrap().clone()
    }

    /// The spans, once there are so many.
    pub(crate) async fn holds(&self, spans: usize) -> Vec<Span> {
        while self.spans().len() < spans {
            self.got.came.notified().await;
        }
        self.spans()
    }

    pub(crate) fn records(&self) -> Vec<LogRecord> {
        self.got.records.lock().unwrap().clone()
    }

    pub(crate) fn calls(&self) -> usize {
        self.got.calls.load(SeqCst)
    }
}

pub(crate) fn options(protocol: Protocol, address: String) -> Options {
    Options {
        protocol,
        address,
        tls: None,
        headers: Secret::default(),
        gzip: false,
        resource: vec![("service.name", "gate".to_owned())],
        batch: Batch {
            delay: std::time::Duration::from_millis(10),
            ..Batch::default()
        },
    }
}

/// Whom to believe, from a file in `folder`.
pub(crate) fn believing(authority: &Authority, folder: &std::path::Path) -> Tls {
    let path = folder.join("collector-ca.crt");
    std::fs::write(&path, authority.pem()).unwrap();
    Tls {
        authorities: Some(path),
        ..Tls::default()
    }
}

/// The text or number of an attribute.
pub(crate) fn value(attributes: &[KeyValue], key: &str) -> Option<String> {
    let found = attributes.iter().find(|attribute| attribute.key == key)?;
    match found.value.as_ref()?.value.as_ref()? {
        Value::StringValue(text) => Some(text.clone()),
        Value::IntValue(number) => Some(number.to_string()),
        other @ (Value::BoolValue(_)
        | Value::DoubleValue(_)
        | Value::ArrayValue(_)
        | Value::KvlistValue(_)
        | Value::BytesValue(_)
        | Value::StringValueStrindex(_)) => panic!("{other:?}"),
    }
}

impl Got {
    /// Notes a call, and says whether it goes on.
    async fn called(&self, headers: HeaderMap, items: &[usize]) -> Result<(), Code> {
        self.headers.lock().unwrap().push(headers);
        let before = self.calls.fetch_add(1, SeqCst);
        match self.does {
            Does::Refuses => Err(Code::InvalidArgument),
            Does::FailsFirst(times) if before < times => Err(Code::Unavailable),
            Does::TakesAtMost(most) if items.len() > most => Err(Code::ResourceExhausted),
            Does::TakesItemsUpTo(most) if items.iter().any(|bytes| *bytes > most) => {
                Err(Code::ResourceExhausted)
            }
            Does::Takes
            | Does::Rejects(_)
            | Does::FailsFirst(_)
            | Does::TakesAtMost(_)
            | Does::TakesItemsUpTo(_) => Ok(()),
            Does::Stalls => std::future::pending().await,
        }
    }

    fn rejected(&self) -> i64 {
        match self.does {
            Does::Rejects(some) => some,
            Does::Takes
            | Does::Refuses
            | Does::FailsFirst(_)
            | Does::Stalls
            | Does::TakesAtMost(_)
            | Does::TakesItemsUpTo(_) => 0,
        }
    }

    async fn spans(
        &self,
        headers: HeaderMap,
        request: ExportTraceServiceRequest,
    ) -> Result<ExportTraceServiceResponse, Code> {
        let scopes = request.resource_spans.iter().flat_map(|of| &of.scope_spans);
        let spans = scopes.flat_map(|scope| &scope.spans);
        let items: Vec<_> = spans.map(Message::encoded_len).collect();
        self.called(headers, &items).await?;
        for of in request.resource_spans {
            self.resources.lock().unwrap().extend(of.resource);
            let spans = of.scope_spans.into_iter().flat_map(|scope| scope.spans);
            self.spans.lock().unwrap().extend(spans);
        }
        self.came.notify_one();
        let partial_success = Some(ExportTracePartialSuccess {
            rejected_spans: self.rejected(),
            error_message: String::new(),
        });
        Ok(ExportTraceServiceResponse { partial_success })
    }

    async fn records(
        &self,
        headers: HeaderMap,
        request: ExportLogsServiceRequest,
    ) -> Result<ExportLogsServiceResponse, Code> {
        let scopes = request.resource_logs.iter().flat_map(|of| &of.scope_logs);
        let records = scopes.flat_map(|scope| &scope.log_records);
        let items: Vec<_> = records.map(Message::encoded_len).collect();
        self.called(headers, &items).await?;
        for of in request.resource_logs {
            self.resources.lock().unwrap().extend(of.resource);
            let records = of
                .scope_logs
                .into_iter()
                .flat_map(|scope| scope.log_records);
            self.records.lock().unwrap().extend(records);
        }
        let partial_success = Some(ExportLogsPartialSuccess {
            rejected_log_records: self.rejected(),
            error_message: String::new(),
        });
        Ok(ExportLogsServiceResponse { partial_success })
    }
}

struct Grpc(Arc<Got>);

#[tonic::async_trait]
impl TraceService for Grpc {
    async fn export(
        &self,
        request: Request<ExportTraceServiceRequest>,
    ) -> Result<Response<ExportTraceServiceResponse>, Status> {
        let (metadata, _, message) = request.into_parts();
        let answer = self.0.spans(metadata.into_headers(), message).await;
        answer
            .map(Response::new)
            .map_err(|code| Status::new(code, "no"))
    }
}

#[tonic::async_trait]
impl LogsService for Grpc {
    async fn export(
        &self,
        request: Request<ExportLogsServiceRequest>,
    ) -> Result<Response<ExportLogsServiceResponse>, Status> {
        let (metadata, _, message) = request.into_parts();
        let answer = self.0.records(metadata.into_headers(), message).await;
        answer
            .map(Response::new)
            .map_err(|code| Status::new(code, "no"))
    }
}

fn serve_grpc(listener: TcpListener, got: Arc<Got>, tls: Option<Encrypted>) -> JoinHandle<()> {
    let mut server = Server::builder();
    if let Some(Encrypted { leaf, clients }) = tls {
        let identity = Identity::from_pem(leaf.certificate_pem, leaf.key_pem);
        let mut config = ServerTlsConfig::new().identity(identity);
        if let Some(clients) = clients {
            config = config.client_ca_root(Certificate::from_pem(clients.pem()));
        }
        server = server.tls_config(config).unwrap();
    }
    let traces = TraceServiceServer::new(Grpc(Arc::clone(&got)));
    let logs = LogsServiceServer::new(Grpc(got));
    let router = server
        .add_service(traces.accept_compressed(CompressionEncoding::Gzip))
        .add_service(logs.accept_compressed(CompressionEncoding::Gzip));
    tokio::spawn(async move {
        let incoming = TcpListenerStream::new(listener);
        router.serve_with_incoming(incoming).await.unwrap();
    })
}

fn serve_http(listener: TcpListener, got: Arc<Got>, tls: Option<Encrypted>) -> JoinHandle<()> {
    let app = Router::new()
        .route("/v1/traces", post(http_spans))
        .route("/v1/logs", post(http_records))
        .with_state(got);
    let Some(tls) = tls else {
        return tokio::spawn(async move { axum::serve(listener, app).await.unwrap() });
    };
    let listener = TlsListener(listener, TlsAcceptor::from(Arc::new(tls.config())));
    tokio::spawn(async move { axum::serve(listener, app).await.unwrap() })
}

async fn http_spans(
    State(got): State<Arc<Got>>,
    headers: HeaderMap,
    body: Body,
) -> Result<Vec<u8>, StatusCode> {
    let message = decoded(&headers, &body)?;
    let answer = got.spans(headers, message).await;
    answer.map(|answer| answer.encode_to_vec()).map_err(status)
}

async fn http_records(
    State(got): State<Arc<Got>>,
    headers: HeaderMap,
    body: Body,
) -> Result<Vec<u8>, StatusCode> {
    let message = decoded(&headers, &body)?;
    let answer = got.records(headers, message).await;
    answer.map(|answer| answer.encode_to_vec()).map_err(status)
}

fn decoded<M: Message + Default>(headers: &HeaderMap, body: &[u8]) -> Result<M, StatusCode> {
    if headers["content-type"] != "application/x-protobuf" {
        return Err(StatusCode::UNSUPPORTED_MEDIA_TYPE);
    }
    let mut plain = Vec::new();
    if headers.contains_key("content-encoding") {
        flate2::read::GzDecoder::new(body)
            .read_to_end(&mut plain)
            .unwrap();
    } else {
        plain = body.to_vec();
    }
    M::decode(plain.as_slice()).map_err(|_| StatusCode::BAD_REQUEST)
}

fn status(code: Code) -> StatusCode {
    if code == Code::Unavailable {
        StatusCode::SERVICE_UNAVAILABLE
    } else if code == Code::ResourceExhausted {
        StatusCode::PAYLOAD_TOO_LARGE
    } else {
        StatusCode::BAD_REQUEST
    }
}

impl Encrypted {
    fn config(self) -> ServerConfig {
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
            .with_safe_default_protocol_versions()
            .unwrap();
        let builder = match self.clients {
            None => builder.with_no_client_auth(),
            Some(authority) => {
                let mut roots = rustls::RootCertStore::empty();
                roots.add(authority.der().clone()).unwrap();
                let verifier = rustls::server::WebPkiClientVerifier::builder_with_provider(
                    Arc::new(roots),
                    provider,
                );
                builder.with_client_cert_verifier(verifier.build().unwrap())
            }
        };
        let (certificate, key) = (self.leaf.certificate, self.leaf.key);
        builder.with_single_cert(vec![certificate], key).unwrap()
    }
}

/// Connections with TLS; what is no handshake is no connection.
struct TlsListener(TcpListener, TlsAcceptor);

impl axum::serve::Listener for TlsListener {
    type Io = TlsStream<TcpStream>;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Self::Io, Self::Addr) {
        loop {
            let (stream, peer) = self.0.accept().await.unwrap();
            if let Ok(stream) = self.1.accept(stream).await {
                return (stream, peer);
            }
        }
    }

    fn local_addr(&self) -> std::io::Result<SocketAddr> {
        self.0.local_addr()
    }
}
