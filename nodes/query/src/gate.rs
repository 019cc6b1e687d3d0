//! How many reads at once, and whether any.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use vecraft_types::{Code, Error, Result};

/// Admission to the role. A read holds its place until its answer is ready; one that finds no place is refused at
/// once, because behind a queue the wait would be hidden from whoever could slow down.
pub(crate) struct Gate {
    places: u32,
    free: Arc<Semaphore>,
    is_open: AtomicBool,
    is_draining: AtomicBool,
    refused: AtomicU64,
    running: Arc<AtomicUsize>,
    retry_after: Duration,
}

impl Gate {
    /// An open gate with so many places (at least 1).
    pub(crate) fn new(places: usize, retry_after: Duration) -> Gate {
        let places = u32::try_from(places).unwrap_or(u32::MAX >> 4).clamp(1, u32::MAX >> 4);
        Gate {
            places,
            free: Arc::new(Semaphore::new(places as usize)),
            is_open: AtomicBool::new(true),
            is_draining: AtomicBool::new(false),
            refused: AtomicU64::new(0),
            running: Arc::default(),
            retry_after,
        }
    }

    /// A place for one read, given back when it is dropped.
    pub(crate) fn enter(&self) -> Result<OwnedSemaphorePermit> {
        let refusal = if !self.is_open.load(Ordering::Acquire) {
            Error::new(Code::NotReady, "the query role of this node is stopping or restarting")
        } else {
            match self.free.clone().try_acquire_owned() {
                Ok(place) => return Ok(place),
                Err(_) => {
                    Error::new(Code::RateLimited, format!("{} reads are waiting or running", self.places))
                }
            }
        };
        self.refused.fetch_add(1, Ordering::Relaxed);
        Err(refusal.retry_after(u64::try_from(self.retry_after.as_millis()).unwrap_or(u64::MAX)))
    }

    /// Lets reads in, unless the role is draining: an actor brought back meanwhile must not undo that.
    pub(crate) fn open(&self) {
        self.is_open.store(!self.is_draining.load(Ordering::Acquire), Ordering::Release);
    }

    pub(crate) fn close(&self) {
        self.is_open.store(false, Ordering::Release);
    }

    /// Lets no read in any more.
    pub(crate) fn drain(&self) {
        self.is_draining.store(true, Ordering::Release);
        self.close();
    }

    /// Returns once no read holds a place. Closed before, so that it happens.
    pub(crate) async fn idle(&self) {
        // The semaphore is never closed, so this cannot fail; the places go back at once.
        drop(self.free.acquire_many(self.places).await);
    }

    /// Reads that hold a place.
    pub(crate) fn under_way(&self) -> usize {
        (self.places as usize).saturating_sub(self.free.available_permits())
    }

    /// Reads that may hold one.
    pub(crate) fn places(&self) -> usize {
        self.places as usize
    }

    /// For a read's work, so that it is counted while it runs.
    pub(crate) fn runner(&self) -> Runner {
        Runner(self.running.clone())
    }

    /// Reads that a thread works on.
    pub(crate) fn running(&self) -> usize {
        self.running.load(Ordering::Relaxed)
    }

    /// Reads that were turned away since the start.
    pub(crate) fn refused(&self) -> u64 {
        self.refused.load(Ordering::Relaxed)
    }
}

/// What the gate gives a read for its work: [`Runner::begin`] on the thread that does it.
pub(crate) struct Runner(Arc<AtomicUsize>);

/// Work under way.
pub(crate) struct Running(Arc<AtomicUsize>);

impl Runner {
    pub(crate) fn begin(self) -> Running {
        self.0.fetch_add(1, Ordering::Relaxed);
        Running(self.0)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}
