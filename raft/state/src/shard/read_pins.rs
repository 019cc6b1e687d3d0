//! Moments that reads go back to (I18): which position of the log a read timestamp means.
//!
//! ```text
//! entries of the shard    7    8    PinRead(T) 9    10 ...     T means position 9
//! their timestamps       < T  < T      >= T        > T ...     so "written before T" and "before position 9" are the same
//! ```
//! An iterator begins with such an entry in every shard, and its pages read at the position that the entry has. A
//! moment ends an hour of log time later, or when [`PINS_MAX`] newer ones are there. What compaction may drop is what was
//! replaced or deleted before [`ReadPins::oldest`].
//!
//! It does *not* keep rows: those that were replaced or deleted stay because nothing here drops them. Only a dropped
//! partition takes its rows at once; so a moment remembers what went, and a read that would miss it is refused.

use super::{Applied, Effect, Outcome, Refusal, ShardState};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use vecraft_types::{LogPosition, PartitionId, Timestamp};

/// How long a moment stays, in milliseconds of log time.
const KEPT_MS: u64 = 3_600_000;
/// Moments a shard keeps.
const PINS_MAX: usize = 10_000;

/// The moments of a shard. Part of the checkpoint (I3, I5), so that every replica gives the same answer after anything.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ReadPins {
    moments: BTreeMap<Timestamp, Pinned>,
    /// The newest moment that ended.
    ended: Timestamp,
    /// Partitions that were dropped with rows since the oldest moment, and when.
    dropped: BTreeMap<PartitionId, LogPosition>,
    /// The timestamp of the shard's last entry.
    now: Timestamp,
}

/// One moment.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
struct Pinned {
    position: LogPosition,
    newest_partition: PartitionId,
}

/// Why a moment cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unreadable {
    /// No entry of this shard's log pinned it.
    NeverPinned,
    /// It ended, or one at least as new did.
    Ended,
    /// The rows of this partition went since.
    PartitionDropped(PartitionId),
    /// This partition was made since: its name may have been another one's.
    PartitionNewer(PartitionId),
}

impl ReadPins {
    /// The position that a read timestamp means. A read of some `partitions` (empty: of all) is refused when it would
    /// miss rows that were there.
    ///
    /// # Errors
    /// See [`Unreadable`].
    pub fn position(&self, at: Timestamp, partitions: &[PartitionId]) -> Result<LogPosition, Unreadable> {
        let Some(&Pinned { position, newest_partition }) = self.moments.get(&at) else {
            return Err(if at <= self.ended { Unreadable::Ended } else { Unreadable::NeverPinned });
        };
        if let Some(newer) = partitions.iter().find(|id| **id > newest_partition) {
            return Err(Unreadable::PartitionNewer(*newer));
        }
        let is_missed = |(id, dropped): &(&PartitionId, &LogPosition)| {
            **dropped > position && (partitions.is_empty() || partitions.contains(id))
        };
        match self.dropped.iter().find(is_missed) {
            Some((id, _)) => Err(Unreadable::PartitionDropped(*id)),
            None => Ok(position),
        }
    }

    /// Rows that were replaced or deleted up to here no moment shows any more; none when there is no moment.
    pub fn oldest(&self) -> Option<LogPosition> {
        self.moments.first_key_value().map(|(_, pinned)| pinned.position)
    }

    /// Moments kept.
    pub fn len(&self) -> usize {
        self.moments.len()
    }

    /// Memory that they take, about (I21).
    pub fn bytes(&self) -> usize {
        (self.moments.len() + self.dropped.len()) * size_of::<(Timestamp, Pinned)>() * 4 / 3
    }

    /// True when there are none.
    pub fn is_empty(&self) -> bool {
        self.moments.is_empty()
    }

    /// Takes note of the shard's time and lets those go that are too old. Called after every entry of the shard.
    pub(super) fn pass(&mut self, now: Timestamp) {
        self.now = now;
        let is_old = |at: &Timestamp| at.millis().saturating_add(KEPT_MS) <= now.millis();
        while self.moments.len() > PINS_MAX
            || self.moments.first_key_value().is_some_and(|(at, _)| is_old(at))
        {
            let Some((at, _)) = self.moments.pop_first() else { return };
            self.ended = self.ended.max(at);
            let oldest = self.oldest();
            self.dropped.retain(|_, dropped| oldest.is_some_and(|oldest| oldest < *dropped));
        }
    }

    pub(super) fn drop_partition(&mut self, partition: PartitionId, position: LogPosition) {
        if !self.is_empty() {
            self.dropped.insert(partition, position);
        }
    }
}

impl ShardState {
    /// The entry's own position is what `at` means, unless an entry of this shard before it has that timestamp or a later
    /// one: then a second reader could be given the moment of a first, and miss what was written in between. The entry has at
    /// least this timestamp, so those behind it have later ones (I9). Other shards of the group may be further.
    pub(super) fn pin_read(
        &mut self,
        at: Timestamp,
        newest_partition: PartitionId,
        applied: Applied,
    ) -> Outcome {
        if at <= self.read_pins.now {
            return Outcome::refused(Refusal::TimePassed { last: applied.timestamp });
        }
        self.read_pins.moments.insert(at, Pinned { position: applied.position, newest_partition });
        Outcome { reply: Ok(applied), effects: vec![Effect::ReadPinned { shard: self.id }] }
    }
}
