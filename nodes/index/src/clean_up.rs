//! Removing index files that no log names (I13): what a crash left between a file and its entry, and what could not be
//! removed when it went.

use crate::error::{Error, Result};
use crate::node::IndexNode;
use crate::survey::targets;
use std::sync::Arc;
use std::time::Duration;
use vecraft_runtime::shutdown::Shutdown;

/// Pause after a clean-up that failed.
const RETRY: Duration = Duration::from_secs(60);

/// Cleans up now (a start: the data role has restored its shards) and then `every` so often, until shutdown.
///
/// # Errors
/// None: what could not be done is tried again.
pub async fn clean_up(node: Arc<IndexNode>, every: Duration, shutdown: Shutdown) -> Result<()> {
    loop {
        let pause = match shutdown.unless_triggered(node.sweep()).await {
            None => return Ok(()),
            Some(Ok(0)) => every,
            Some(Ok(files)) => {
                tracing::info!(files, "removed index files that no log names");
                every
            }
            // A group without a leader yet: every start of a cluster has a second of it.
            Some(Err(Error::Ledger(error))) if error.is_retriable() => {
                tracing::debug!(%error, "cannot clean up index files yet");
                every.min(RETRY)
            }
            Some(Err(error)) => {
                tracing::warn!(%error, "cannot clean up index files, trying again");
                every.min(RETRY)
            }
        };
        if shutdown.unless_triggered(tokio::time::sleep(pause)).await.is_none() {
            return Ok(());
        }
    }
}

impl IndexNode {
    /// Removes every index file whose build is neither in force nor about to be named; answers how many.
    ///
    /// # Errors
    /// A shard that cannot say what its log names (then nothing is removed), or a file that cannot be removed.
    pub async fn sweep(&self) -> Result<usize> {
        // Without this a replica that has not applied its whole log would take files in force for unnamed ones.
        self.ledger.settle().await?;
        let (store, ledger, unnamed) = (self.store.clone(), self.ledger.clone(), self.unnamed.clone());
        let sweeping = move || {
            store.sweep(|shard| {
                // In this order: a build leaves `unnamed` after it is in force.
                let mut counts: Vec<_> = unnamed
                    .lock()
                    .iter()
                    .filter(|((at, _), _)| at.shard == shard)
                    .map(|((at, _), build)| (*at, *build))
                    .collect();
                counts.extend(targets(shard, ledger.builds(shard).ok()?));
                Some(counts)
            })
        };
        self.sweep_scalars();
        self.io.run(sweeping).await?
    }
}
