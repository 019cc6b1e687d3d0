//! Stopping in order, within a time.
//!
//! A [`Shutdown`] is a node of a tree: triggering a node triggers everything below it and nothing beside
//! it (process > node > role > group). Work that should finish first holds a [`WorkGuard`];
//! [`Shutdown::drain`] triggers, waits for the guards and names those that were still held when the time was up.
//!
//! Safety never depends on a drain: an acknowledged write is on disk already (promise P1). Draining is a
//! courtesy to callers in flight.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use parking_lot::Mutex;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

/// The token that says "stop". Clones are the same node of the tree.
#[derive(Debug, Clone)]
pub struct Shutdown {
    token: CancellationToken,
    /// The work at and below this node, then that of the nodes above it up to the root.
    work: Vec<Arc<Work>>,
    reason: Arc<Mutex<Option<String>>>,
}

/// What is still running at and below a node, counted by name.
#[derive(Debug, Default)]
struct Work {
    held: Mutex<BTreeMap<&'static str, usize>>,
    released: Notify,
}

/// Some work was still going on when the time to drain was up.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("still running after {waited:?}: {}", list(.left))]
pub struct NotDrained {
    /// How long was waited.
    pub waited: Duration,
    /// Names of the work and how many of each.
    pub left: Vec<(&'static str, usize)>,
}

fn list(left: &[(&'static str, usize)]) -> String {
    left.iter().map(|(name, count)| format!("{name} x {count}")).collect::<Vec<_>>().join(", ")
}

impl Shutdown {
    /// The root of a new tree.
    pub fn new() -> Self {
        Self { token: CancellationToken::new(), work: vec![Arc::default()], reason: Arc::default() }
    }

    /// A node below this one: it is triggered with this one, and can be triggered alone. Its guards count
    /// for the nodes above it as well.
    pub fn child(&self) -> Self {
        let work = std::iter::once(Arc::default()).chain(self.work.iter().cloned()).collect();
        Self { token: self.token.child_token(), work, reason: Arc::default() }
    }

    /// Asks everything at and below this node to stop. The first reason is kept.
    pub fn trigger(&self, reason: impl Into<String>) {
        self.reason.lock().get_or_insert_with(|| reason.into());
        self.token.cancel();
    }

    /// Whether this node was asked to stop.
    pub fn is_triggered(&self) -> bool {
        self.token.is_cancelled()
    }

    /// Why this node was triggered; `None` while it runs, or when a node above it was triggered.
    pub fn reason(&self) -> Option<String> {
        self.reason.lock().clone()
    }

    /// Waits until this node is asked to stop.
    pub async fn triggered(&self) {
        self.token.cancelled().await;
    }

    /// Runs `work` until it ends or this node is triggered (then `None`, and `work` is dropped).
    pub async fn unless_triggered<T>(&self, work: impl Future<Output = T>) -> Option<T> {
        self.token.run_until_cancelled(work).await
    }

    /// Counts one piece of work called `name` until the guard is dropped.
    pub fn guard(&self, name: &'static str) -> WorkGuard {
        for work in &self.work {
            *work.held.lock().entry(name).or_insert(0) += 1;
        }
        WorkGuard { name, work: self.work.clone() }
    }

    /// Triggers this node, then waits until all guards at and below it are dropped, at most `deadline`.
    ///
    /// # Errors
    /// [`NotDrained`] with the names of the work that did not end in time.
    pub async fn drain(&self, reason: impl Into<String>, deadline: Duration) -> Result<(), NotDrained> {
        self.trigger(reason);
        let work = &self.work[0];
        let all_released = async {
            loop {
                let released = work.released.notified();
                tokio::pin!(released);
                // Registered before looking, so a guard dropped in between is not missed.
                released.as_mut().enable();
                if work.held.lock().is_empty() {
                    return;
                }
                released.await;
            }
        };
        match tokio::time::timeout(deadline, all_released).await {
            Ok(()) => Ok(()),
            Err(_) => {
                let left = work.held.lock().iter().map(|(name, count)| (*name, *count)).collect();
                Err(NotDrained { waited: deadline, left })
            }
        }
    }
}

/// One piece of work that a drain waits for.
#[derive(Debug)]
pub struct WorkGuard {
    name: &'static str,
    work: Vec<Arc<Work>>,
}

impl Drop for WorkGuard {
    fn drop(&mut self) {
        for work in &self.work {
            work.release(self.name);
        }
    }
}

impl Work {
    fn release(&self, name: &'static str) {
        {
            let mut held = self.held.lock();
            if let Some(count) = held.get_mut(name) {
                *count -= 1;
                if *count == 0 {
                    held.remove(name);
                }
            }
        }
        self.released.notify_waiters();
    }
}

impl Default for Shutdown {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_trigger_reaches_what_is_below_and_not_what_is_beside() {
        let root = Shutdown::new();
        let (left, right) = (root.child(), root.child());
        let leaf = left.child();
        left.trigger("left only");
        leaf.triggered().await;
        assert!(!root.is_triggered() && !right.is_triggered());
        assert_eq!((left.reason().as_deref(), leaf.reason()), (Some("left only"), None));
        assert_eq!(right.unless_triggered(async { 1 }).await, Some(1));
        root.trigger("all");
        assert_eq!(right.unless_triggered(std::future::pending::<u8>()).await, None);
    }

    #[tokio::test]
    async fn a_drain_waits_for_the_work_in_flight() {
        let shutdown = Shutdown::new();
        let guard = shutdown.guard("insert");
        let draining = shutdown.drain("test", Duration::from_secs(10));
        tokio::pin!(draining);
        assert!(futures::poll!(&mut draining).is_pending());
        assert!(shutdown.is_triggered());
        let finished = Arc::new(Mutex::new(false));
        let worker = tokio::spawn({
            let finished = finished.clone();
            async move {
                *finished.lock() = true;
                drop(guard);
            }
        });
        assert_eq!(draining.await, Ok(()));
        assert!(*finished.lock());
        assert!(worker.await.is_ok());
    }

    #[tokio::test]
    async fn a_drain_gives_up_at_its_deadline_and_says_who_was_late() {
        let shutdown = Shutdown::new();
        let role = shutdown.child();
        let (_search, _search_too, _insert) =
            (role.guard("search"), role.guard("search"), shutdown.guard("insert"));
        let late = shutdown.drain("test", Duration::from_millis(30)).await;
        let expected =
            NotDrained { waited: Duration::from_millis(30), left: vec![("insert", 1), ("search", 2)] };
        assert_eq!(late, Err(expected.clone()));
        assert!(role.is_triggered());
        assert_eq!(expected.to_string(), "still running after 30ms: insert x 1, search x 2");
    }
}
