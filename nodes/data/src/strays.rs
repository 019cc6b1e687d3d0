//! Removing shards whose collection was dropped.
//!
//! A call that makes a shard may arrive late, when the collection has been dropped in between: its entry comes behind the one
//! that dropped the shard, and an empty shard would stay for ever, for the coordinator has done its work and forgotten it.
//!
//! ```text
//! a shard was made, or this replica begins to lead ──> asks the catalogue, as of now (I19)
//!                                                      dropped, for ever ──> Drop goes into the group's log (I11)
//! ```
//! One look after each entry that makes a shard is enough: the coordinator tells shards to go only after the metastore has
//! committed that their collection is dropped, so whoever asks after a late entry hears of it. Looks that a crash or another
//! leader cut off are made when the next one begins to lead. A shard of a collection that the catalogue has, or has not heard of
//! yet, is never touched. What it does not do: it tells the coordinator nothing, whose rows are done.

use crate::group::DataGroup;
use futures::FutureExt;
use std::collections::BTreeSet;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;
use vecraft_raft_host::Part;
use vecraft_rpc::services::DroppedCollections;
use vecraft_runtime::shutdown::Shutdown;
use vecraft_state::shard::ShardCommand;
use vecraft_types::{Result, ShardId};

/// After a look that failed; doubled up to [`AGAIN_MAX`].
const AGAIN: Duration = Duration::from_millis(200);
const AGAIN_MAX: Duration = Duration::from_secs(10);
const DEADLINE: Duration = Duration::from_secs(10);

/// Looks whenever there is a reason to, until shutdown or the replica's end; sleeps otherwise (P11).
///
/// # Errors
/// None; the type is what background tasks return.
pub async fn remove_strays(
    group: Arc<DataGroup>,
    catalogue: Arc<dyn DroppedCollections>,
    shutdown: Shutdown,
) -> std::result::Result<(), Infallible> {
    let watching = async {
        tokio::select! {
            () = group.raft.ended() => {}
            () = watch(&group, catalogue.as_ref()) => {}
        }
    };
    let _ = shutdown.unless_triggered(watching).await;
    Ok(())
}

async fn watch(group: &DataGroup, catalogue: &dyn DroppedCollections) {
    let mut standing = group.raft.standing();
    let made = &group.pressure.shards_made;
    let mut pause = AGAIN;
    loop {
        // This look sees what was made before it.
        let _ = made.notified().now_or_never();
        match look(group, catalogue).await {
            Ok(Looked::AsLeader) => made.notified().await,
            Ok(Looked::NotLeading) => {
                if standing.wait_for(|now| now.part == Part::Leader).await.is_err() {
                    return;
                }
            }
            Err(error) => {
                tracing::debug!(group = %group.id(), %error, "cannot tell yet whether shards of dropped collections are here");
                tokio::time::sleep(pause).await;
                pause = (pause * 2).min(AGAIN_MAX);
                continue;
            }
        }
        pause = AGAIN;
    }
}

/// What a look was worth.
enum Looked {
    /// Nothing is here that should not be.
    AsLeader,
    /// It is the leader's work; the others follow the log.
    NotLeading,
}

/// Drops the shards here whose collection was dropped.
async fn look(group: &DataGroup, catalogue: &dyn DroppedCollections) -> Result<Looked> {
    if !group.raft.is_leader() {
        return Ok(Looked::NotLeading);
    }
    let shards: Vec<ShardId> = group.machine.lock().replica.shard_ids();
    if shards.is_empty() {
        return Ok(Looked::AsLeader);
    }
    let collections: BTreeSet<_> = shards.iter().map(|shard| shard.collection).collect();
    let dropped = catalogue.dropped(collections).await?;
    for shard in shards.into_iter().filter(|shard| dropped.contains(&shard.collection)) {
        group.propose(shard, ShardCommand::Drop, DEADLINE).await?;
        tracing::info!(group = %group.id(), %shard, "a shard whose collection was dropped was here and is removed");
    }
    Ok(Looked::AsLeader)
}
