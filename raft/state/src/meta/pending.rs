//! What should be and is not yet: the coordinator's work list.

use super::MetaState;
use std::sync::Arc;
use vecraft_types::{CollectionDescriptor, CollectionId, DdlPhase, PartitionId};

/// Something left to do. Every job may be done twice; the next leader finds the same list.
#[derive(Clone, Debug, PartialEq)]
pub enum Job {
    /// Create every shard of it, then propose `CollectionReady`.
    CreateShards(Arc<CollectionDescriptor>),
    /// Drop every shard of it, then propose `CollectionGone`.
    DropShards(Arc<CollectionDescriptor>),
    /// Drop the partition's rows in every shard, then propose `PartitionGone`.
    DropPartition {
        /// Its collection.
        collection: Arc<CollectionDescriptor>,
        /// The partition, no longer in the descriptor.
        partition: PartitionId,
    },
}

impl Job {
    /// The collection it is about. Jobs of one collection must not run at the same time.
    pub fn collection(&self) -> CollectionId {
        match self {
            Job::CreateShards(row) | Job::DropShards(row) | Job::DropPartition { collection: row, .. } => {
                row.id
            }
        }
    }
}

impl MetaState {
    /// Everything left to do, by collection. A pass over all rows: ask at start and after failures, not in a loop.
    pub fn pending(&self) -> Vec<Job> {
        self.collections.keys().flat_map(|id| self.pending_of(*id)).collect()
    }

    /// What is left to do for one collection.
    pub fn pending_of(&self, id: CollectionId) -> Vec<Job> {
        let Some(row) = self.collections.get(&id) else { return Vec::new() };
        match row.phase {
            DdlPhase::Creating => vec![Job::CreateShards(row.clone())],
            // Its dropping partitions go with it.
            DdlPhase::Dropping => vec![Job::DropShards(row.clone())],
            DdlPhase::Ready => {
                let partitions = self.root.dropping_partitions.get(&id).into_iter().flatten();
                partitions.map(|id| Job::DropPartition { collection: row.clone(), partition: *id }).collect()
            }
        }
    }
}
