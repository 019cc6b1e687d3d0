//! Do the replicas of a group hold the same? (P2, I22, I23)
//!
//! ```text
//! apply ── every entry's outcome ──> chain ── each 1,024th position ──> mark: chain, live rows, keys
//! checkpoint ── column files ──────────────────────────────────────────> checksums
//!                       every replica asks the others and judges itself (compare.rs)
//! ```
//! The chain takes in what apply decided: where rows went, which ones died, what was answered, under which timestamp.
//! The rows' content is compared by the checksums of the column files. A chain that was different once stays different, so
//! no comparison can come too late, and a replica that was away is compared when it is back.
//!
//! It does *not* hash rows that a delete takes away: that would keep eight bytes a row or read files inside apply (I12).

mod compare;
mod judge;
mod serve;

pub use compare::compare;

use crate::error::Result;
use crate::replica::{Compacting, GroupReplica, ShardReplica};
use std::collections::VecDeque;
use vecraft_rpc::codec;
use vecraft_rpc::services::GroupDigest;
use vecraft_state::shard::{Effect, ShardReply};
use vecraft_storage::failpoint;
use vecraft_types::{KeyIndex, LogPosition};
use xxhash_rust::xxh3::xxh3_64_with_seed;

/// Distance of marks, in log positions. Equal on all nodes, or there is nothing to compare.
const MARK_EVERY: u64 = 1_024;
/// Marks kept: the others may be behind or ahead by so many.
const MARKS: usize = 64;

/// The running hash of one replica.
#[derive(Debug)]
pub struct Digest {
    /// Over all entries so far. None when nobody can say: the checkpoint is of a program that kept no chain.
    chain: Option<u64>,
    /// The newest entry that the chain or a mark knows of.
    last: LogPosition,
    /// Newest last.
    marks: VecDeque<(LogPosition, u64)>,
}

impl Digest {
    /// Of a group without entries.
    pub fn new() -> Digest {
        Digest::restored(LogPosition(0), Some(0))
    }

    /// As a checkpoint at `position` has it.
    pub fn restored(position: LogPosition, chain: Option<u64>) -> Digest {
        Digest { chain, last: position, marks: VecDeque::new() }
    }

    /// For the checkpoint.
    pub fn chain(&self) -> Option<u64> {
        self.chain
    }

    /// The position of the newest mark.
    pub fn newest(&self) -> Option<LogPosition> {
        self.marks.back().map(|(position, _)| *position)
    }

    /// Where a mark is due before the entry at `position` is applied: the last multiple of 1,024 that lies between it and
    /// the entry before. Positions without a command count, so that all replicas mark the same.
    fn due(&self, position: LogPosition) -> Option<LogPosition> {
        let (before, now) = (self.last.0 / MARK_EVERY, position.0 / MARK_EVERY);
        (now > before && self.chain.is_some()).then_some(LogPosition(now * MARK_EVERY))
    }

    fn mark(&mut self, position: LogPosition, state: (u64, u64)) {
        let Some(chain) = self.chain else { return };
        if self.marks.len() == MARKS {
            self.marks.pop_front();
        }
        let bytes = [state.0.to_le_bytes(), state.1.to_le_bytes()].concat();
        self.marks.push_back((position, xxh3_64_with_seed(&bytes, chain)));
    }

    fn absorb(&mut self, position: LogPosition, outcome: &[u8]) {
        self.last = position;
        self.chain = self.chain.map(|chain| xxh3_64_with_seed(outcome, chain));
    }
}

/// What apply decided, in bytes.
pub(crate) fn outcome(position: LogPosition, reply: &ShardReply, effects: &[Effect]) -> Result<Vec<u8>> {
    let mut bytes = encode(&(position, reply))?;
    for effect in effects {
        bytes.extend(match effect {
            Effect::ShardCreated { shard, schema } => encode(&(0u8, shard, schema))?,
            Effect::ShardDropped { shard } => encode(&(1u8, shard))?,
            Effect::Append { shard, segment, partition, first_row, batch, timestamp } => {
                encode(&(2u8, shard, segment, partition, first_row, batch.rows as u64, timestamp))?
            }
            Effect::Delete { shard, rows } => encode(&(3u8, shard, rows))?,
            Effect::Sealed { shard, segment } => encode(&(4u8, shard, segment))?,
            Effect::SegmentsDropped { shard, segments } => encode(&(5u8, shard, segments))?,
            Effect::BuildsChanged { shard } => encode(&(6u8, shard))?,
            Effect::Compacted { shard, inputs, output, partition, floor, rows } => {
                encode(&(7u8, shard, inputs, output, partition, floor, rows))?
            }
            Effect::ReadPinned { shard } => encode(&(8u8, shard))?,
        });
    }
    Ok(bytes)
}

