//! The process as the operating system sees it, under the names that Prometheus's own libraries use.

use std::time::Duration;
use vecraft_runtime::telemetry::Figures;

pub fn tell(figures: &mut Figures) {
    if let Some(memory) = memory() {
        let help = "bytes of memory in use, mapped files included";
        figures.gauge("process_resident_memory_bytes", help, &[], memory.resident);
        let help = "bytes of memory in use that no file stands behind: these cannot be dropped";
        figures.gauge("vecraft_process_anonymous_memory_bytes", help, &[], memory.anonymous);
    }
    if let Some(time) = cpu_time() {
        figures.counter("process_cpu_seconds_total", "processor time, user and system", &[], time);
    }
}

#[derive(Debug, PartialEq, Eq)]
struct Memory {
    resident: u64,
    anonymous: u64,
}

// /proc is not data: no sync, no fault injection, so not the storage crate's business.
#[allow(clippy::disallowed_methods)]
fn memory() -> Option<Memory> {
    parse(&std::fs::read_to_string("/proc/self/status").ok()?)
}

/// The lines `VmRSS: 123 kB` and `RssAnon: 45 kB`.
fn parse(status: &str) -> Option<Memory> {
    let bytes = |name: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))?;
        line.trim().strip_suffix(" kB")?.parse::<u64>().ok()?.checked_mul(1 << 10)
    };
    Some(Memory { resident: bytes("VmRSS")?, anonymous: bytes("RssAnon")? })
}

fn cpu_time() -> Option<Duration> {
    // SAFETY: an all-zero rusage is a valid value, and the call gets a pointer to it.
    let usage = unsafe {
        let mut usage: libc::rusage = std::mem::zeroed();
        (libc::getrusage(libc::RUSAGE_SELF, &raw mut usage) == 0).then_some(usage)
    }?;
    let time = |part: libc::timeval| {
        let (seconds, micros) = (u64::try_from(part.tv_sec).ok()?, u64::try_from(part.tv_usec).ok()?);
        Some(Duration::from_secs(seconds) + Duration::from_micros(micros))
    };
    Some(time(usage.ru_utime)? + time(usage.ru_stime)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernels_lines_are_understood_and_others_give_nothing() {
        let status =
            "Name:\tvecraft\nVmHWM:\t 9 kB\nVmRSS:\t  2048 kB\nRssAnon:\t    512 kB\nRssFile:\t 1 kB\n";
        assert_eq!(parse(status), Some(Memory { resident: 2 << 20, anonymous: 512 << 10 }));
        assert_eq!(parse("VmRSS:\t2048 pages\nRssAnon:\t1 kB\n"), None);
        assert_eq!(parse(""), None);
        assert!(cpu_time().is_some());
    }
}
