//! The metrics of this process under Prometheus' own names, read from `/proc` while they are scraped
//! and at no other time. Where there is no `/proc`, or it does not tell something, that is left out.

use std::{fmt, time::Duration};

use procfs::process::{LimitValue, Limits, Process as Entry, Stat};
use prometheus_client::{
    collector::Collector,
    encoding::{DescriptorEncoder, EncodeMetric},
    metrics::{counter::ConstCounter, gauge::ConstGauge},
    registry::Registry,
};

/// Reads what the kernel knows of this process.
#[derive(Debug)]
struct Process;

/// Shows this process in `registry`.
pub(super) fn register(registry: &mut Registry) {
    let registry = registry.sub_registry_with_prefix("process");
    registry.register_collector(Box::new(Process));
}

impl Collector for Process {
    fn encode(&self, encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let Ok(entry) = Entry::myself() else {
            return Ok(());
        };
        let mut shown = Shown(encoder);
        if let Ok(stat) = entry.stat() {
            shown.stat(&stat)?;
        }
        if let Some(open) = entry.fd_count().ok().and_then(|n| u64::try_from(n).ok()) {
            shown.show("open_fds", "Open file descriptors.", &ConstGauge::new(open))?;
        }
        if let Some(most) = entry.limits().ok().and_then(|limits| most_files(&limits)) {
            let help = "Most file descriptors that may be open.";
            shown.show("max_fds", help, &ConstGauge::new(most))?;
        }
        Ok(())
    }
}

/// What a scrape is shown.
struct Shown<'a>(DescriptorEncoder<'a>);

impl Shown<'_> {
    fn stat(&mut self, stat: &Stat) -> fmt::Result {
        let processor = time(stat.utime.saturating_add(stat.stime)).as_secs_f64();
        let processor = ConstCounter::new(processor);
        self.show("cpu_seconds", "User and system CPU time.", &processor)?;
        let resident = stat.rss.saturating_mul(procfs::page_size());
        for (name, help, value) in [
            ("resident_memory_bytes", "Resident memory.", resident),
            ("virtual_memory_bytes", "Virtual memory.", stat.vsize),
            (
                "threads",
                "Threads.",
                u64::try_from(stat.num_threads).unwrap_or_default(),
            ),
        ] {
            self.show(name, help, &ConstGauge::new(value))?;
        }
        if let Ok(boot) = procfs::boot_time_secs() {
            let started = Duration::from_secs(boot).saturating_add(time(stat.starttime));
            let started = ConstGauge::new(started.as_secs_f64());
            self.show("start_time_seconds", "When the process started.", &started)?;
        }
        Ok(())
    }

    fn show(&mut self, name: &str, help: &str, value: &dyn EncodeMetric) -> fmt::Result {
        let encoder = self
            .0
            .encode_descriptor(name, help, None, value.metric_type())?;
        value.encode(encoder)
    }
}

/// `None`: as many as one likes.
fn most_files(limits: &Limits) -> Option<u64> {
    match limits.max_open_files.soft_limit {
        LimitValue::Value(most) => Some(most),
        LimitValue::Unlimited => None,
    }
}

/// A time that the kernel tells in ticks.
fn time(ticks: u64) -> Duration {
    let a_second = u32::try_from(procfs::ticks_per_second()).unwrap_or_default();
    Duration::from_secs(ticks)
        .checked_div(a_second)
        .unwrap_or_default()
}
