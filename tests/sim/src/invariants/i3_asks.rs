//! I3, I13: a compaction that somebody asked for is remembered as the log has it, whatever was checkpointed, replayed or lost since.

use super::{Check, ensure};
use crate::node::Shards;
use crate::twin::Twin;
use vecraft_types::ShardId;

/// The shard's last ask is the twin's.
pub fn check(here: &Shards, twin: &Twin, shard: ShardId) -> Check {
    let expected = twin.shards.get(&shard).and_then(|shard| shard.asked);
    let found = here.replica.asked_compaction(shard);
    let is_same = match (&found, &expected) {
        (Some(found), Some(expected)) => {
            (found.position, found.bytes_max, found.decided, found.is_done)
                == (expected.at, expected.bytes_max, expected.decided, expected.is_done)
        }
        (found, expected) => found.is_none() && expected.is_none(),
    };
    ensure(is_same, "I3", || format!("shard {shard} remembers {found:?}, the log has {expected:?}"))
}
