//! Removing files that nothing names while the node runs (I13). A start does it too; this is for nodes that do not
//! start for months: files of a checkpoint that failed, and superseded ones that could not be removed.

use crate::error::Result;
use crate::node::DataNode;
use std::time::Duration;
use vecraft_runtime::shutdown::Shutdown;

/// Cleans up all groups of the node `every` so often, until shutdown.
///
/// # Errors
/// None: what could not be removed is tried again the next time.
pub async fn clean_up(node: DataNode, every: Duration, shutdown: Shutdown) -> Result<()> {
    while shutdown.unless_triggered(tokio::time::sleep(every)).await.is_some() {
        for group in node.groups() {
            match group.remove_unnamed().await {
                Ok(0) => {}
                Ok(names) => tracing::info!(group = %group.raft.id(), names, "removed what nothing named"),
                Err(error) => {
                    tracing::warn!(group = %group.raft.id(), %error, "cannot clean up, trying again later")
                }
            }
        }
    }
    Ok(())
}
