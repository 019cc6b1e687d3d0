//! Reads: on any replica that can serve in time.

use super::{Everywhere, all_refused, is_elsewhere};
use async_trait::async_trait;
use std::collections::BTreeMap;
use std::future::Future;
use std::sync::Arc;
use vecraft_rpc::services::{ShardHits, ShardQuery, ShardReader, ShardRows, ShardSearch};
use vecraft_types::{Result, ShardId};

/// Asks this node's replica, then the others.
pub struct ReadRouter(pub Everywhere<dyn ShardReader>);

impl ReadRouter {
    async fn on_any<T, F, Fut>(&self, shard: ShardId, deadline_ms: u64, ask: F) -> Result<T>
    where
        F: Fn(Arc<dyn ShardReader>, u64) -> Fut,
        Fut: Future<Output = Result<T>>,
    {
        let group = self.0.group_of(shard)?;
        let nodes = self.0.readers_of(shard, group);
        let mut refusals = BTreeMap::new();
        for (asked, node) in nodes.iter().enumerate() {
            // A replica that hangs must leave time for the next: half of what is left, all of it for the last.
            let is_last = asked + 1 == nodes.len();
            let wait_ms = if is_last { deadline_ms } else { deadline_ms / 2 };
            match ask(self.0.on(*node), wait_ms.max(1)).await {
                Err(error) if is_elsewhere(&error) => {
                    refusals.insert(*node, error);
                }
                answer => return answer,
            }
        }
        Err(all_refused(group, refusals))
    }
}

#[async_trait]
impl ShardReader for ReadRouter {
    async fn search(&self, search: ShardSearch) -> Result<ShardHits> {
        let (shard, deadline_ms) = (search.shard, search.deadline_ms);
        self.on_any(shard, deadline_ms, |reader, deadline_ms| {
            let search = ShardSearch { deadline_ms, ..search.clone() };
            async move { reader.search(search).await }
        })
        .await
    }

    async fn query(&self, query: ShardQuery) -> Result<ShardRows> {
        let (shard, deadline_ms) = (query.shard, query.deadline_ms);
        self.on_any(shard, deadline_ms, |reader, deadline_ms| {
            let query = ShardQuery { deadline_ms, ..query.clone() };
            async move { reader.query(query).await }
        })
        .await
    }
}
