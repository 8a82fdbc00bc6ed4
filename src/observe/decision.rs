//! One decision as it is kept: small, owned, and without anything that is nobody's business.

use std::{mem::size_of, time::Duration};

use super::proto;
use crate::{
    decision::Decision as Decided,
    outcome::{Answer, Reason},
    request::{Address, Port, RequestView},
    telemetry::{
        DecisionId, Recorded,
        text::{causes, shown, without_query},
    },
};

/// One decision. Empty texts stand for what there is not.
#[derive(Clone, Debug)]
pub struct Decision {
    pub(super) at: Duration,
    pub(super) id: DecisionId,
    pub(super) answered: Answer,
    /// In dry-run: what would have been answered.
    pub(super) would: Option<Answer>,
    pub(super) reason: Reason,
    pub(super) duration: Duration,
    pub(super) caller: Box<str>,
    pub(super) method: Box<str>,
    pub(super) host: Box<str>,
    pub(super) path: Box<str>,
    pub(super) message: Box<str>,
    pub(super) revision: Box<str>,
    pub(super) provider: Box<str>,
    pub(super) subject: Box<str>,
    pub(super) token_error: &'static str,
    pub(super) trace: Option<[u8; 16]>,
    pub(super) destination: Box<str>,
}

impl Decision {
    /// What is kept of this one.
    pub(super) fn of(recorded: &Recorded<'_>) -> Self {
        let record = recorded.record;
        let view = recorded.request.as_ref().ok();
        let http = view.and_then(RequestView::http);
        let token = record.token.as_ref();
        let verified = token.map(|token| &token.verified);
        let policy = record.policy.as_deref();
        Self {
            at: record.at,
            id: record.decision_id,
            answered: record.answered(),
            would: record.dry_run.then(|| record.answer()),
            reason: record.reason(),
            duration: record.duration,
            caller: text(recorded.caller.principal),
            method: text(http.map_or("", |http| http.method())),
            host: text(http.map_or("", |http| http.host())),
            path: text(without_query(http.map_or("", |http| http.path()))),
            message: match &record.outcome {
                Ok(decision) => text(Decided::reason(decision).unwrap_or_default()),
                Err(error) => causes(error).into(),
            },
            revision: text(policy.map_or("", |policy| &policy.revision)),
            provider: text(
                token
                    .and_then(|token| token.provider.as_deref())
                    .unwrap_or_default(),
            ),
            subject: text(
                verified
                    .and_then(|verified| verified.as_ref().ok()?.token.subject.as_deref())
                    .unwrap_or_default(),
            ),
            token_error: verified
                .and_then(|verified| verified.as_ref().err())
                .map_or("", |error| error.as_str()),
            trace: record.trace.map(|trace| trace.trace_id),
            destination: view.map(destination).unwrap_or_default(),
        }
    }

    /// About what it takes, in bytes.
    pub(super) fn size(&self) -> usize {
        let texts = [
            &self.caller,
            &self.method,
            &self.host,
            &self.path,
            &self.message,
            &self.revision,
            &self.provider,
            &self.subject,
            &self.destination,
        ];
        let texts = texts.into_iter().map(|text| text.len());
        texts.fold(size_of::<Self>(), usize::saturating_add)
    }

    /// As it is sent.
    pub(super) fn message(&self) -> proto::Decision {
        proto::Decision {
            time: Some(timestamp(self.at)),
            decision_id: self.id.as_str().to_owned(),
            outcome: self.answered.as_str().to_owned(),
            reason: self.reason.as_str().to_owned(),
            would: self.would.map_or("", Answer::as_str).to_owned(),
            duration: prost_types::Duration::try_from(self.duration).ok(),
            caller: self.caller.to_string(),
            method: self.method.to_string(),
            host: self.host.to_string(),
            path: self.path.to_string(),
            message: self.message.to_string(),
            policy_revision: self.revision.to_string(),
            token_provider: self.provider.to_string(),
            token_subject: self.subject.to_string(),
            token_error: self.token_error.to_owned(),
            trace_id: self.trace.map(hexadecimal).unwrap_or_default(),
            destination: self.destination.to_string(),
        }
    }
}

fn text(text: &str) -> Box<str> {
    shown(text).into()
}

/// A time since the Unix epoch.
fn timestamp(at: Duration) -> prost_types::Timestamp {
    prost_types::Timestamp {
        seconds: i64::try_from(at.as_secs()).unwrap_or(i64::MAX),
        nanos: i32::try_from(at.subsec_nanos()).unwrap_or_default(),
    }
}

fn hexadecimal(id: [u8; 16]) -> String {
    format!("{:032x}", u128::from_be_bytes(id))
}

fn destination(view: &RequestView<'_>) -> Box<str> {
    let attributes = view.attributes.as_ref();
    let Some(peer) = attributes.and_then(|attributes| attributes.destination.as_ref()) else {
        return Box::default();
    };
    if !peer.principal.is_empty() {
        return text(peer.principal);
    }
    match &peer.address {
        Some(Address::Socket(socket)) => match &socket.port {
            Some(Port::Value(port)) if socket.address.contains(':') => {
                format!("[{}]:{port}", shown(socket.address)).into()
            }
            Some(Port::Value(port)) => format!("{}:{port}", shown(socket.address)).into(),
            Some(Port::Named(_)) | None => text(socket.address),
        },
        Some(Address::Pipe(_) | Address::Internal(_) | Address::Unset) | None => Box::default(),
    }
}
