//! The naive twin: what the log means, written a second time and as plainly as possible.
//!
//! It keeps a list of live rows per shard and searches it from end to end. It knows no key index, no file and no
//! checkpoint, so it cannot share their mistakes; of segments it knows that the log names them, numbers their rows, and
//! names index builds for sealed ones (I13).

mod ask;
mod compact;

use crate::rows::{self, Row};
use ask::Asked;
use compact::Lives;
use std::collections::{BTreeMap, BTreeSet};
use vecraft_state::shard::{Applied, Refusal, ShardCommand, ShardEntry, ShardReply};
use vecraft_types::{
    CollectionSchema, IndexBuild, IndexId, LogPosition, PartitionId, PkConflict, PrimaryKey, RequestId,
    RowBatch, RowRef, SegmentId, ShardId, Timestamp,
};

/// Moments that the twin remembers of a shard.
const PINS_KEPT: usize = 4;

/// Everything the acknowledged log has made so far.
#[derive(Clone, Debug, Default)]
pub struct Twin {
    /// Shards that exist.
    pub shards: BTreeMap<ShardId, TwinShard>,
    /// Timestamp of the newest entry.
    pub last_timestamp: Timestamp,
}

/// One shard.
#[derive(Clone, Debug)]
pub struct TwinShard {
    /// As created.
    pub schema: CollectionSchema,
    /// Live rows, in the order of their writing.
    pub rows: Vec<TwinRow>,
    /// Dropped.
    pub closed_partitions: BTreeSet<PartitionId>,
    /// Where each partition's next row goes. A segment that was sealed or dropped is not here any more.
    growing: BTreeMap<PartitionId, (SegmentId, u32)>,
    last_segment: SegmentId,
    /// Segments that take no more rows, and their partitions.
    pub sealed: BTreeMap<SegmentId, PartitionId>,
    /// The same in the order in which their rows were written.
    order: BTreeMap<PartitionId, Vec<SegmentId>>,
    /// What became of every row that a segment has.
    lives: Lives,
    /// The entry that is applied.
    at: LogPosition,
    /// Index builds in force (I13).
    pub builds: BTreeMap<(SegmentId, IndexId), IndexBuild>,
    answers: BTreeMap<RequestId, ShardReply>,
    /// The timestamp of the last entry.
    pub now: Timestamp,
    /// Moments pinned (I18), the newest few: their positions and rows.
    pub pins: BTreeMap<Timestamp, (LogPosition, Vec<TwinRow>)>,
    /// The last compaction that somebody asked for.
    pub asked: Option<Asked>,
}

/// One live row.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct TwinRow {
    /// Key and version.
    pub row: Row,
    /// Where it was put.
    pub partition: PartitionId,
    /// Its segment and number there, and the entry that wrote it.
    pub place: RowRef,
}

impl Twin {
    /// Applies one entry and says what the proposer must hear.
    pub fn apply(&mut self, position: LogPosition, entry: &ShardEntry) -> ShardReply {
        // I9, and I18 for a moment.
        let suggested = match entry.command {
            ShardCommand::PinRead { timestamp, .. } => entry.suggested.max(timestamp),
            _ => entry.suggested,
        };
        let timestamp = suggested.max(self.last_timestamp.next());
        self.last_timestamp = timestamp;
        let applied = Applied { timestamp, position, ..Applied::default() };
        match &entry.command {
            ShardCommand::Create { schema } => {
                self.shards.entry(entry.shard).or_insert_with(|| TwinShard::new(schema.clone()));
                Ok(applied)
            }
            ShardCommand::Drop => {
                self.shards.remove(&entry.shard);
                Ok(applied)
            }
            command => match self.shards.get_mut(&entry.shard) {
                Some(shard) => {
                    let reply = shard.apply(command, applied);
                    shard.now = timestamp;
                    reply
                }
                None => Err(Refusal::UnknownShard),
            },
        }
    }
}

impl TwinShard {
    fn new(schema: CollectionSchema) -> TwinShard {
        TwinShard {
            schema,
            rows: Vec::new(),
            closed_partitions: BTreeSet::new(),
            growing: BTreeMap::new(),
            last_segment: SegmentId(0),
            sealed: BTreeMap::new(),
            order: BTreeMap::new(),
            lives: Lives::new(),
            at: LogPosition(0),
            builds: BTreeMap::new(),
            answers: BTreeMap::new(),
            now: Timestamp::ZERO,
            pins: BTreeMap::new(),
            asked: None,
        }
    }

    fn apply(&mut self, command: &ShardCommand, applied: Applied) -> ShardReply {
        self.at = applied.position;
        let request = match command {
            ShardCommand::Insert { request, .. }
            | ShardCommand::DeleteKeys { request, .. }
            | ShardCommand::DeleteVersions { request, .. } => *request,
            ShardCommand::DropPartition { partition } => {
                self.closed_partitions.insert(*partition);
                self.growing.remove(partition);
                self.sealed.retain(|_, other| other != partition);
                self.order.remove(partition);
                self.builds.retain(|(segment, _), _| self.sealed.contains_key(segment));
                let deleted = self.remove(|row| row.partition == *partition);
                return Ok(Applied { deleted, ..applied });
            }
            ShardCommand::Seal { segment } => {
                self.seal(|growing| growing == *segment);
                return Ok(applied);
            }
            ShardCommand::AskCompaction { bytes_max } => {
                self.ask(*bytes_max);
                return Ok(applied);
            }
            ShardCommand::CompactionDone { asked } => {
                self.done(*asked);
                return Ok(applied);
            }
            ShardCommand::IndexReady { segment, build } => {
                return self.index_ready(*segment, *build).map(|()| applied);
            }
            ShardCommand::IndexDropped { index } => {
                self.builds.retain(|(_, other), _| other != index);
                return Ok(applied);
            }
            ShardCommand::Compact { inputs, floor, rows, .. } => {
                return self.compact(inputs, *floor, *rows, applied.position).map(|()| applied);
            }
            ShardCommand::PinRead { timestamp, .. } if *timestamp <= self.now => {
                return Err(Refusal::TimePassed { last: applied.timestamp });
            }
            ShardCommand::PinRead { timestamp, .. } => {
                self.pins.insert(*timestamp, (applied.position, self.sorted()));
                while self.pins.len() > PINS_KEPT {
                    self.pins.pop_first();
                }
                return Ok(applied);
            }
            ShardCommand::Create { .. } | ShardCommand::Drop => return Ok(applied),
        };
        if let Some(answer) = self.answers.get(&request) {
            return answer.clone();
        }
        let reply = self.write(command, applied);
        // The proxy encodes anew and tries again under the same name.
        if !matches!(reply, Err(Refusal::SchemaMismatch { .. } | Refusal::Malformed(_))) {
            self.answers.insert(request, reply.clone());
        }
        reply
    }

