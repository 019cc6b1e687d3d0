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
    {
        const PAGE: usize = 4096;
        let start = memory.as_ptr() as usize;
        let (first, last) = (start.next_multiple_of(PAGE), (start + memory.len()) / PAGE * PAGE);
        if first < last {
            // SAFETY: whole pages inside memory that is mapped as long as we borrow it; the advice changes nothing in it.
            unsafe { libc::madvise(first as *mut libc::c_void, last - first, libc::MADV_RANDOM) };
        }
    }
    let _ = memory;
}

#[cfg(test)]
mod tests {
    use super::*;

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
