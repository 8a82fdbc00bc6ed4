//! Who encodes what is sent: never the thread that offers it, nor a worker that answers checks.

use std::{
    sync::{Arc, Mutex},
    thread,
    time::Instant,
};

use bytes::{Buf, BufMut};
use opentelemetry_proto::tonic::{
    collector::logs::v1::{ExportLogsServiceRequest, ExportLogsServiceResponse},
    logs::v1::{LogRecord, ResourceLogs, ScopeLogs},
};
use portcullis::traces::otlp::{
    Batcher, Loss, Origin, Patience, Protocol, Settings, Signal, Tally,
};
use prost::{
    DecodeError, Message,
    encoding::{DecodeContext, WireType},
};

use crate::{
    collector::{Collector, Does},
    gate::PATIENCE,
};

/// Names of the threads that have encoded, in order.
static ENCODED_BY: Mutex<Vec<String>> = Mutex::new(Vec::new());

/// Records; a request of them notes who encodes it.
#[derive(Debug)]
struct Noting;

#[derive(Debug, Default)]
struct Noted(ExportLogsServiceRequest);

impl Message for Noted {
    fn encode_raw(&self, buf: &mut impl BufMut) {
        let name = thread::current().name().unwrap_or_default().to_owned();
        ENCODED_BY.lock().unwrap().push(name);
        self.0.encode_raw(buf);
    }

    fn merge_field(
        &mut self,
        tag: u32,
        wire_type: WireType,
        buf: &mut impl Buf,
        ctx: DecodeContext,
    ) -> Result<(), DecodeError> {
        self.0.merge_field(tag, wire_type, buf, ctx)
    }

    fn encoded_len(&self) -> usize {
        self.0.encoded_len()
    }

    fn clear(&mut self) {
        self.0.clear();
    }
}

impl Signal for Noting {
    type Item = LogRecord;
    type Request = Noted;
    type Response = ExportLogsServiceResponse;

    const METHOD: &'static str = "/opentelemetry.proto.collector.logs.v1.LogsService/Export";
    const PATH: &'static str = "/v1/logs";

    fn request(_origin: &Origin, log_records: Vec<LogRecord>) -> Noted {
        Noted(ExportLogsServiceRequest {
            resource_logs: vec![ResourceLogs {
                scope_logs: vec![ScopeLogs {
                    log_records,
                    ..ScopeLogs::default()
                }],
                ..ResourceLogs::default()
            }],
        })
    }

    fn rejected(_response: &ExportLogsServiceResponse) -> i64 {
        0
    }
}

#[derive(Debug)]
struct Uncounted;

impl Tally for Uncounted {
    fn sent(&self, _items: u64) {}

    fn lost(&self, why: Loss, items: u64) {
        panic!("{items} {why:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_sent_is_encoded_on_a_thread_of_its_own() {
    for protocol in [Protocol::Grpc, Protocol::Http] {
        let collector = Collector::start(protocol, Does::FailsFirst(1)).await;
        let mut options = collector.options();
        options.gzip = true;
        let settings = Settings {
            what: "records",
            patience: Patience::Forever,
            bytes: 1 << 20,
            tally: Arc::new(Uncounted),
        };
        // Within the runtime that answers checks.
        let mut batcher = Batcher::<Noting>::start(options, settings).unwrap();
        batcher.push(LogRecord::default());
        let finish = move || batcher.finish(Instant::now() + PATIENCE);
        tokio::task::spawn_blocking(finish).await.unwrap();
        assert_eq!(collector.records().len(), 1);
        let by = std::mem::take(&mut *ENCODED_BY.lock().unwrap());
        assert_eq!(by, ["otlp-records", "otlp-records"], "{protocol:?}");
    }
}
