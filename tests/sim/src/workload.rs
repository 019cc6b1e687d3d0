//! What clients and the coordinator ask for: mostly sensible, sometimes late, twice or wrong.

use crate::invariants::i10_retries::request;
use crate::plan::Plan;
use crate::rng::Rng;
use crate::rows::{self, Row};
use crate::twin::Twin;
use vecraft_segment::ShardView;
use vecraft_segment::exec::{self, Cancel};
use vecraft_state::shard::{ShardCommand, ShardEntry};
use vecraft_types::{
    BuildId, ClientId, CollectionId, DataType, FieldId, IndexBuild, IndexId, LogPosition, PartitionId,
    PkConflict, PrimaryKey, RequestId, SegmentId, ShardId, Timestamp,
};

/// Writes remembered for retries.
const REMEMBERED_MAX: usize = 64;
/// Partitions a shard begins with, and names afterwards as new.
const PARTITIONS: u64 = 3;

/// Draws commands. Ids are never reused (I11).
pub struct Workload {
    rng: Rng,
    /// What is not drawn from `rng`: compactions on demand.
    own: Rng,
    clock_ms: u64,
    next_version: i64,
    next_collection: u64,
    next_sequence: u64,
    next_partition: u64,
    remembered: Vec<(ShardId, ShardCommand)>,
    dropped: Vec<ShardId>,
}

/// What a command may look at: an applied position (I12).
pub struct Sight<'a> {
    /// The shards that exist.
    pub twin: &'a Twin,
    /// Views to resolve deletes on: current ones and ones that readers held for a while.
    pub views: &'a [&'a ShardView],
    /// Growing segments that are due.
    pub seal_due: &'a [(ShardId, SegmentId)],
}

impl Workload {
    /// A workload of its own sequence.
    pub fn new(rng: Rng) -> Workload {
        Workload {
            own: rng.fork(1),
            rng,
            clock_ms: 1_700_000_000_000,
            next_version: 1,
            next_collection: 1,
            next_sequence: 1,
            next_partition: PARTITIONS + 1,
            remembered: Vec::new(),
            dropped: Vec::new(),
        }
    }

    /// The next entry somebody proposes.
    pub fn next(&mut self, plan: &Plan, sight: &Sight<'_>) -> ShardEntry {
        if let Some((shard, command)) = self.ask(plan, sight) {
            return ShardEntry { shard, suggested: Timestamp::from_millis(self.clock_ms), command };
        }
        let (shard, command) = self.draw(plan, sight);
        if matches!(command, ShardCommand::Drop) {
            self.dropped.push(shard);
        }
        if request(&command).is_some() {
            if self.remembered.len() == REMEMBERED_MAX {
                self.remembered.remove(0);
            }
            self.remembered.push((shard, command.clone()));
        }
        ShardEntry { shard, suggested: self.now(), command }
    }

    /// Clocks go forward, jump and go back.
    fn now(&mut self) -> Timestamp {
        match self.rng.below(20) {
            0 => self.clock_ms += self.rng.below(3_600_000),
            1 => self.clock_ms -= self.rng.below(600_000),
            _ => self.clock_ms += self.rng.below(3),
        }
        Timestamp::from_millis(self.clock_ms)
    }

    fn draw(&mut self, plan: &Plan, sight: &Sight<'_>) -> (ShardId, ShardCommand) {
        let shards: Vec<ShardId> = sight.twin.shards.keys().copied().collect();
        let Some(&shard) = self.rng.pick(&shards) else { return self.create() };
        let command = match self.rng.below(100) {
            0..2 if shards.len() == plan.shards_max => ShardCommand::Drop,
            0..4 if shards.len() < plan.shards_max => return self.create(),
            // A repeated Create changes nothing; after its Drop it would use the id again, against I11.
            0..4 if !self.dropped.contains(&shard) => {
                ShardCommand::Create { schema: sight.twin.shards[&shard].schema.clone() }
            }
            4..7 => ShardCommand::DropPartition { partition: self.partition(shard, sight) },
            7..17 => match self.rng.pick(&self.remembered) {
                Some(retry) => return retry.clone(),
                None => self.insert(plan, shard, sight),
            },
            17..29 => self.delete_keys(plan, shard, sight),
            29..41 => match self.delete_versions(sight) {
                Some(resolved) => return resolved,
                None => self.insert(plan, shard, sight),
            },
            41..45 => match self.rng.pick(sight.seal_due) {
                Some((shard, segment)) => return (*shard, ShardCommand::Seal { segment: *segment }),
                None => ShardCommand::Seal { segment: SegmentId(self.rng.below(9)) },
            },
            45..47 => match self.rng.pick(&self.dropped).filter(|gone| !shards.contains(gone)) {
                // I11: a write that comes after the drop of its shard. Its schema is of no matter any more.
                Some(gone) => return (*gone, self.insert(plan, shard, sight)),
                None => self.insert(plan, shard, sight),
            },
            47..55 => self.index_ready(shard, sight),
            55..57 => ShardCommand::IndexDropped { index: self.index() },
            57..60 => self.pin_read(sight),
            60..65 => self.compact(shard, sight),
            _ => self.insert(plan, shard, sight),
        };
        (shard, command)
    }

