//! I13, indexes: the log alone names index builds. The first of a version stays the only one of that version, whoever
//! comes later, dies or starts again; a segment that vanished has none.

use super::{Check, broken, ensure};
use crate::node::Shards;
use crate::picture;
use crate::twin::Twin;
use std::collections::BTreeMap;
use vecraft_state::shard::{ShardCommand, ShardEntry, ShardReply};
use vecraft_types::{BuildId, IndexId, SegmentId, ShardId};

const NAME: &str = "I13";

/// The shard's builds in force are the twin's, and of segments that are here.
pub fn check(here: &Shards, twin: &Twin, shard: ShardId) -> Check {
    let expected = twin.shards.get(&shard).map(|shard| shard.builds());
    let found = here.replica.builds(shard);
    ensure(found == expected, NAME, || {
        format!("shard {shard} serves from {found:?}, the log names {expected:?}")
    })?;
    let view = here.views.get(shard);
    for (segment, build) in found.into_iter().flatten() {
        let is_here = view.as_ref().is_some_and(|view| picture::segments(view).contains(&segment));
        ensure(is_here, NAME, || format!("shard {shard} names {build:?} for {segment}, which is not shown"))?;
    }
    Ok(())
}

/// Which build was the first of each version.
#[derive(Debug, Default)]
pub struct Named {
    first: BTreeMap<(ShardId, SegmentId, IndexId, u32), BuildId>,
}

impl Named {
    /// A dropped index is forgotten, so that its versions begin anew.
    pub fn answered(&mut self, entry: &ShardEntry, reply: &ShardReply) {
        if let (ShardCommand::IndexDropped { index }, Ok(_)) = (&entry.command, reply) {
            self.first.retain(|(shard, _, other, _), _| *shard != entry.shard || other != index);
        }
    }

    /// Looks at the builds in force.
    pub fn seen(&mut self, here: &Shards, shard: ShardId) -> Check {
        for (segment, build) in here.replica.builds(shard).into_iter().flatten() {
            let key = (shard, segment, build.index, build.version);
            let first = *self.first.entry(key).or_insert(build.build);
            if first != build.build {
                let what = format!("{key:?} was build {first}, and is build {} now", build.build);
                return Err(broken(NAME, what));
            }
        }
        Ok(())
    }
}
