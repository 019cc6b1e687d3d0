//! Which index builds the shards' logs name (I13).

use crate::replica::GroupReplica;
use vecraft_types::{IndexBuild, SegmentId, ShardId};

impl GroupReplica {
    /// The index builds in force on a shard (I13), by segment and index; none when the shard is not here.
    pub fn builds(&self, shard: ShardId) -> Option<Vec<(SegmentId, IndexBuild)>> {
        let state = self.state.shards.get(&shard)?;
        Some(state.builds().map(|(segment, build)| (segment, *build)).collect())
    }
}
