//! Which shards a replica of a stopped node will have once all that its log holds is applied, and rows of which partitions.
//!
//! Asked by `vecraft node recover`, which compares it with the catalogue. It keeps no rows and opens no files: a partition
//! that is named here may have lost its last row since.

use crate::checkpoint::{ShardRecord, decode, group_key};
use crate::error::Result;
use std::collections::{BTreeMap, BTreeSet};
use vecraft_rpc::codec;
use vecraft_state::shard::{ShardCommand, ShardEntry};
use vecraft_storage::{KeyRange, Kv, Table};
use vecraft_types::{GroupId, PartitionId, ShardId};

/// See the [module](self).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StoppedShards(BTreeMap<ShardId, BTreeSet<PartitionId>>);

impl StoppedShards {
    /// Those of the newest checkpoint.
    ///
    /// # Errors
    /// Storage errors; a record that is damaged.
    pub fn checkpointed(kv: &dyn Kv, group: GroupId) -> Result<StoppedShards> {
        let mut shards = BTreeMap::new();
        for (_, bytes) in kv.scan(Table::Shard, &KeyRange::prefix(&group_key(group)))? {
            let record: ShardRecord = decode(&format!("a shard of group {group}"), &bytes)?;
            let partitions = record.state.segments.values().map(|segment| segment.partition).collect();
            shards.insert(record.state.id, partitions);
        }
        Ok(StoppedShards(shards))
    }

    /// Goes on with the next command of the log. One that does not decode changes nothing here: a replica gets past it only
    /// when an operator has it skipped (I24).
    pub fn apply(&mut self, command: &[u8]) {
        let Ok(ShardEntry { shard, command, .. }) = codec::decode::<ShardEntry>(command) else { return };
        match command {
            ShardCommand::Create { .. } => _ = self.0.entry(shard).or_default(),
            ShardCommand::Drop => _ = self.0.remove(&shard),
            ShardCommand::Insert { partition, .. } => {
                if let Some(partitions) = self.0.get_mut(&shard) {
                    partitions.insert(partition);
                }
            }
            ShardCommand::DropPartition { partition } => {
                if let Some(partitions) = self.0.get_mut(&shard) {
                    partitions.remove(&partition);
                }
            }
            ShardCommand::DeleteKeys { .. }
            | ShardCommand::DeleteVersions { .. }
            | ShardCommand::Seal { .. }
            | ShardCommand::IndexReady { .. }
            | ShardCommand::IndexDropped { .. }
            | ShardCommand::Compact { .. }
            | ShardCommand::PinRead { .. }
            | ShardCommand::AskCompaction { .. }
            | ShardCommand::CompactionDone { .. } => {}
        }
    }

    /// The partitions of which a shard has rows, or had; none when the shard is not here.
    pub fn partitions(&self, shard: ShardId) -> Option<&BTreeSet<PartitionId>> {
        self.0.get(&shard)
    }
}
