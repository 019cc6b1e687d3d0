//! Asks the system for large pages under memory that is read in no order.

use std::mem::MaybeUninit;

/// Below this size small pages do: their entries fit the processor's second table.
const LEAST_BYTES: usize = 4 << 20;

/// Advises large pages (2 MiB on x86) for memory about to be filled. A walk touches rows all over a large array; with
/// 4 KiB pages nearly every row costs a look-up of its address as well. Never fails: where the system has no such
/// advice, or does not follow it, nothing changes but the speed.
pub fn advise_huge_pages<T>(memory: &mut [MaybeUninit<T>]) {
    let bytes = size_of_val(memory);
    if bytes < LEAST_BYTES {
        return;
    }
    #[cfg(target_os = "linux")]
    {
        const PAGE: usize = 4096;
        let start = memory.as_mut_ptr() as usize;
        let (first, last) = (start.next_multiple_of(PAGE), (start + bytes) / PAGE * PAGE);
        // SAFETY: whole pages inside memory that we hold exclusively; the advice does not change what is in them. With
        // pages larger than 4 KiB the call may be refused, which is fine.
        unsafe { libc::madvise(first as *mut libc::c_void, last - first, libc::MADV_HUGEPAGE) };
    }
}

/// Says that a part of a mapped file will be read in no order, so that a page that is not in memory brings no neighbours: where memory
/// is short they would push out others that are needed. Never fails; nothing but the speed changes.
pub fn advise_random(memory: &[u8]) {
    #[cfg(target_os = "linux")]
    advise(memory, libc::MADV_RANDOM);
    let _ = memory;
}

/// Takes [`advise_random`] back: a page that is not in memory brings as many neighbours as the system finds good.
pub fn advise_normal(memory: &[u8]) {
    #[cfg(target_os = "linux")]
    advise(memory, libc::MADV_NORMAL);
    let _ = memory;
}

/// Asks for the pages of parts of mapped files that will be read at once, and does not wait for them: a disk answers many requests
/// at a time. A call of the system for each part, so only for pages that are probably not in memory.
pub fn fetch_pages<'a>(parts: impl IntoIterator<Item = &'a [u8]>) {
    for part in parts {
        #[cfg(target_os = "linux")]
        {
            const PAGE: usize = 4096;
            let (start, end) = (part.as_ptr() as usize, part.as_ptr() as usize + part.len());
            let first = start / PAGE * PAGE;
            // SAFETY: pages in which memory that we borrow lies; the advice changes nothing in them.
            unsafe { libc::madvise(first as *mut libc::c_void, end - first, libc::MADV_WILLNEED) };
        }
        let _ = part;
    }
}

/// How much this thread has had read from disks so far, by touching or asking for pages that were not in memory. Only whether it
/// grows has a meaning; 0 where the system does not say.
pub fn thread_reads() -> u64 {
    #[cfg(target_os = "linux")]
    {
        let mut usage = MaybeUninit::<libc::rusage>::zeroed();
        // SAFETY: the call writes a whole rusage or fails and leaves the zeros, which are one, too.
        let usage = unsafe {
            libc::getrusage(libc::RUSAGE_THREAD, usage.as_mut_ptr());
            usage.assume_init()
        };
        (usage.ru_inblock as u64).wrapping_add(usage.ru_majflt as u64)
    }
    #[cfg(not(target_os = "linux"))]
    0
}

/// Advice about the whole pages inside some memory, of a kind that changes nothing in it.
#[cfg(target_os = "linux")]
fn advise(memory: &[u8], advice: libc::c_int) {
    const PAGE: usize = 4096;
    let start = memory.as_ptr() as usize;
    let (first, last) = (start.next_multiple_of(PAGE), (start + memory.len()) / PAGE * PAGE);
    if first < last {
        // SAFETY: whole pages inside memory that is mapped as long as we borrow it; the advice changes nothing in it.
        unsafe { libc::madvise(first as *mut libc::c_void, last - first, advice) };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_that_are_fetched_keep_what_they_hold() {
        let bytes: Vec<u8> = (0..100_000u32).map(|at| at as u8).collect();
        let before = thread_reads();
        fetch_pages(bytes.chunks(999));
        advise_random(&bytes);
        advise_normal(&bytes);
        assert!(bytes.iter().enumerate().all(|(at, byte)| *byte == at as u8));
        assert!(thread_reads() >= before);
    }

    #[test]
    fn advised_memory_is_ordinary_memory() {
        for len in [0, 1, LEAST_BYTES / 8 - 1, LEAST_BYTES / 8, LEAST_BYTES / 8 + 513] {
            let mut values: Vec<u64> = Vec::with_capacity(len);
            advise_huge_pages(values.spare_capacity_mut());
            values.extend(0..len as u64);
            assert!(values.iter().copied().eq(0..len as u64));
        }
    }
}
