//! Where nothing is ever sent, whatever is allowed: addresses that a machine trusts because only
//! it can reach them.
//!
//! Checked for literals in a URL and, for names, on what they resolve to, right where the connection
//! is made: a name cannot mean one address when it is checked and another when it is used.

use std::{
    fmt,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    sync::Arc,
};

use reqwest::dns::{Addrs, Name, Resolve, Resolving};

/// Whether nothing is ever sent to `address`: link-local (`169.254.0.0/16`, where most clouds have
/// their metadata), other metadata addresses, unspecified and multicast, however written.
pub fn is_forbidden(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => forbidden_v4(address),
        IpAddr::V6(address) => forbidden_v6(address),
    }
}

fn forbidden_v4(address: Ipv4Addr) -> bool {
    // The whole of 0.0.0.0/8 is "this host", and Linux connects 0.0.0.0 to itself.
    let this_host = matches!(address.octets(), [0, _, _, _]);
    this_host
        || address.is_link_local()
        || address.is_multicast()
        || address.is_broadcast()
        || METADATA_V4.contains(&address)
}

fn forbidden_v6(address: Ipv6Addr) -> bool {
    if address.is_loopback() {
        return false;
    }
    let own = address.is_unspecified()
        || address.is_multicast()
        || address.is_unicast_link_local()
        // Amazon's and Google's metadata.
        || matches!(address.segments(), [0xfd00, 0xec2, ..] | [0xfd20, 0xce, ..]);
    own || embedded(address).is_some_and(forbidden_v4)
}

/// The IPv4 address that an IPv6 address stands for on its way.
fn embedded(address: Ipv6Addr) -> Option<Ipv4Addr> {
    let of = |high: u16, low: u16| {
        let ([a, b], [c, d]) = (high.to_be_bytes(), low.to_be_bytes());
        Some(Ipv4Addr::new(a, b, c, d))
    };
    match address.segments() {
        // Mapped, compatible and translated (RFC 4291, RFC 2765).
        [0, 0, 0, 0, 0, 0 | 0xffff, high, low] | [0, 0, 0, 0, 0xffff, 0, high, low]
        // NAT64 (RFC 6052, RFC 8215).
        | [0x64, 0xff9b, 0, 0, 0, 0, high, low]
        | [0x64, 0xff9b, 1, _, _, _, high, low]
        // 6to4 (RFC 3056).
        | [0x2002, high, low, ..] => of(high, low),
        // Teredo (RFC 4380) turns every bit of it over.
        [0x2001, 0, _, _, _, _, high, low] => of(!high, !low),
        _ => None,
    }
}

/// Alibaba's and Oracle's metadata, Azure's host.
const METADATA_V4: [Ipv4Addr; 3] = [
    Ipv4Addr::new(100, 100, 100, 200),
    Ipv4Addr::new(192, 0, 0, 192),
    Ipv4Addr::new(168, 63, 129, 16),
];

/// Resolves names, without the addresses that are forbidden.
pub(super) struct Guarded(pub(super) Arc<dyn Resolve>);

impl Resolve for Guarded {
    fn resolve(&self, name: Name) -> Resolving {
        let host = name.as_str().to_owned();
        let resolving = self.0.resolve(name);
        Box::pin(async move {
            let (forbidden, allowed): (Vec<_>, Vec<_>) =
                resolving.await?.partition(|found| is_forbidden(found.ip()));
            if allowed.is_empty() && !forbidden.is_empty() {
                return Err(ResolvesToForbidden(host).into());
            }
            let addresses: Addrs = Box::new(allowed.into_iter());
            Ok(addresses)
        })
    }
}

impl fmt::Debug for Guarded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Guarded").finish_non_exhaustive()
    }
}

/// A name has no address but forbidden ones.
#[derive(Debug, thiserror::Error)]
#[error("`{0}` resolves to nothing but addresses that are never allowed")]
pub(super) struct ResolvesToForbidden(pub(super) String);

/// Names as this machine resolves them.
#[derive(Debug)]
pub(super) struct System;

impl Resolve for System {
    fn resolve(&self, name: Name) -> Resolving {
        Box::pin(async move {
            #[expect(clippy::needless_collect, reason = "the name does not live as long")]
            let found: Vec<SocketAddr> =
                tokio::net::lookup_host((name.as_str(), 0)).await?.collect();
            let addresses: Addrs = Box::new(found.into_iter());
            Ok(addresses)
        })
    }
}

#[cfg(test)]
mod tests;
