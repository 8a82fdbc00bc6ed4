//! `portcullis.observe`: where decisions are shown live, how many are remembered, and who may look.
//!
//! Promises that an address which can be reached from elsewhere is never without a list of callers.

use std::net::IpAddr;

use serde_json::Value;

use super::{
    address::{ListenAddr, address},
    problem::Complaint,
    section::Section,
    tls::Tls,
    value::{choice, integer},
};
use crate::observe::{DEFAULT_ADDRESS, Keep};

/// The section `observe`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Observe {
    /// `addr`.
    pub addr: ObserveAddr,
    /// `capacity`: how many decisions are remembered. Default 4096.
    pub capacity: usize,
    /// `record`: which. Default [`Keep::All`].
    pub record: Keep,
    /// `tls`: as on the gRPC port; `None` is plaintext.
    pub tls: Option<Tls>,
}

/// Where decisions are shown.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum ObserveAddr {
    /// Nothing is configured: at [`DEFAULT_ADDRESS`], if that can be had.
    #[default]
    Usual,
    /// There.
    At(ListenAddr),
    /// `off`: nowhere.
    Off,
}

impl ObserveAddr {
    /// What to listen on; `None`: nothing.
    pub fn address(&self) -> Option<ListenAddr> {
        match self {
            Self::Usual => DEFAULT_ADDRESS.parse().ok(),
            Self::At(address) => Some(address.clone()),
            Self::Off => None,
        }
    }
}

impl Default for Observe {
    fn default() -> Self {
        Self {
            addr: ObserveAddr::Usual,
            capacity: 4096,
            record: Keep::All,
            tls: None,
        }
    }
}

impl Observe {
    pub(super) fn read(section: &mut Section<'_>) -> Self {
        let default = Self::default();
        let addr = section.value("addr", observe_address);
        let tls_is_given = section.raw("tls").is_some();
        let tls = section.optional_section("tls", Tls::read).flatten();
        match &addr {
            Some(ObserveAddr::At(ListenAddr::Unix(_))) if tls_is_given => {
                let complaint = Complaint::new("a Unix socket is not served with TLS");
                section.problem("tls", complaint.hint("its file is for this user alone"));
            }
            // What is wrong with a section that is there is told already.
            Some(ObserveAddr::At(ListenAddr::Tcp { host, port }))
                if !is_loopback(host) && !tls.as_ref().map_or(tls_is_given, Tls::knows_callers) =>
            {
                let complaint = Complaint::new(format!(
                    "`{host}:{port}` can be reached from elsewhere, and whoever comes would be shown \
                     decisions"
                ));
                section.problem("addr", complaint.hint(GUARD));
            }
            Some(ObserveAddr::At(_) | ObserveAddr::Usual | ObserveAddr::Off) | None => (),
        }
        Self {
            addr: addr.unwrap_or_default(),
            capacity: section
                .value("capacity", integer(1..=MOST))
                .unwrap_or(default.capacity),
            record: section.value("record", choice(KEEP)).unwrap_or_default(),
            tls,
        }
    }
}

fn observe_address(value: &Value) -> Result<ObserveAddr, Complaint> {
    if value.as_str() == Some(OFF) {
        return Ok(ObserveAddr::Off);
    }
    match address(value)? {
        ListenAddr::Abstract(_) => {
            let complaint = Complaint::new("an abstract socket has no permissions");
            Err(complaint.hint("write `unix:///path`"))
        }
        address @ (ListenAddr::Tcp { .. } | ListenAddr::Unix(_)) => Ok(ObserveAddr::At(address)),
    }
}

/// Whether only this machine reaches it. What a name stands for is looked at again when it is listened
/// on.
fn is_loopback(host: &str) -> bool {
    host == "localhost" || host.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

/// Nowhere.
const OFF: &str = "off";
const KEEP: &[(&str, Keep)] = &[("all", Keep::All), ("refused", Keep::Refused)];
const GUARD: &str = "use `127.0.0.1:9292` or `unix:///path`, or set `tls` with `client_ca_file` and \
                     `allowed_callers`";
/// More is a log, not a look.
const MOST: usize = 100_000;
