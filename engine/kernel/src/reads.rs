//! Whether what is read comes from a disk: then it is worth asking for many pages at a time (`fetch_pages`), which would only cost
//! where everything is in memory.

/// How many pages of 4 KiB this thread has had read from disks so far, by touching or asking for what was not in memory; 0 where the
/// system does not say. A call of the system.
pub fn thread_reads() -> u64 {
    #[cfg(target_os = "linux")]
    {
        let mut usage = std::mem::MaybeUninit::<libc::rusage>::zeroed();
        // SAFETY: the call writes a whole rusage or fails and leaves the zeros, which are one, too.
        let usage = unsafe {
            libc::getrusage(libc::RUSAGE_THREAD, usage.as_mut_ptr());
            usage.assume_init()
        };
        // The first counts what was asked for as well, in sectors of 512 bytes, but not on every file system; the other only touches.
        (usage.ru_inblock as u64 / 8).max(usage.ru_majflt as u64)
    }
    #[cfg(not(target_os = "linux"))]
    0
}

/// Whether a scan comes by rows that are not in memory, looked at now and then.
#[derive(Debug)]
pub struct DiskWatch {
    runs: usize,
    /// [`thread_reads`] at the last look; `None` before the first.
    reads: Option<u64>,
    is_read: bool,
}

/// Runs between two looks while everything is in memory.
const LOOK_EVERY: usize = 16;

impl DiskWatch {
    /// For a scan of several runs. `is_cold`: its rows are probably not in memory.
    pub fn new(is_cold: bool) -> DiskWatch {
        DiskWatch { runs: 0, reads: None, is_read: is_cold }
    }

    /// Asked before each run: whether its pages had better be asked for together, since something was read for the runs before.
    pub fn is_read(&mut self) -> bool {
        self.runs += 1;
        let Some(before) = self.reads else {
            self.reads = Some(thread_reads());
            return self.is_read;
        };
        if self.is_read || self.runs == 2 || self.runs.is_multiple_of(LOOK_EVERY) {
            let reads = thread_reads();
            self.is_read = reads != before;
            self.reads = Some(reads);
        }
        self.is_read
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_scan_in_memory_asks_for_nothing_after_its_first_run() {
        let bytes = vec![1u8; 1 << 16];
        for is_cold in [false, true] {
            let mut watch = DiskWatch::new(is_cold);
            let asked: Vec<bool> = bytes.chunks(1 << 10).map(|_| watch.is_read()).collect();
            assert_eq!(asked[0], is_cold);
            // Somebody else's page of this program may come from a disk meanwhile, not over and over.
            assert!(asked[1..].iter().filter(|is_asked| **is_asked).count() < asked.len() / 2);
        }
    }

    #[test]
    fn reads_never_become_fewer() {
        let before = thread_reads();
        assert!(thread_reads() >= before);
    }
}
