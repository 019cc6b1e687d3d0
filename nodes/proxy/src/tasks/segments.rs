//! Asking every shard for a compaction, and joining what their leaders say about segments.

use crate::Proxy;
use crate::deadline::{Ask, is_unavailable};
use crate::names::NameFreshness;
use crate::tasks::reads::named;
use futures::future::try_join_all;
use vecraft_rpc::services::ShardCompact;
use vecraft_types::api::{AskedInfo, Call, CollectionName, CollectionSegments, CompactRequest};
use vecraft_types::{CollectionId, Error, Result};

impl Proxy {
    pub(crate) async fn compact_collection(
        &self,
        call: Call,
        request: CompactRequest,
    ) -> Result<CollectionId> {
        if request.bytes_max == Some(0) {
            return Err(Error::invalid(
                "a compaction into segments of 0 bytes was asked for, 1 is the least",
            ));
        }
        let deadline = &self.deadline(&call);
        let collection =
            &self.collection_by(&call, deadline, &request.collection, NameFreshness::Latest).await?;
        let bytes_max = request.bytes_max.unwrap_or(0);
        let asked = collection.shards.iter().map(|placement| async move {
            let ask = Ask::leader("asking for a compaction", placement.group);
            let shard = placement.shard;
            let attempt = || {
                self.shard_writer.compact(ShardCompact { shard, bytes_max, deadline_ms: deadline.left_ms() })
            };
            let asked = self.retry_in(collection, deadline, ask, is_unavailable, attempt).await;
            asked.map_err(|error| named(error, shard))
        });
        try_join_all(asked).await?;
        Ok(collection.id)
    }

    pub(crate) async fn collection_segments(
        &self,
        call: Call,
        name: CollectionName,
    ) -> Result<CollectionSegments> {
        let deadline = &self.deadline(&call);
        let collection = &self.collection_by(&call, deadline, &name, NameFreshness::Latest).await?;
        let asked = collection.shards.iter().map(|placement| async move {
            let ask = Ask::leader("segments", placement.group);
            let attempt = || self.shard_writer.segments(placement.shard);
            let told = self.retry_in(collection, deadline, ask, is_unavailable, attempt).await;
            told.map_err(|error| named(error, placement.shard))
        });
        let mut all = CollectionSegments {
            collection: collection.id,
            segments: Vec::new(),
            merges: Vec::new(),
            asked: None,
        };
        for shard in try_join_all(asked).await? {
            all.segments.extend(shard.segments);
            all.merges.extend(shard.merges);
            all.asked = joined(all.asked, shard.asked);
        }
        Ok(all)
    }
}

/// Done is what is done in every shard that was asked.
fn joined(one: Option<AskedInfo>, other: Option<AskedInfo>) -> Option<AskedInfo> {
    match (one, other) {
        (Some(one), Some(other)) => Some(AskedInfo {
            is_done: one.is_done && other.is_done,
            finished: one.finished + other.finished,
            under_way: one.under_way + other.under_way,
        }),
        (one, other) => one.or(other),
    }
}
