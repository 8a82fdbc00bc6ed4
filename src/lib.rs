//! # portcullis
//!
//! An Envoy `ext_authz` gRPC authorization server: it takes the caller's SPIFFE identity and verified
//! token, evaluates Rego policies and answers allow or deny inside a time budget, closed on every failure.
//!
//! ## The way of one check
//!
//! A `CheckRequest` travels a straight line, one module per stage, in this order. Everything slow
//! comes from the side as an immutable snapshot, so the line never waits for disk, network or a lock.
//!
//! ```text
//! 1 check      admission, budget, one policy snapshot, panic isolation     (the whole line on a screen)
//! 2 request    the CheckRequest read straight from its wire bytes
//! 3 identity   who calls: the SPIFFE ID of the peer, the verified token of the caller
//! 4 input      the document the policy sees, only what it can read
//! 5 policy     Rego evaluation under limits
//! 6 decision   the typed decision, parsed once
//! 7 outcome    decision or error, each with its closed `Reason`
//! 8 response   the CheckResponse bytes
//! 9 telemetry  one event for every outcome, off the line
//! ```
//!
//! From the side: [`sources`] publishes policies and keys through [`snapshot`], and [`http_send`] fetches what a
//! policy asks of other services before the line is run again. Around it: [`config`],
//! [`app`], [`admin`] and [`cli`]. A module imports only what stands above it in the list below;
//! `tests/architecture.rs` holds that.

mod backoff;
pub mod chain;
pub mod clock;
pub mod descriptors;
pub mod digest;
mod median;
mod priority;
pub mod ready;
pub mod redact;
pub mod shutdown;
pub mod small_file;
pub mod snapshot;
pub mod version;

pub mod request;

pub mod identity;

pub mod input;

pub mod policy;

pub mod decision;

pub mod outcome;

pub mod response;

pub mod telemetry;

pub mod http_send;
pub mod services;

pub mod check;

pub mod sources;

pub mod status;

pub mod traces;

pub mod decision_log;

pub mod observe;

pub mod config;

pub mod admin;
pub mod app;

pub mod cli;
