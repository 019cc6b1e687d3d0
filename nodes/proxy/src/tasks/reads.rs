//! What search and query share: limits, shards to ask, the fan-out.

use crate::Proxy;
use crate::deadline::{Ask, Deadline, Shows, is_unavailable};
use crate::names::{NameFreshness, partition_ids};
use futures::future::try_join_all;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;
use vecraft_types::api::{Call, Consistency, Moment};
use vecraft_types::limits::TOPK_MAX;
use vecraft_types::{Code, CollectionDescriptor, Error, PartitionId, PrimaryKey, Result, RowBatch, ShardId};

/// A read under way for so long has its group's leader asked whether it is there, again and again.
const LOOK: Duration = Duration::from_secs(5);

impl Proxy {
    /// Asks all these shards of a collection at once. Every one must answer (P5): the first that cannot within the deadline makes
    /// the whole read an error that names it, and the others are no longer waited for. `level` is what the
    /// caller asked for.
    pub(crate) async fn ask_shards<T, F, Fut>(
        &self,
        deadline: &Deadline,
        verb: &'static str,
        collection: &CollectionDescriptor,
        shards: &[ShardId],
        level: Consistency,
        ask: F,
    ) -> Result<Vec<T>>
    where
        F: Fn(ShardId) -> Fut,
        Fut: Future<Output = Result<T>>,
    {
        let ask = &ask;
        let asked = shards.iter().map(|&shard| async move {
            let asking = Ask::read(verb, self.topology.group_of(shard), level);
            let read = || self.watched(deadline, asking, shard, ask(shard));
            let answer = self.retry_in(collection, deadline, asking, is_unavailable, read).await;
            answer.map_err(|error| named(named_partition(error, collection), shard))
        });
        try_join_all(asked).await
    }

    /// What the partitions of a read are by now, when a shard says that one was dropped: it may have been made anew at another
    /// node's door, and only what this node knew be old (I19).
    ///
    /// # Errors
    /// What the shard said, unless the names mean other partitions of the same collection now.
    pub(crate) async fn partitions_anew(
        &self,
        call: &Call,
        deadline: &Deadline,
        known: &CollectionDescriptor,
        names: &[String],
        refusal: Error,
    ) -> Result<(Arc<CollectionDescriptor>, Vec<PartitionId>)> {
        let newest = self.collection_named(call, deadline, &known.name, NameFreshness::Latest).await?;
        let ids = |of: &CollectionDescriptor| partition_ids(of, names).ok();
        match ids(&newest) {
            Some(now) if newest.id == known.id && ids(known).as_ref() != Some(&now) => Ok((newest, now)),
            _ => Err(refusal),
        }
    }

    /// A read of replicas, given up when it takes long and the group's leader turns out to be missed for long: a node that is
    /// stopped or cut off takes a question and never answers. A read that is only slow is left alone while the leader answers.
    async fn watched<T>(
        &self,
        deadline: &Deadline,
        asking: Ask<'_>,
        shard: ShardId,
        read: impl Future<Output = Result<T>>,
    ) -> Result<T> {
        let (Some(group), true) = (asking.group, asking.shows != Shows::Nothing) else { return read.await };
        let ask = Ask::leader(asking.what, group);
        let mut read = std::pin::pin!(read);
        loop {
            let looked = async {
                tokio::time::sleep(LOOK).await;
                tokio::time::timeout(LOOK, self.shard_writer.stats(shard)).await
            };
            let looked = tokio::select! {
                biased;
                answer = &mut read => return answer,
                looked = looked => looked,
            };
            match looked {
                Ok(Ok(_)) => drop(deadline.note(ask, None)),
                Ok(Err(error))
                    if is_unavailable(&error) && deadline.is_hopeless(deadline.note(ask, Some(&error))) =>
                {
                    return Err(error);
                }
                // It elects, is slow, or refuses for a reason of its own.
                Ok(Err(_)) | Err(_) => {}
            }
        }
    }

    /// Refuses a reply that no client could receive.
    pub(crate) fn check_reply_size<'a>(&self, rows: impl Iterator<Item = &'a RowBatch>) -> Result<()> {
        let bytes: usize = rows.map(RowBatch::bytes).sum();
        if bytes <= self.config.reply_bytes_max {
            return Ok(());
        }
        let max = self.config.reply_bytes_max;
        let text = format!(
            "the reply would have {bytes} bytes, at most {max} are allowed; ask for less rows or fields"
        );
        Err(Error::new(Code::ParameterTooLarge, text))
    }
}

/// Whether a shard refused a partition that this node may have known too long. Of a moment of the past it did not: what was made
/// anew since is not what the read means.
pub(crate) fn is_of_old_names(refusal: &Error, moment: Moment, level: Consistency) -> bool {
    let may_be_old = NameFreshness::from(level) == NameFreshness::AsKnown;
    refusal.code == Code::PartitionNotFound && moment == Moment::Present && may_be_old
}

/// A shard knows its partitions by id, users by name.
fn named_partition(mut error: Error, collection: &CollectionDescriptor) -> Error {
    if error.code != Code::PartitionNotFound {
        return error;
    }
    for (_, said) in error.context.iter_mut().filter(|(key, _)| key == "partition") {
        let partition = collection.partitions.iter().find(|known| known.id.to_string() == *said);
        if let Some(partition) = partition {
            said.clone_from(&partition.name);
        }
    }
    error.with("collection", &collection.name)
}

pub(super) fn named(error: Error, shard: ShardId) -> Error {
    if error.context.iter().any(|(key, _)| key == "shard") { error } else { error.with("shard", shard) }
}

/// The collection's shards; with keys, only those that own them.
pub(crate) fn shards_of(collection: &CollectionDescriptor, keys: Option<&[PrimaryKey]>) -> Vec<ShardId> {
    let count = u32::try_from(collection.shards.len()).unwrap_or(u32::MAX);
    let owns = |index: usize| {
        keys.is_none_or(|keys| keys.iter().any(|key| key.shard_index(count) as usize == index))
    };
    let placements = collection.shards.iter().enumerate();
    placements.filter(|(index, _)| owns(*index)).map(|(_, placement)| placement.shard).collect()
}

/// Checks a limit and what is left out before it.
pub(crate) fn check_window(limit: Option<usize>, offset: usize) -> Result<()> {
    if let Some(limit) = limit
        && !(1..=TOPK_MAX).contains(&limit)
    {
        return Err(Error::invalid(format!("limit is {limit}, allowed is 1 to {TOPK_MAX}")));
    }
    let last = offset.saturating_add(limit.unwrap_or(0));
    if last > TOPK_MAX {
        let limit = limit.map_or("none".to_owned(), |limit| limit.to_string());
        return Err(Error::invalid(format!(
            "offset + limit is {last} (offset {offset}, limit {limit}), at most {TOPK_MAX} is allowed"
        )));
    }
    Ok(())
}

/// Whether a read of these partitions would be refused for something that may only not be known here yet.
pub(crate) fn lacks_names(known: &CollectionDescriptor, partitions: &[String]) -> bool {
    check_loaded(known).is_err() || partitions.iter().any(|name| known.partition(name).is_none())
}

/// With `milvus.strict_load`, reads need a load first, as in Milvus (101).
pub(crate) fn check_loaded(collection: &CollectionDescriptor) -> Result<()> {
    if collection.is_strict_load() && !collection.is_loaded {
        return Err(Error::new(Code::CollectionNotLoaded, "").with("collection", &collection.name));
    }
    Ok(())
}
