//! Mapped files whose pages are not in memory: read many at a time, not one after another.
//!
//! A walk touches pages in no order. Each that is not in memory is a wait for the disk, and a search touches thousands; but disks answer
//! many requests at a time. So before a walk compares the neighbours of a row it asks for all their pages. Where everything is
//! in memory that would only cost, a call of the system for each of them; so an index does it as long as its searches
//! have something read.

use std::sync::atomic::{AtomicBool, Ordering};
use vecraft_kernel::thread_reads;

/// Whether the last search of an index had something read from disk.
#[derive(Debug, Default)]
pub(crate) struct Cold(AtomicBool);

impl Cold {
    /// Runs one search, which is told whether to ask for pages before it touches them.
    pub(crate) fn watch<T>(&self, search: impl FnOnce(bool) -> T) -> T {
        let before = thread_reads();
        let found = search(self.0.load(Ordering::Relaxed) || is_assumed());
        self.0.store(thread_reads() != before, Ordering::Relaxed);
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
