//! All shards of a group, and the dispatch of an entry.

use super::{Applied, Effect, Refusal, SegmentPhase, ShardCommand, ShardEntry, ShardReply, ShardState};
use crate::answers::Seen;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use vecraft_types::{KeyIndex, LogPosition, PartitionId, RequestId, SegmentId, ShardId, Timestamp};

/// The replicated state of a pool group.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct GroupState {
    /// The largest timestamp given (I9).
    pub last_timestamp: Timestamp,
    /// The shards.
    pub shards: BTreeMap<ShardId, ShardState>,
}

/// The result of one entry.
#[derive(Debug, PartialEq)]
pub struct Outcome {
    /// The proposer's answer.
    pub reply: ShardReply,
    /// What the data role must do, in order.
    pub effects: Vec<Effect>,
}

impl Outcome {
    pub(super) fn refused(refusal: Refusal) -> Outcome {
        Outcome { reply: Err(refusal), effects: Vec::new() }
    }
}

impl GroupState {
    /// Applies one entry. `keys` is the primary-key index of the entry's shard; a shard that does not exist has
    /// an empty one.
    pub fn apply(&mut self, position: LogPosition, entry: ShardEntry, keys: &mut dyn KeyIndex) -> Outcome {
        // I9: larger than everything before, whatever the proposer's clock said.
        let suggested = match entry.command {
            // I18: what comes behind a moment has later timestamps.
            ShardCommand::PinRead { timestamp, .. } => entry.suggested.max(timestamp),
            _ => entry.suggested,
        };
        let timestamp = suggested.max(self.last_timestamp.next());
        self.last_timestamp = timestamp;
        let applied = Applied { timestamp, position, ..Applied::default() };
        match entry.command {
            ShardCommand::Create { schema } => self.create(entry.shard, schema, applied),
            ShardCommand::Drop => self.drop_shard(entry.shard, applied),
            command => match self.shards.get_mut(&entry.shard) {
                None => Outcome::refused(Refusal::UnknownShard),
                Some(shard) => {
                    shard.last_position = position;
                    let outcome = shard.apply(command, applied, keys);
                    shard.read_pins.pass(timestamp);
                    outcome
                }
            },
        }
    }

    fn create(&mut self, id: ShardId, schema: vecraft_types::CollectionSchema, applied: Applied) -> Outcome {
        if let Some(there) = self.shards.get(&id) {
            // Made before: the same again. Of another collection under the same id nothing may ever be shown.
            let is_same = there.schema == schema || there.schema.version > schema.version;
            let reply = if is_same {
                Ok(applied)
            } else {
                Err(Refusal::Malformed(format!("shard {id} has another schema")))
            };
            return Outcome { reply, effects: Vec::new() };
        }
        self.shards.insert(id, ShardState::new(id, schema.clone(), applied.position));
        Outcome { reply: Ok(applied), effects: vec![Effect::ShardCreated { shard: id, schema }] }
    }

    fn drop_shard(&mut self, id: ShardId, applied: Applied) -> Outcome {
        let effects = match self.shards.remove(&id) {
            Some(_) => vec![Effect::ShardDropped { shard: id }],
            None => Vec::new(),
        };
        Outcome { reply: Ok(applied), effects }
    }
}

impl ShardState {
    fn apply(&mut self, command: ShardCommand, applied: Applied, keys: &mut dyn KeyIndex) -> Outcome {
        match command {
            ShardCommand::Insert { request, schema_version, partition, batch, is_upsert } => self
                .once(request, |shard| {
                    shard.insert(schema_version, partition, &batch, is_upsert, applied, keys)
                }),
            ShardCommand::DeleteKeys { request, partition, keys: wanted } => {
                self.once(request, |shard| shard.delete_keys(partition, &wanted, applied, keys))
            }
            ShardCommand::DeleteVersions { request, rows } => {
                self.once(request, |shard| shard.delete_versions(&rows, applied, keys))
            }
            ShardCommand::DropPartition { partition } => self.drop_partition(partition, applied, keys),
            ShardCommand::Seal { segment } => self.seal(segment, applied),
            ShardCommand::IndexReady { segment, build } => self.index_ready(segment, build, applied),
            ShardCommand::IndexDropped { index } => self.index_dropped(index, applied),
            ShardCommand::Compact { inputs, floor, rows, bytes } => {
                self.compact(inputs, floor, rows, bytes, applied)
            }
            ShardCommand::PinRead { timestamp, newest_partition } => {
                self.pin_read(timestamp, newest_partition, applied)
            }
            ShardCommand::AskCompaction { bytes_max } => self.ask_compaction(bytes_max, applied),
            ShardCommand::CompactionDone { asked } => self.compaction_done(asked, applied),
            // Dispatched by GroupState::apply.
            ShardCommand::Create { .. } | ShardCommand::Drop => {
                Outcome { reply: Ok(applied), effects: Vec::new() }
            }
        }
    }

    /// Runs a write unless it was answered before (I10).
    fn once(&mut self, request: RequestId, write: impl FnOnce(&mut ShardState) -> Outcome) -> Outcome {
        match self.dedup.look_up(&request) {
            Seen::Answered(reply) => Outcome { reply, effects: Vec::new() },
            Seen::BelowFloor => Outcome::refused(Refusal::OutcomeUnknown),
            Seen::New => {
                let outcome = write(self);
                // A refusal that another schema or route would cure must not stick to the request.
                if !matches!(outcome.reply, Err(Refusal::SchemaMismatch { .. } | Refusal::Malformed(_))) {
                    self.dedup.record(request, outcome.reply.clone());
                }
                outcome
            }
        }
    }

    pub(super) fn seal(&mut self, id: SegmentId, applied: Applied) -> Outcome {
        let mut effects = Vec::new();
        if let Some(segment) = self.segments.get_mut(&id)
            && segment.phase.is_growing()
        {
            segment.phase = SegmentPhase::Sealed(applied.position);
            effects.push(Effect::Sealed { shard: self.id, segment: id });
        }
        Outcome { reply: Ok(applied), effects }
    }

    fn drop_partition(
        &mut self,
        partition: PartitionId,
        applied: Applied,
        keys: &mut dyn KeyIndex,
    ) -> Outcome {
        self.dropped_partitions.insert(partition);
        let segments: Vec<SegmentId> = self
            .segments
            .iter()
            .filter(|(_, segment)| segment.partition == partition)
            .map(|(id, _)| *id)
            .collect();
        if segments.is_empty() {
            return Outcome { reply: Ok(applied), effects: Vec::new() };
        }
        self.read_pins.drop_partition(partition, applied.position);
        let before = keys.len();
        keys.retain(&mut |row| segments.binary_search(&row.segment).is_err());
        for id in &segments {
            self.segments.remove(id);
        }
        let deleted = (before - keys.len()) as u64;
        let effects = vec![Effect::SegmentsDropped { shard: self.id, segments }];
        Outcome { reply: Ok(Applied { deleted, ..applied }), effects }
    }
}
