//! I20, rows: a shard shows exactly the newest acknowledged rows; none lost, none back from the dead, none torn, none
//! that nobody wrote, and counted right.

use super::{Check, broken, ensure};
use crate::node::Shards;
use crate::picture;
use crate::twin::{Twin, TwinRow};
use vecraft_types::ShardId;

const NAME: &str = "I20";

/// Compares every shard with the twin.
pub fn check(here: &Shards, twin: &Twin) -> Check {
    for (id, shard) in &twin.shards {
        let seen = rows(here, *id)?;
        let expected = shard.sorted();
        ensure(seen == expected, NAME, || format!("shard {id}: {}", picture::difference(&seen, &expected)))?;
    }
    Ok(())
}

/// The rows that a shard shows; none when it is not here.
pub fn rows(here: &Shards, shard: ShardId) -> Check<Vec<TwinRow>> {
    match here.views.get(shard) {
        Some(view) => picture::of(&view).map_err(|what| broken(NAME, format!("shard {shard}: {what}"))),
        None => Ok(Vec::new()),
    }
}
