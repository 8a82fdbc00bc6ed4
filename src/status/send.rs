//! Reports to a service: one at a time, the newest, again when it fails.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use reqwest::header::{CONTENT_TYPE, HeaderMap, HeaderValue};
use serde_json::Value;
use tokio::time::{sleep, timeout};

use super::About;
use crate::{
    backoff,
    services::{Client, Post, Service, ServiceError},
    telemetry::{Metrics, ReportFailed, ReportSent},
};

/// A service that takes reports.
pub(super) struct Receiver {
    client: Client,
    resource: String,
    place: String,
}

/// Why a report was not taken.
#[derive(Debug, thiserror::Error)]
enum ReportError {
    /// No answer.
    #[error(transparent)]
    Service(#[from] ServiceError),
    /// An answer that is no success.
    #[error("`{place}` answered {status}")]
    Status { place: String, status: u16 },
    /// Not all of an answer in any useful time.
    #[error("`{0}` has not answered for {LONGEST:?}")]
    Slow(String),
}

impl Receiver {
    pub(super) fn new(service: Arc<Service>, partition: &str) -> Self {
        let resource = match partition {
            "" => "status".to_owned(),
            partition => format!("status/{partition}"),
        };
        let client = Client::new(service);
        Self {
            place: client.place(&resource),
            client,
            resource,
        }
    }

    async fn send(&self, report: &Value) -> Result<(), ReportError> {
        let json = HeaderValue::from_static("application/json");
        let post = self.client.post(Post {
            resource: &self.resource,
            headers: HeaderMap::from_iter([(CONTENT_TYPE, json)]),
            body: Bytes::from(report.to_string()),
        });
        let slow = |_| ReportError::Slow(self.place.clone());
        let answer = timeout(LONGEST, post).await.map_err(slow)??;
        if answer.status.is_success() {
            return Ok(());
        }
        Err(ReportError::Status {
            place: self.place.clone(),
            status: answer.status.as_u16(),
        })
    }
}

/// Never ends.
pub(super) async fn run(receiver: Receiver, about: About, metrics: Arc<Metrics>) {
    let mut changes = about.watch();
    let mut failures = 0_u32;
    loop {
        match receiver.send(&changes.report().await).await {
            Ok(()) => {
                ReportSent {
                    place: &receiver.place,
                    again: failures > 0,
                }
                .emit(&metrics);
                failures = 0;
                changes.wait().await;
            }
            Err(error) => {
                ReportFailed {
                    place: &receiver.place,
                    error: &error,
                    before: failures,
                }
                .emit(&metrics);
                sleep(pause(failures, fastrand::f64())).await;
                failures = failures.saturating_add(1);
            }
        }
    }
}

/// Twice as long after each failure; `jitter`, up to 1, takes up to half of it away.
fn pause(failures: u32, jitter: f64) -> Duration {
    backoff::pause(failures, FIRST_PAUSE, LONGEST_PAUSE, jitter)
}

/// The longest time for one report.
const LONGEST: Duration = Duration::from_mins(1);
const FIRST_PAUSE: Duration = Duration::from_millis(500);
const LONGEST_PAUSE: Duration = Duration::from_mins(1);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_to_a_minute_and_never_to_nothing() {
        for (failures, jitter, milliseconds) in [
            (0, 0.0, 500),
            (0, 1.0, 250),
            (1, 0.0, 1000),
            (3, 0.5, 3000),
            (7, 0.0, 60_000),
            (u32::MAX, 1.0, 30_000),
        ] {
            let want = Duration::from_millis(milliseconds);
            assert_eq!(pause(failures, jitter), want, "{failures} {jitter}");
        }
    }
}
