//! Which part of a session's token each shard must reach, and the token that an answer gives back (I20).
//!
//! Tokens are per shard: groups do not share an order of timestamps. What a caller says of shards that are not of the collection
//! asked counts for nothing; a timestamp that is made up costs the caller a read index and nobody else anything.

use std::collections::BTreeMap;
use vecraft_types::api::{Consistency, Seen};
use vecraft_types::{CollectionDescriptor, ShardId, Timestamp};

/// What a session has seen of a collection's shards.
pub(super) struct SessionSeen(BTreeMap<ShardId, Timestamp>);

impl SessionSeen {
    pub fn new(collection: &CollectionDescriptor, told: &[Seen]) -> SessionSeen {
        let shards = collection.shards.iter().map(|placement| (placement.shard, Timestamp::ZERO));
        let mut seen: BTreeMap<ShardId, Timestamp> = shards.collect();
        for told in told {
            if let Some(at) = seen.get_mut(&told.shard) {
                *at = told.timestamp.max(*at);
            }
        }
        SessionSeen(seen)
    }

    /// What follows in the same call shows no less than what was shown.
    pub fn raise(&mut self, shown: &[Seen]) {
        for shown in shown {
            let at = self.0.entry(shown.shard).or_default();
            *at = shown.timestamp.max(*at);
        }
    }

    /// The level at which a shard is asked.
    pub fn level(&self, asked: Consistency, shard: ShardId) -> Consistency {
        asked.at_least(self.0.get(&shard).copied().unwrap_or_default())
    }
}

/// What the shards showed, in the order in which they were asked.
pub(super) fn seen(shards: &[ShardId], shown: impl Iterator<Item = Timestamp>) -> Vec<Seen> {
    shards.iter().zip(shown).map(|(shard, timestamp)| Seen { shard: *shard, timestamp }).collect()
}

/// The largest timestamp that any of them showed, for clients that keep one number.
pub(super) fn latest(seen: &[Seen]) -> Timestamp {
    seen.iter().map(|seen| seen.timestamp).max().unwrap_or_default()
}
