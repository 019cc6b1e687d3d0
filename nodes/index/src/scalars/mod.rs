//! Scalar indexes of sealed segments: each node builds its own, from its own column files.
//!
//! ```text
//! the role looked at what changed --> missing, unwanted (views, catalogue)
//!       +--> unwanted: detach, remove the file
//!       `--> missing: open the file, or build it from the column --> attach
//! ```
//! Unlike an index of vectors, a scalar one is a function of the column file and its answers are those of a scan, so no log
//! names it and no replica asks another for it (docs/adr/0015). It has a loop of its own, because building one takes moments
//! and building a graph takes minutes. A file that is missing, damaged or of another format is built again.

mod difference;
mod make;
mod store;

pub(crate) use store::ScalarStore;

use crate::node::IndexNode;
use crate::plan::IndexTarget;
use crate::state::Failure;
use difference::{Difference, Missing};
use parking_lot::Mutex;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, Ordering};
use tokio::sync::Notify;
use vecraft_runtime::shutdown::Shutdown;

/// What the loop knows beside what segments and files say.
pub(crate) struct Scalars {
    pub store: ScalarStore,
    /// Told when the role has looked at what changed.
    pub changed: Notify,
    /// Set when files that nobody wants are to be looked for.
    wants_sweep: AtomicBool,
    failures: Mutex<BTreeMap<IndexTarget, Failure>>,
    /// Bytes of the files in use.
    files: Mutex<BTreeMap<IndexTarget, u64>>,
}

impl Scalars {
    pub(crate) fn new(store: ScalarStore) -> Scalars {
        Scalars {
            store,
            changed: Notify::new(),
            wants_sweep: AtomicBool::new(false),
            failures: Mutex::default(),
            files: Mutex::default(),
        }
    }

    /// Indexes in use, and the bytes of their files.
    pub(crate) fn in_use(&self) -> (usize, u64) {
        let files = self.files.lock();
        (files.len(), files.values().sum())
    }
}

impl IndexNode {
    /// Opens, builds and lets go; until asked to stop.
    pub(crate) async fn keep_scalars(&self, stop: &Shutdown) {
        while !stop.is_triggered() {
            let difference = self.difference();
            self.let_scalars_go(&difference).await;
            let now = self.clock.monotonic();
            let due = {
                let mut failures = self.scalars.failures.lock();
                let missing: BTreeSet<IndexTarget> =
                    difference.missing.iter().map(|one| one.target).collect();
                failures.retain(|target, _| missing.contains(target));
                let is_due =
                    |one: &Missing| failures.get(&one.target).is_none_or(|failed| failed.retry_at <= now);
                difference.missing.into_iter().find(is_due)
            };
            match due {
                Some(missing) => self.make_scalar(missing, stop).await,
                None => {
                    let _ = stop.unless_triggered(self.scalars_to_do()).await;
                }
            }
        }
    }

    /// A change, or the time to try something again.
    async fn scalars_to_do(&self) {
        let retry_at = self.scalars.failures.lock().values().map(|failed| failed.retry_at).min();
        let changed = self.scalars.changed.notified();
        match retry_at {
            Some(at) => {
                // Either way the next round looks.
                let _ = tokio::time::timeout(at.saturating_sub(self.clock.monotonic()), changed).await;
            }
            None => changed.await,
        }
    }

    /// Filters scan where nobody wants the index any more; its file goes, and so do those of segments that went.
    async fn let_scalars_go(&self, difference: &Difference) {
        difference.unwanted.iter().for_each(|(id, segment)| segment.detach_scalar(*id));
        let is_used = |target: &IndexTarget| {
            let stays = difference.stays.get(&target.shard);
            stays.is_some_and(|stays| {
                stays.as_ref().is_none_or(|stays| stays.iter().any(|(own, _)| own == target))
            })
        };
        let went = self.scalars.files.lock().extract_if(.., |target, _| !is_used(target)).count();
        if went == 0 && !self.scalars.wants_sweep.swap(false, Ordering::Relaxed) {
            return;
        }
        let (store, ledger, stays) =
            (self.scalars.store.clone(), self.ledger.clone(), difference.stays.clone());
        let sweeping = move || {
            store.sweep(|shard| match stays.get(&shard) {
                Some(stays) => stays.clone(),
                // A shard that is out of service keeps its files (I24).
                None => ledger.builds(shard).ok().map(|_| Vec::new()),
            })
        };
        match self.io.run(sweeping).await {
            Ok(Ok(files)) => self.state.lock().report.scalars_dropped += files as u64,
            Ok(Err(error)) => tracing::warn!(%error, "cannot remove a scalar index, it is swept later"),
            Err(error) => tracing::warn!(%error, "cannot remove a scalar index, it is swept later"),
        }
    }

    /// Lets the loop look for files of scalar indexes that nobody wants: it makes them, so it does not meet itself.
    pub(crate) fn sweep_scalars(&self) {
        self.scalars.wants_sweep.store(true, Ordering::Relaxed);
        self.scalars.changed.notify_one();
    }
}
