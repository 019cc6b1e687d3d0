//! Mapped files whose pages are not in memory: read many at a time, not one after another.
//!
//! A walk touches pages in no order. Each that is not in memory is a wait for the disk, and a search touches thousands; but disks answer
//! many requests at a time. So before a walk compares the neighbours of a row it asks for all their pages. Where everything is
//! in memory that would only cost, calls of the system for each row that is expanded (0.2 to 0.5 ms for a search of 0.1 ms); so an
//! index does it as long as a share of what its searches touch has to be read.

use std::sync::atomic::{AtomicBool, Ordering};
use vecraft_kernel::thread_reads;

/// Whether a good part of what the last search of an index touched was read from disk.
#[derive(Debug, Default)]
pub(crate) struct Cold(AtomicBool);

/// One page read for so many places touched is little. Asking costs half a microsecond a place and saves most of the wait for a
/// page, which is 20 (the best disks) to 100 microseconds and more.
const LITTLE: u64 = 32;

/// Whether a search that touched so many places, each in a page of its own, with so many pages read, shows that the next one had
/// better ask.
fn is_cold_after(pages: u64, touched: usize) -> bool {
    pages > 0 && pages.saturating_mul(LITTLE) >= touched as u64
}

/// Pages over which rows lie that follow each other, as few as one for each row if they are long.
pub(crate) fn pages_of(rows: usize, row_bytes: usize) -> usize {
    const PAGE: usize = 4096;
    rows.saturating_mul(row_bytes.min(PAGE)).div_ceil(PAGE)
}

impl Cold {
    /// Runs one search, which is told whether to ask for pages before it touches them. `touched` says how many places in the index
    /// and its rows it came by.
    pub(crate) fn watch<T>(&self, search: impl FnOnce(bool) -> T, touched: impl FnOnce(&T) -> usize) -> T {
        let was_cold = self.0.load(Ordering::Relaxed);
        let before = thread_reads();
        let found = search(was_cold || is_assumed());
        let is_cold = is_cold_after(thread_reads().saturating_sub(before), touched(&found));
        // All threads look at it: written only when it changes, or each write would cost the others a cache miss.
        if is_cold != was_cold {
            self.0.store(is_cold, Ordering::Relaxed);
        }
        found
    }
}

#[cfg(not(test))]
fn is_assumed() -> bool {
    false
}

#[cfg(test)]
pub(crate) use assumed::{assuming, is_assumed};

/// Tests have everything in memory, and want to see the other way too.
#[cfg(test)]
mod assumed {
    use std::cell::Cell;

    thread_local!(static IS_ASSUMED: Cell<bool> = const { Cell::new(false) });

    pub(crate) fn is_assumed() -> bool {
        IS_ASSUMED.get()
    }

    /// Searches of mapped indexes on this thread ask for pages before they touch them.
    pub(crate) fn assuming<T>(search: impl FnOnce() -> T) -> T {
        IS_ASSUMED.set(true);
        let found = search();
        IS_ASSUMED.set(false);
        found
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_few_pages_read_make_no_index_cold() {
        assert!(!is_cold_after(0, 0) && !is_cold_after(0, 700), "nothing read");
        assert!(!is_cold_after(1, 700) && !is_cold_after(21, 700), "nearly all is in memory");
        assert!(is_cold_after(22, 700) && is_cold_after(1_400, 700) && is_cold_after(1, 1));
    }

    #[test]
    fn a_search_in_memory_leaves_an_index_warm_and_ends_a_cold_time() {
        let cold = Cold::default();
        cold.0.store(true, Ordering::Relaxed);
        assert!(cold.watch(|is_cold| is_cold, |_| usize::MAX), "as the last one left it");
        assert!(!cold.watch(|is_cold| is_cold, |_| usize::MAX));
    }
}
