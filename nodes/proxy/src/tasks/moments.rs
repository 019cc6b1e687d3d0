//! Which moment a read shows: the present, one that begins now, or one that an earlier answer named (I18).
//!
//! ```text
//! Begin   T = now -- pin(T) at the leader of every shard --> all did:        the read is of T
//!            ^                                       '-----> one has passed: T behind its time, and once more
//!            '------------------------------------------------------------'
//! Of(T)   nothing to do here: each shard knows T or refuses
//! ```
//! Every shard of the collection is pinned, whatever the filter names: a later page may look at others than the first.
//! A moment that only some shards have is nobody's, and ends like any other.
//!
//! It does *not* remember moments: any proxy serves any page.

use super::reads::named;
use crate::Proxy;
use crate::deadline::{Ask, Deadline, is_unavailable};
use futures::future::try_join_all;
use vecraft_rpc::services::{PinReply, ShardPin};
use vecraft_types::api::{Consistency, Moment};
use vecraft_types::{Code, CollectionDescriptor, Error, Result, Timestamp};

/// How often a moment is tried that is later than the last. Each try is further ahead, and a group's time runs like a clock.
const TRIES: u32 = 12;
/// How far ahead of a group's time the second try is, in milliseconds; doubled with each. What is written to the group while
/// the entry is under way must not pass it.
const AHEAD_MS: u64 = 4;

/// How current the names of a read are. A moment that begins has everything that was acknowledged before, a collection made a
/// moment ago too; a page needs no more than its moment.
pub(super) fn level_of_names(wanted: Moment, level: Consistency) -> Consistency {
    match wanted {
        Moment::Present => level,
        Moment::Begin => Consistency::Strong,
        Moment::Of(_) => Consistency::Eventually,
    }
}

impl Proxy {
    /// The timestamp whose moment a read shows; none for the present.
    ///
    /// # Errors
    /// A shard whose leader does not answer.
    pub(crate) async fn moment(
        &self,
        deadline: &Deadline,
        collection: &CollectionDescriptor,
        wanted: Moment,
    ) -> Result<Option<Timestamp>> {
        match wanted {
            Moment::Present => Ok(None),
            Moment::Of(at) => Ok(Some(at)),
            Moment::Begin => self.begin(deadline, collection).await.map(Some),
        }
    }

    async fn begin(&self, deadline: &Deadline, collection: &CollectionDescriptor) -> Result<Timestamp> {
        let mut at = self.now();
        for attempt in 0..TRIES {
            let passed = self.pin(deadline, collection, at).await?;
            let Some(last) = passed else { return Ok(at) };
            at = Timestamp::from_millis(last.millis() + (AHEAD_MS << attempt)).max(self.now());
        }
        let text =
            format!("the time of a group runs ahead of every moment that was tried, {TRIES} in number");
        Err(Error::new(Code::NotReady, text).with("collection", &collection.name))
    }

    /// Pins a moment in every shard; the latest time of those that have passed it, none when it is pinned in all.
    async fn pin(
        &self,
        deadline: &Deadline,
        collection: &CollectionDescriptor,
        timestamp: Timestamp,
    ) -> Result<Option<Timestamp>> {
        let newest_partition = collection.partitions.iter().map(|one| one.id).max().unwrap_or_default();
        let asked = collection.shards.iter().map(|placement| async move {
            let (shard, ask) = (placement.shard, Ask::leader("beginning an iterator", placement.group));
            let pin = || {
                let deadline_ms = deadline.left_ms();
                self.shard_writer.pin(ShardPin { shard, timestamp, newest_partition, deadline_ms })
            };
            deadline.retry(ask, is_unavailable, pin).await.map_err(|error| named(error, shard))
        });
        let replies = try_join_all(asked).await?;
        let passed = |reply: PinReply| match reply {
            PinReply::Pinned => None,
            PinReply::Passed(last) => Some(last),
        };
        Ok(replies.into_iter().filter_map(passed).max())
    }
}
