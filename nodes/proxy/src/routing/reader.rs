//! Reads: on any replica that can serve in time.

use super::{Everywhere, all_refused, is_elsewhere};
use async_trait::async_trait;
use futures::stream::{FuturesUnordered, StreamExt};
use std::collections::BTreeMap;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;
use vecraft_rpc::services::{ShardHits, ShardQuery, ShardReader, ShardRows, ShardSearch};
use vecraft_types::{Result, ShardId};

/// Asks this node's replica, then the others.
pub struct ReadRouter(pub Everywhere<dyn ShardReader>);

/// A replica that has not answered for this long may hang: another is asked as well, and the first answer counts.
const PATIENCE: Duration = Duration::from_millis(2_500);

impl ReadRouter {
    async fn on_any<T, F, Fut>(&self, shard: ShardId, deadline_ms: u64, ask: F) -> Result<T>
    where
        F: Fn(Arc<dyn ShardReader>, u64) -> Fut,
        Fut: Future<Output = Result<T>>,
    {
        let group = self.0.group_of(shard)?;
        let until = Instant::now() + Duration::from_millis(deadline_ms);
        let left_ms = || (until.saturating_duration_since(Instant::now()).as_millis() as u64).max(1);
        // Little time: half of it for the first, so that the next can still be asked.
        let patience = PATIENCE.min(Duration::from_millis(deadline_ms / 2));
        let (mut refusals, mut asked) = (BTreeMap::new(), FuturesUnordered::new());
        let mut nodes = self.0.readers_of(shard, group).into_iter();
        loop {
            let next = nodes.next();
            let is_last = next.is_none();
            if let Some(node) = next {
                let answer = ask(self.0.on(node), left_ms());
                asked.push(async move { (node, answer.await) });
            }
            let wait = if is_last { Duration::MAX } else { patience };
            match tokio::time::timeout(wait, asked.next()).await {
                Ok(Some((node, Err(error)))) if is_elsewhere(&error) => {
                    refusals.insert(node, error);
                }
                Ok(Some((_, answer))) => return answer,
                Ok(None) if is_last => return Err(all_refused(shard, group, refusals)),
                // The next is asked, and those asked before may still answer.
                Ok(None) | Err(_) => {}
            }
        }
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