    /// At the proposer's time, which may have passed, or just behind the last entry.
    fn pin_read(&mut self, sight: &Sight<'_>) -> ShardCommand {
        let timestamp = match self.rng.chance(50) {
            true => self.now(),
            false => sight.twin.last_timestamp.next(),
        };
        ShardCommand::PinRead { timestamp, newest_partition: PartitionId(self.next_partition) }
    }

    fn create(&mut self) -> (ShardId, ShardCommand) {
        let shard =
            ShardId { collection: CollectionId(self.next_collection), index: self.rng.below(3) as u32 };
        self.next_collection += 1;
        let rules = [PkConflict::Replace, PkConflict::Reject, PkConflict::Allow];
        let rule = self.rng.pick(&rules).copied().unwrap_or_default();
        (shard, ShardCommand::Create { schema: rows::schema(self.rng.chance(40), rule) })
    }

    fn request(&mut self) -> RequestId {
        self.next_sequence += 1;
        RequestId {
            client: ClientId(1 + u128::from(self.rng.below(3))),
            sequence: self.next_sequence,
            part: self.rng.below(3) as u32,
        }
    }

    /// A partition of the shard; now and then one that is dropped, or new.
    fn partition(&mut self, shard: ShardId, sight: &Sight<'_>) -> PartitionId {
        let closed = &sight.twin.shards[&shard].closed_partitions;
        let open: Vec<PartitionId> = (1..self.next_partition)
            .map(PartitionId)
            .filter(|partition| !closed.contains(partition))
            .collect();
        if open.len() < PARTITIONS as usize && self.rng.chance(50) {
            self.next_partition += 1;
            return PartitionId(self.next_partition - 1);
        }
        if self.rng.chance(4) {
            return PartitionId(self.rng.between(1, self.next_partition));
        }
        self.rng.pick(&open).copied().unwrap_or(PartitionId(self.next_partition))
    }

    fn key(&mut self, plan: &Plan, shard: ShardId, sight: &Sight<'_>) -> PrimaryKey {
        let schema = &sight.twin.shards[&shard].schema;
        let has_text_keys = !matches!(schema.fields[0].data_type, DataType::Int64);
        rows::key(has_text_keys, self.rng.below(plan.keys))
    }

    fn insert(&mut self, plan: &Plan, shard: ShardId, sight: &Sight<'_>) -> ShardCommand {
        let count = self.rng.between(1, plan.rows_max);
        let mut rows: Vec<Row> = Vec::new();
        for _ in 0..count {
            let key = self.key(plan, shard, sight);
            // Mostly different keys, so that inserts into a collection that rejects duplicates can succeed.
            if rows.iter().any(|row| row.key == key) && self.rng.chance(85) {
                continue;
            }
            rows.push(Row { key, version: self.next_version });
            self.next_version += 1;
        }
        let schema = &sight.twin.shards[&shard].schema;
        ShardCommand::Insert {
            batch: rows::encode(schema, &rows),
            schema_version: if self.rng.chance(2) { schema.version + 1 } else { schema.version },
            partition: self.partition(shard, sight),
            is_upsert: self.rng.chance(45),
            request: self.request(),
        }
    }

