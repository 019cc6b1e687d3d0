//! One piece of work per collection at a time.

use parking_lot::Mutex;
use std::collections::BTreeMap;
use std::sync::Arc;
use tokio::sync::OwnedMutexGuard;
use vecraft_types::CollectionId;

type Lock = Arc<tokio::sync::Mutex<()>>;

/// A lock for each collection that somebody works on.
#[derive(Clone, Default)]
pub(crate) struct Locks {
    held: Arc<Mutex<BTreeMap<CollectionId, Lock>>>,
}

/// Held until dropped.
pub(crate) struct Held {
    id: CollectionId,
    locks: Locks,
    guard: Option<OwnedMutexGuard<()>>,
}

impl Locks {
    /// Waits until nobody else works on the collection.
    pub async fn hold(&self, id: CollectionId) -> Held {
        let lock = self.held.lock().entry(id).or_default().clone();
        // Made before waiting, so that a waiter that is dropped cleans up as well.
        let mut held = Held { id, locks: self.clone(), guard: None };
        held.guard = Some(lock.lock_owned().await);
        held
    }

    #[cfg(test)]
    pub fn count(&self) -> usize {
        self.held.lock().len()
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        let mut held = self.locks.held.lock();
        self.guard = None;
        // The map's own reference is the last one: nobody holds it or waits for it.
        if held.get(&self.id).is_some_and(|lock| Arc::strong_count(lock) == 1) {
            held.remove(&self.id);
        }
    }
}
