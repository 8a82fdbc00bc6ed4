//! How much memory the process has, as the kernel counts it.

use std::{fs, time::Duration};

/// Bytes that are resident now.
pub(crate) fn resident() -> usize {
    of("VmRSS:")
}

/// The most bytes that were resident since [`forget_peak`].
pub(crate) fn peak() -> usize {
    of("VmHWM:")
}

/// Begins a new peak.
pub(crate) fn forget_peak() {
    fs::write("/proc/self/clear_refs", "5").unwrap();
}

/// Gives the allocator time to return what is free.
pub(crate) fn settle() {
    std::thread::sleep(Duration::from_secs(1));
}

fn of(name: &str) -> usize {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix(name))
        .unwrap();
    let kilobytes: usize = line.trim().trim_end_matches(" kB").parse().unwrap();
    kilobytes * 1024
}
