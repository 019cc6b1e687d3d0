//! How a long build is watched and stopped.

/// Watches a build. Called between batches, at least every few thousand rows, from the building threads.
pub trait BuildMonitor: Sync {
    /// True asks the build to stop; it then returns [`crate::Error::Cancelled`] and leaves nothing behind.
    fn cancelled(&self) -> bool {
        false
    }

    /// `done` of `total` rows are in the index. Never goes back.
    fn progress(&self, done: usize, total: usize) {
        let _ = (done, total);
    }
}

/// Nobody watches.
#[derive(Clone, Copy, Debug, Default)]
pub struct Unwatched;

impl BuildMonitor for Unwatched {}