    fn write(&mut self, command: &ShardCommand, applied: Applied) -> ShardReply {
        match command {
            ShardCommand::Insert { schema_version, partition, batch, is_upsert, .. } => {
                if *schema_version != self.schema.version {
                    return Err(Refusal::SchemaMismatch { current: self.schema.version });
                }
                if self.closed_partitions.contains(partition) {
                    return Err(Refusal::PartitionDropped);
                }
                let new = RowBatch::decode(batch)
                    .map_err(|error| error.to_string())
                    .and_then(|batch| rows::decode(&batch))
                    .map_err(Refusal::Malformed)?;
                self.insert(new, *partition, *is_upsert, applied)
            }
            ShardCommand::DeleteKeys { partition, keys, .. } => {
                let deleted = self.remove(|row| {
                    keys.contains(&row.row.key) && partition.is_none_or(|wanted| row.partition == wanted)
                });
                Ok(Applied { deleted, ..applied })
            }
            ShardCommand::DeleteVersions { rows, .. } => {
                let mut reply = applied;
                for (key, place) in rows {
                    match self.remove(|row| row.row.key == *key && row.place == *place) {
                        0 => reply.conflicts += 1,
                        deleted => reply.deleted += deleted,
                    }
                }
                Ok(reply)
            }
            _ => Ok(applied),
        }
    }

    /// The first of the highest version, of a segment that is there and sealed (I13).
    fn index_ready(&mut self, segment: SegmentId, build: IndexBuild) -> Result<(), Refusal> {
        if !self.sealed.contains_key(&segment) {
            return Err(Refusal::NotSealed);
        }
        let now = self.builds.get(&(segment, build.index)).filter(|now| now.version >= build.version);
        match now {
            Some(now) if *now != build => Err(Refusal::IndexInForce(Box::new(*now))),
            _ => {
                self.builds.insert((segment, build.index), build);
                Ok(())
            }
        }
    }

    fn insert(
        &mut self,
        new: Vec<Row>,
        partition: PartitionId,
        is_upsert: bool,
        applied: Applied,
    ) -> ShardReply {
        let rule = if is_upsert { PkConflict::Replace } else { self.schema.pk_conflict };
        if rule == PkConflict::Reject {
            for (at, row) in new.iter().enumerate() {
                let is_twice = new[..at].iter().any(|earlier| earlier.key == row.key);
                if is_twice || !self.of_key(&row.key).is_empty() {
                    return Err(Refusal::KeyExists(row.key.clone()));
                }
            }
        }
        let mut reply = Applied { inserted: new.len() as u64, ..applied };
        for row in new {
            if rule == PkConflict::Replace {
                reply.deleted += self.remove(|old| old.row.key == row.key);
            }
            let place = self.next_place(partition, applied.position);
            self.rows.push(TwinRow { row, partition, place });
        }
        Ok(reply)
    }

    /// Names the place of the next row: rows that replace one another within an entry take a number each.
    fn next_place(&mut self, partition: PartitionId, position: LogPosition) -> RowRef {
        let (segment, next) = self.growing.entry(partition).or_insert_with(|| {
            self.last_segment = SegmentId(self.last_segment.0 + 1);
            (self.last_segment, 0)
        });
        *next += 1;
        self.lives.entry(*segment).or_default().push(None);
        RowRef { segment: *segment, row: *next - 1, position }
    }

    /// Live rows of a key.
    pub fn of_key(&self, key: &PrimaryKey) -> Vec<&TwinRow> {
        self.rows.iter().filter(|row| row.row.key == *key).collect()
    }

    /// All live rows, in order.
    pub fn sorted(&self) -> Vec<TwinRow> {
        let mut rows = self.rows.clone();
        rows.sort();
        rows
    }

    /// The segments that the log names: those that take rows, and sealed ones (I13).
    pub fn segments(&self) -> BTreeSet<SegmentId> {
        self.growing.values().map(|(segment, _)| *segment).chain(self.sealed.keys().copied()).collect()
    }

    /// The index builds in force, in order.
    pub fn builds(&self) -> Vec<(SegmentId, IndexBuild)> {
        self.builds.iter().map(|((segment, _), build)| (*segment, *build)).collect()
    }

    fn remove(&mut self, is_doomed: impl Fn(&TwinRow) -> bool) -> u64 {
        let mut removed = 0;
        for row in self.rows.extract_if(.., |row| is_doomed(row)) {
            removed += 1;
            if let Some(life) = self.lives.get_mut(&row.place.segment) {
                life[row.place.row as usize] = Some(self.at);
            }
        }
        removed
    }
}
