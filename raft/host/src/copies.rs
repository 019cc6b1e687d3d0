//! How copies of this group for replicas that are too far behind go: whether they fail again and again, and what their
//! descriptions take of the memory. Counts only; whoever asks decides whom to tell.

use crate::network::description::Shelf;
use crate::{Group, Part};
use parking_lot::Mutex;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use vecraft_types::ReplicaId;

/// So many attempts in a row are no accident: one fails when its follower or a connection goes away.
const IN_A_ROW: u64 = 3;

/// What one replica knows of copies.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CopyFigures {
    /// Attempts of this replica, as the leader, that failed, since it was started.
    pub failures: u64,
    /// Followers that still have no copy after three attempts in a row.
    pub failing: u64,
    /// Bytes of descriptions in memory, of copies that it gives and of the one that it takes.
    pub bytes: u64,
}

/// One replica's counts. Clones are the same.
#[derive(Clone)]
pub struct Copies {
    inner: Arc<Inner>,
}

struct Inner {
    failures: AtomicU64,
    /// Attempts in a row.
    failed: Mutex<BTreeMap<ReplicaId, u64>>,
    taking_bytes: AtomicU64,
    shelf: Shelf,
}

impl Copies {
    /// None yet.
    pub fn new(shelf: Shelf) -> Copies {
        let (failures, taking_bytes) = (AtomicU64::new(0), AtomicU64::new(0));
        Copies { inner: Arc::new(Inner { failures, failed: Mutex::default(), taking_bytes, shelf }) }
    }

    /// An attempt failed.
    pub fn failed(&self, follower: ReplicaId) {
        self.inner.failures.fetch_add(1, Ordering::Relaxed);
        *self.inner.failed.lock().entry(follower).or_default() += 1;
    }

    /// A follower has its copy.
    pub fn done(&self, follower: ReplicaId) {
        self.inner.failed.lock().remove(&follower);
    }

    /// So much has come of a description.
    pub fn holds(&self, bytes: u64) {
        self.inner.taking_bytes.store(bytes, Ordering::Relaxed);
    }

    /// Counts what came until it is dropped.
    pub fn holding(&self) -> Holding {
        Holding(self.clone())
    }

    /// Of followers that are not named any more nothing is known, and nothing is wanted.
    fn figures(&self, named: &[ReplicaId]) -> CopyFigures {
        let mut failed = self.inner.failed.lock();
        failed.retain(|follower, _| named.contains(follower));
        CopyFigures {
            failures: self.inner.failures.load(Ordering::Relaxed),
            failing: failed.values().filter(|attempts| **attempts >= IN_A_ROW).count() as u64,
            bytes: self.inner.taking_bytes.load(Ordering::Relaxed) + self.inner.shelf.bytes(),
        }
    }
}

/// See [`Copies::holding`].
pub struct Holding(Copies);

impl Drop for Holding {
    fn drop(&mut self) {
        self.0.holds(0);
    }
}

impl Group {
    /// How copies of this group go. A follower that does not lack anything needs none, whatever failed before.
    pub fn copies(&self) -> CopyFigures {
        let is_leader = self.standing.borrow().part == Part::Leader;
        let behind = self.progress().into_iter().filter(|p| is_leader && p.lag > 0);
        self.copies.figures(&behind.map(|p| p.follower.replica).collect::<Vec<_>>())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn three_failures_in_a_row_count_until_there_is_a_copy_or_no_need_for_one() {
        let (a, b) = (ReplicaId(1), ReplicaId(2));
        let shelf = Shelf::new(10);
        let copies = Copies::new(shelf.clone());
        (0..2).for_each(|_| copies.failed(a));
        (0..3).for_each(|_| copies.failed(b));
        assert_eq!(copies.figures(&[a, b]), CopyFigures { failures: 5, failing: 1, bytes: 0 });
        copies.failed(a);
        assert_eq!(copies.figures(&[a, b]).failing, 2);
        copies.done(b);
        assert_eq!(copies.figures(&[a, b]).failing, 1);
        assert_eq!(copies.figures(&[b]), CopyFigures { failures: 6, failing: 0, bytes: 0 });
        assert_eq!(copies.figures(&[a]).failing, 0, "it caught up meanwhile: counted anew");

        let shown = shelf.show(vec![0; 30].into());
        let held = copies.holding();
        copies.holds(12);
        assert_eq!(copies.figures(&[]).bytes, 42);
        drop((shown, held));
        assert_eq!(copies.figures(&[]).bytes, 0);
    }
}