fn encode<T: serde::Serialize>(value: &T) -> Result<Vec<u8>> {
    let what = || "an entry's outcome".to_owned();
    codec::encode(value).map_err(|source| crate::Error::Codec { what: what(), source })
}

impl GroupReplica {
    /// Marks what is here, if the entry at `position` begins another thousand. Call it before the entry is applied.
    pub(crate) fn mark_before(&mut self, position: LogPosition) {
        if let Some(due) = self.digest.due(position) {
            self.digest.mark(due, self.audit());
        }
    }

    /// The newest position that can be compared.
    pub(crate) fn newest_mark(&self) -> Option<LogPosition> {
        self.digest.newest()
    }

    /// Takes an applied entry in.
    pub(crate) fn absorb(&mut self, position: LogPosition, outcome: &[u8]) {
        // A test makes this replica another one than it is.
        let outcome = failpoint::hit("data.digest").map_or(&b"another"[..], |()| outcome);
        self.digest.absorb(position, outcome);
    }

    /// Live rows and keys, counted in what readers get.
    fn audit(&self) -> (u64, u64) {
        let of_shard = |shard: &ShardReplica| {
            let held = shard.segments.values();
            let live = held.map(|held| u64::from(held.segment.rows() - held.segment.deletes().count()));
            let unread = shard.compacting.values().map(|output| &output.compaction);
            let live = live.chain(unread.map(|one| u64::from(one.rows() - one.deletes().count())));
            (live.sum::<u64>(), shard.keys.len() as u64)
        };
        self.shards.values().map(of_shard).fold((0, 0), |all, one| (all.0 + one.0, all.1 + one.1))
    }

    /// What other replicas are told.
    pub fn digest(&self) -> GroupDigest {
        let mut files = Vec::new();
        for (shard, state) in &self.state.shards {
            let Some(held) = self.shards.get(shard) else { continue };
            let sealed = state.segments.iter().filter(|(_, segment)| !segment.phase.is_growing());
            for (id, _) in sealed {
                let file = held.segments.get(id).and_then(|held| held.file.as_ref());
                let file = file.or_else(|| held.compacting.get(id).and_then(Compacting::manifest));
                // A tail of the time before the seal is no column file.
                let column = file.filter(|file| Some(file.rows) == state.segments.get(id).map(|s| s.rows));
                let checksums = column.into_iter().flat_map(|file| &file.files).map(|file| file.checksum);
                files.extend(
                    checksums.reduce(|all, one| all.rotate_left(1) ^ one).map(|sum| (*shard, *id, sum)),
                );
            }
        }
        GroupDigest { marks: self.digest.marks.iter().copied().collect(), files }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    /// Applies entries without effects at these positions.
    fn marks(positions: &[u64], odd_one: Option<u64>) -> Vec<(u64, u64)> {
        let mut digest = Digest::new();
        for at in positions.iter().copied().map(LogPosition) {
            if let Some(due) = digest.due(at) {
                digest.mark(due, (0, 0));
            }
            let outcome = if odd_one == Some(at.0) { b"b" } else { b"a" };
            digest.absorb(at, outcome);
        }
        digest.marks.iter().map(|(at, value)| (at.0, *value)).collect()
    }

    #[test]
    fn i23_marks_do_not_depend_on_where_the_command_entries_are() {
        let all = marks(&[1, 1_023, 1_024, 2_050], None);
        assert_eq!(all.iter().map(|mark| mark.0).collect::<Vec<_>>(), [1_024, 2_048]);
        // The entry at 1,024 itself is after the mark.
        assert_eq!(marks(&[1, 1_023, 1_500], None)[0], all[0]);
        // A gap over several marks leaves the last.
        assert_eq!(marks(&[1, 5_000], None).iter().map(|mark| mark.0).collect::<Vec<_>>(), [4_096]);
    }

    #[test]
    fn i23_one_other_outcome_changes_every_later_mark() {
        let (good, bad) =
            (marks(&[1, 1_025, 2_049, 3_073], None), marks(&[1, 1_025, 2_049, 3_073], Some(1_025)));
        assert_eq!(good[0], bad[0]);
        assert!(good[1..].iter().zip(&bad[1..]).all(|(good, bad)| good.0 == bad.0 && good.1 != bad.1));
    }

    #[test]
    fn i23_a_restart_goes_on_with_the_chain_and_one_without_marks_nothing() {
        let mut digest = Digest::new();
        digest.absorb(LogPosition(1), b"a");
        let mut restored = Digest::restored(LogPosition(1), digest.chain());
        digest.absorb(LogPosition(2), b"a");
        restored.absorb(LogPosition(2), b"a");
        assert_eq!(digest.chain(), restored.chain());
        let unknown = Digest::restored(LogPosition(1), None);
        assert_eq!((unknown.due(LogPosition(5_000)), unknown.newest()), (None, None));
    }
}
