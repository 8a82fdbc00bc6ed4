//! Caps on `net.*`.

use std::net::IpAddr;

use regorus::Value;

use super::{Instead, MAX_ELEMENTS, plain};

/// `net.cidr_expand(network)`.
pub(in crate::policy::builtins) fn expand(arguments: &[Value]) -> Result<(), Instead> {
    plain(arguments)?;
    let [Value::String(network)] = arguments else {
        return Ok(());
    };
    let Some((address, length)) = network.split_once('/') else {
        return Ok(());
    };
    let (Ok(address), Ok(length)) = (address.parse(), length.parse::<u32>()) else {
        return Ok(());
    };
    let all: u32 = match address {
        IpAddr::V4(_) => 32,
        IpAddr::V6(_) => 128,
    };
    let count = all
        .checked_sub(length)
        .map(|host| 1_u128.checked_shl(host).unwrap_or(u128::MAX));
    let few = |count: u128| usize::try_from(count).is_ok_and(|count| count <= MAX_ELEMENTS);
    match count {
        Some(count) if !few(count) => Err(Instead::Excess(format!(
            "the network has {count} addresses, more than {MAX_ELEMENTS}"
        ))),
        Some(_) | None => Ok(()),
    }
}
