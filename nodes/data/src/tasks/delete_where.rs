//! Delete by filter: the leader resolves, the log decides (I12).
//!
//! ```text
//! read index -> published -> evaluate on the view -> propose (key, place)* -> rows that changed meanwhile? again
//! ```

use crate::node::DataNode;
use crate::tasks::write::written;
use std::time::Duration;
use vecraft_expr::Filter;
use vecraft_rpc::services::ShardWritten;
use vecraft_segment::exec::{self, Cancel};
use vecraft_state::shard::ShardCommand;
use vecraft_types::{Code, Error, PartitionId, PrimaryKey, RequestId, Result, RowRef, ShardId};

/// Keys an entry.
const KEYS_MAX: usize = 10_000;
/// Looks at rows that keep changing under the delete.
const ROUNDS_MAX: u32 = 64;
/// Entries of one round that get a part number of their own.
const PARTS_A_ROUND: u32 = 1 << 14;

/// A part number of its own for every entry of a resolved delete: apart from other parts of the request, from
/// other rounds and from other entries of the round.
fn part_number(part: u32, round: u32, entry: u32) -> u32 {
    (part + 1).wrapping_mul(PARTS_A_ROUND * ROUNDS_MAX) + round * PARTS_A_ROUND + entry % PARTS_A_ROUND
}

impl DataNode {
    pub(crate) async fn delete_where(
        &self,
        shard: ShardId,
        request: RequestId,
        partitions: &[PartitionId],
        filter: &str,
        deadline: Duration,
    ) -> Result<ShardWritten> {
        let group = self.group_of(shard)?;
        let mut total = ShardWritten::default();
        for round in 0..ROUNDS_MAX {
            let at = group.raft.read_index().await?;
            group.raft.wait_published(at, deadline).await?;
            let look = {
                let (node, partitions, filter) = (self.clone(), partitions.to_vec(), filter.to_owned());
                move || node.resolve(shard, &partitions, &filter)
            };
            let rows = group.io.run(look).await.map_err(|e| Error::internal(e.to_string()))??;
            let mut conflicts = 0;
            for (number, chunk) in rows.chunks(KEYS_MAX).enumerate() {
                // Each entry is its own part, so that a retry of the whole request finds each answer (I10).
                let part = part_number(request.part, round, number as u32);
                let command = ShardCommand::DeleteVersions {
                    request: RequestId { part, ..request },
                    rows: chunk.to_vec(),
                };
                let applied = group.propose(shard, command, deadline).await?;
                conflicts += applied.conflicts;
                let done = written(applied);
                total = ShardWritten { deleted: total.deleted + done.deleted, ..done };
            }
            if conflicts == 0 {
                if rows.is_empty() && round == 0 {
                    let view = self.views.get(shard);
                    total.timestamp = view.map(|view| view.timestamp).unwrap_or_default();
                }
                return Ok(total);
            }
        }
        Err(Error::new(Code::Unavailable, "rows keep changing under the delete; some are gone, try again"))
    }

    fn resolve(
        &self,
        shard: ShardId,
        partitions: &[PartitionId],
        filter: &str,
    ) -> Result<Vec<(PrimaryKey, RowRef)>> {
        let gone = || Error::new(Code::ReplicaUnavailable, "the shard was dropped").with("shard", shard);
        let view = self.views.get(shard).ok_or_else(gone)?;
        let filter = Filter::parse(filter, &view.schema)?;
        let only = (!partitions.is_empty()).then_some(partitions);
        exec::keys(&view, only, Some(&filter), Cancel::never()).map_err(|error| self.unreadable(shard, error))
    }
}
