//! What the system is told of memory: large pages, pages that are read in no order, and pages that will be read.

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
/// at a time. A call of the system for each run of pages, whatever order the parts come in, so only for pages that are probably
/// not in memory.
pub fn fetch_pages<'a>(parts: impl IntoIterator<Item = &'a [u8]>) {
    let ask = |first: usize, end: usize| {
        #[cfg(target_os = "linux")]
        // SAFETY: pages in which memory that is borrowed by `parts` lies; the advice changes nothing in them.
        unsafe {
            libc::madvise(first as *mut libc::c_void, end - first, libc::MADV_WILLNEED)
        };
        let _ = (first, end);
    };
    let address = |part: &[u8]| (part.as_ptr() as usize, part.as_ptr() as usize + part.len());
    each_run_of_pages(parts.into_iter().map(address), ask);
}

/// Parts that are sorted at a time.
const SORTED: usize = 64;

/// Calls `ask` with the pages in which parts of memory lie, from and to an address: neighbours together, none twice among
/// [`SORTED`] parts.
fn each_run_of_pages(parts: impl Iterator<Item = (usize, usize)>, mut ask: impl FnMut(usize, usize)) {
    const PAGE: usize = 4096;
    let (mut runs, mut count) = ([(0usize, 0usize); SORTED], 0);
    let mut ask_all = |runs: &mut [(usize, usize)]| {
        runs.sort_unstable();
        runs.chunk_by(|one, next| next.0 <= one.1).for_each(|joined| {
            let end = joined.iter().map(|run| run.1).max().unwrap_or(0);
            ask(joined[0].0, end);
        });
    };
    for (start, end) in parts.filter(|(start, end)| start < end) {
        let run = (start / PAGE * PAGE, end.next_multiple_of(PAGE));
        // Rows in their order need no sorting.
        match runs[..count].last_mut().filter(|last| (last.0..=last.1).contains(&run.0)) {
            Some(last) => last.1 = last.1.max(run.1),
            None => {
                if count == SORTED {
                    ask_all(&mut runs);
                    count = 0;
                }
                runs[count] = run;
                count += 1;
            }
        }
    }
    ask_all(&mut runs[..count]);
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
        fetch_pages(bytes.chunks(999));
        advise_random(&bytes);
        advise_normal(&bytes);
        assert!(bytes.iter().enumerate().all(|(at, byte)| *byte == at as u8));
    }

    #[test]
    fn neighbouring_pages_are_asked_for_together_and_none_twice() {
        let runs = |parts: &[(usize, usize)]| {
            let mut asked = Vec::new();
            each_run_of_pages(parts.iter().copied(), |first, end| asked.push((first / 4096, end / 4096)));
            asked
        };
        let row = |row: usize| (row * 1_000, row * 1_000 + 1_000);
        let some = |rows: &[usize]| runs(&rows.iter().map(|number| row(*number)).collect::<Vec<_>>());
        assert_eq!(some(&[]), []);
        assert_eq!(runs(&[(5_000, 5_000)]), []);
        assert_eq!(
            some(&(0..10_000).collect::<Vec<_>>()),
            [(0, 10_000_000usize.div_ceil(4096))],
            "rows in order"
        );
        assert_eq!(some(&[50, 1, 50, 0, 49]), [(0, 1), (11, 13)], "in no order");
        assert_eq!(some(&[4]), [(0, 2)], "a row over two pages");
        // Far apart, and more than are sorted at a time: each once.
        let apart: Vec<usize> = (0..3 * SORTED).rev().map(|number| number * 100).collect();
        let mut asked = some(&apart);
        asked.sort_unstable();
        assert!(asked.len() == apart.len() && asked.is_sorted_by(|one, next| one.1 <= next.0));
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
