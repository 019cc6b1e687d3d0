//! Finishing what was left in the middle, by an earlier coordinator or by a task that failed.

use super::Ddl;
use std::collections::BTreeSet;
use std::convert::Infallible;
use std::time::Duration;
use vecraft_runtime::shutdown::Shutdown;

/// Pause after the first round with failures; doubled up to [`PAUSE_MAX`] while they last.
const PAUSE_FIRST: Duration = Duration::from_millis(200);
/// The longest pause.
const PAUSE_MAX: Duration = Duration::from_secs(30);

impl Ddl {
    /// A round at start, one after each failure with growing pauses, and sleep when nothing is left: an idle
    /// coordinator costs nothing (P11). Returns when asked to stop.
    ///
    /// # Errors
    /// None; the type is what background tasks return.
    pub async fn reconcile(&self, shutdown: Shutdown) -> Result<(), Infallible> {
        let mut pause = PAUSE_FIRST;
        let mut standing = self.metastore.standing();
        loop {
            standing.mark_unchanged();
            let Some(failed) = shutdown.unless_triggered(self.finish_all()).await else { return Ok(()) };
            let woken = if failed == 0 {
                pause = PAUSE_FIRST;
                let wake = async {
                    tokio::select! {
                        () = self.unfinished.notified() => {}
                        // A new leader goes on where the old one stopped.
                        Ok(()) = standing.changed() => {}
                    }
                };
                shutdown.unless_triggered(wake).await
            } else {
                let now = pause;
                pause = (pause * 2).min(PAUSE_MAX);
                shutdown.unless_triggered(tokio::time::sleep(now)).await
            };
            if woken.is_none() {
                return Ok(());
            }
        }
    }

    /// Tries every pending job once; answers for how many collections it failed. Jobs are the leader's. A new leader may
    /// have intents of the last one in its log that are not applied yet, and nothing would wake it for them: hence it catches
    /// up first, and tries again when it cannot.
    async fn finish_all(&self) -> usize {
        if !self.metastore.is_leader() {
            return 0;
        }
        if let Err(error) = self.metastore.catch_up().await {
            tracing::debug!(%error, "cannot look for pending DDL yet");
            return 1;
        }
        let waiting: BTreeSet<_> =
            self.metastore.read(|state| state.pending().iter().map(|job| job.collection()).collect());
        let mut failed = 0;
        for id in waiting {
            if let Err(error) = self.run_jobs_of(id).await {
                tracing::warn!(collection = %id, %error, "pending DDL failed again");
                failed += 1;
            }
        }
        failed
    }
}
