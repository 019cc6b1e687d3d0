//! Flush: everything acknowledged before the call into files.

use crate::Proxy;
use crate::deadline::{Ask, is_unavailable};
use crate::names::NameFreshness;
use futures::future::try_join_all;
use vecraft_types::api::{Call, FlushInfo};
use vecraft_types::{Code, Error, Result};

impl Proxy {
    pub(crate) async fn flush_collections(&self, call: Call, names: Vec<String>) -> Result<Vec<FlushInfo>> {
        if names.is_empty() {
            return Err(Error::new(Code::MissingParameter, "flush needs the name of a collection"));
        }
        // All names first: a flush of half the list with an error about the other half helps nobody.
        let mut collections = Vec::with_capacity(names.len());
        let deadline = self.deadline(&call);
        for name in &names {
            collections.push(self.collection_named(&call, &deadline, name, NameFreshness::Latest).await?);
        }
        let deadline = &deadline;
        let mut infos = Vec::with_capacity(names.len());
        for (name, collection) in names.into_iter().zip(&collections) {
            let asked = collection.shards.iter().map(|placement| async move {
                let (shard, ask) = (placement.shard, Ask::leader("flush", placement.group));
                let attempt = || self.shard_writer.flush(shard);
                let flushed = self.retry_in(collection, deadline, ask, is_unavailable, attempt).await;
                flushed.map(|stats| (shard, stats)).map_err(|error| error.with("shard", shard))
            });
            let flushed = try_join_all(asked).await?;
            let timestamp = flushed.iter().map(|(_, stats)| stats.timestamp).max().unwrap_or_default();
            let segments = flushed
                .iter()
                .flat_map(|(shard, stats)| stats.segments.iter().map(|(segment, _, _)| (*shard, *segment)))
                .collect();
            infos.push(FlushInfo { collection: name, segments, timestamp });
        }
        Ok(infos)
    }
}
