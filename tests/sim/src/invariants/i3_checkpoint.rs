//! I3, one checkpoint: what a start restores is exactly a position that was captured, whole.

use super::{Broken, Check, broken, ensure};
use crate::node::Shards;
use crate::picture;
use crate::trace::Hash;
use crate::twin::Twin;
use std::collections::BTreeMap;
use std::fmt::Write;
use vecraft_types::LogPosition;

const NAME: &str = "I3";

/// What the simulation remembers about checkpoints.
#[derive(Debug, Default)]
pub struct Checkpoints {
    /// The newest one whose write answered `Ok`, or that a start found.
    pub durable: Option<LogPosition>,
    /// One whose write died half way: there or not.
    pub in_flight: Option<LogPosition>,
    /// What the twin held when each was captured.
    pub captured: BTreeMap<LogPosition, Hash>,
}

impl Checkpoints {
    /// Looks at a replica that was just restored and has replayed nothing; from then on its checkpoint is the durable one.
    pub fn restored(&mut self, here: &Shards) -> Check {
        let position = here.replica.applied();
        ensure(here.mark.unwrap_or_default() == position, NAME, || {
            format!("restored at {position} with the mark of {:?}", here.mark)
        })?;
        let found = here.mark;
        let is_known = found == self.durable || (found.is_some() && found == self.in_flight);
        ensure(is_known, NAME, || {
            let (durable, in_flight) = (self.durable, self.in_flight);
            format!("restored {found:?}, durable is {durable:?}, in flight was {in_flight:?}")
        })?;
        if let Some(expected) = self.captured.get(&position) {
            let seen = of_shards(here)?;
            ensure(seen == *expected, NAME, || {
                format!("the rows restored at {position} are not those captured")
            })?;
        }
        (self.durable, self.in_flight) = (found, None);
        self.captured.retain(|at, _| Some(*at) == found);
        Ok(())
    }
}

/// Two restores of the same disks make the same replica.
pub fn twice(first: &Shards, second: &Shards) -> Check {
    let is_same =
        first.replica.applied() == second.replica.applied() && of_shards(first)? == of_shards(second)?;
    ensure(is_same, NAME, || "two restores of one checkpoint differ".to_owned())
}

/// A replayed entry answers what it answered the first time.
pub fn replayed(position: LogPosition, seen: &str, expected: &str) -> Check {
    ensure(seen == expected, NAME, || {
        format!("the replay of {position} answers {seen}, at first it was {expected}")
    })
}

/// The rows of all published views and the index builds in force.
fn of_shards(here: &Shards) -> Check<Hash> {
    let mut hash = Hash::default();
    for view in here.views.list() {
        let rows =
            picture::of(&view).map_err(|what| broken(NAME, format!("shard {}: {what}", view.shard)))?;
        let builds = here.replica.builds(view.shard).unwrap_or_default();
        write(&mut hash, format!("{} {:?} {builds:?}", view.shard, picture::hash(&rows)));
    }
    Ok(hash)
}

/// The same of the twin.
pub fn of_twin(twin: &Twin) -> Hash {
    let mut hash = Hash::default();
    for (shard, twin) in &twin.shards {
        let builds = twin.builds();
        write(&mut hash, format!("{shard} {:?} {builds:?}", picture::hash(&twin.sorted())));
    }
    hash
}

fn write(hash: &mut Hash, text: String) {
    // Writing to a hash cannot fail.
    let _ = hash.write_str(&text);
}

/// A checkpoint or a start that refuses although nothing is wrong with the disk.
pub fn refused(error: impl std::fmt::Display) -> Broken {
    broken(NAME, format!("the checkpoint is unreadable: {error}"))
}