    /// A builder that is done: mostly of a sealed segment, often late, twice or beaten by another one (I13).
    fn index_ready(&mut self, shard: ShardId, sight: &Sight<'_>) -> ShardCommand {
        let twin = &sight.twin.shards[&shard];
        let builds: Vec<_> = twin.builds.iter().collect();
        if let Some(((segment, _), build)) = self.rng.pick(&builds).filter(|_| self.rng.chance(15)) {
            return ShardCommand::IndexReady { segment: *segment, build: **build };
        }
        let sealed: Vec<SegmentId> = twin.sealed.keys().copied().collect();
        let segment = self.rng.pick(&sealed).copied().filter(|_| self.rng.chance(90));
        let segment = segment.unwrap_or_else(|| SegmentId(self.rng.below(9)));
        let build = IndexBuild {
            index: self.index(),
            field: FieldId(101),
            version: self.rng.between(1, 3) as u32,
            build: BuildId(u128::from(self.rng.next())),
            // Builders of one segment often come to the same bytes.
            checksum: self.rng.below(3),
            file_bytes: self.rng.below(1 << 20),
            over: segment.0,
        };
        ShardCommand::IndexReady { segment, build }
    }

    /// A leader's compaction: mostly of neighbours, with the newest entry that it saw as floor, or an older one.
    fn compact(&mut self, shard: ShardId, sight: &Sight<'_>) -> ShardCommand {
        let twin = &sight.twin.shards[&shard];
        let partitions: Vec<PartitionId> = twin.sealed.values().copied().collect();
        let sealed = self.rng.pick(&partitions).map_or(&[][..], |partition| twin.neighbours(*partition));
        let from = self.rng.below(sealed.len().max(1) as u64) as usize;
        let count = self.rng.between(1, 4) as usize;
        let mut inputs: Vec<SegmentId> = sealed.iter().skip(from).take(count).copied().collect();
        if self.rng.chance(10) {
            inputs.reverse();
        }
        if self.rng.chance(5) {
            let any = SegmentId(self.rng.below(9));
            inputs.extend((!twin.is_uncounted(any)).then_some(any));
        }
        let highest = twin.floor_max();
        let floor = if self.rng.chance(70) { highest } else { LogPosition(self.rng.below(highest.0 + 1)) };
        let rows = twin.kept(&inputs, floor);
        ShardCommand::Compact { inputs, floor, rows, bytes: 100 }
    }

    /// Somebody asks for a compaction, or a leader finds one done, perhaps another than the last.
    fn ask(&mut self, plan: &Plan, sight: &Sight<'_>) -> Option<(ShardId, ShardCommand)> {
        if !self.own.chance(plan.asks) {
            return None;
        }
        let shards: Vec<ShardId> = sight.twin.shards.keys().copied().collect();
        let shard = *self.own.pick(&shards)?;
        let asked = sight.twin.shards[&shard].asked;
        let command = match asked.filter(|_| self.own.chance(50)) {
            Some(asked) if self.own.chance(80) => ShardCommand::CompactionDone { asked: asked.at },
            Some(asked) => {
                ShardCommand::CompactionDone { asked: LogPosition(self.own.below(asked.at.0 + 2)) }
            }
            None => ShardCommand::AskCompaction { bytes_max: self.own.below(3) },
        };
        Some((shard, command))
    }

    fn index(&mut self) -> IndexId {
        IndexId(self.rng.between(1, 3))
    }

    fn delete_keys(&mut self, plan: &Plan, shard: ShardId, sight: &Sight<'_>) -> ShardCommand {
        let keys = (0..self.rng.between(1, 4)).map(|_| self.key(plan, shard, sight)).collect();
        let partition = self.rng.chance(30).then(|| self.partition(shard, sight));
        ShardCommand::DeleteKeys { request: self.request(), partition, keys }
    }

    /// A delete by filter as the leader resolves it, on a view that may be old by the time it is applied.
    fn delete_versions(&mut self, sight: &Sight<'_>) -> Option<(ShardId, ShardCommand)> {
        let view = *self.rng.pick(sight.views)?;
        let mut found = exec::keys(view, None, None, Cancel::never()).ok()?;
        let percent = self.rng.between(5, 50);
        found.retain(|_| self.rng.chance(percent));
        (!found.is_empty())
            .then(|| (view.shard, ShardCommand::DeleteVersions { request: self.request(), rows: found }))
    }
}
