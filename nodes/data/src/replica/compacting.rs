//! Outputs of compactions that the log decided and readers do not see yet (I13).
//!
//! ```text
//! entry ──> writes know the output ── checkpoint: its file ── its indexes, if its inputs have some ──> readers see it
//!           readers see the inputs ─────────────────────────────────────────────────────────────────>│ the inputs go
//! ```
//! A restart in between finds either the inputs and the entry to be applied again, or the output's file.

use super::{GroupReplica, Held, ShardReplica};
use crate::checkpoint::paths;
use crate::error::{Error, Result};
use std::collections::BTreeMap;
use std::sync::Arc;
use vecraft_segment::{Compaction, Input, SealedSegment, Segment, SegmentManifest};
use vecraft_types::{LogPosition, PartitionId, RowRef, SegmentId, ShardId};

/// One such output.
pub struct Compacting {
    pub compaction: Arc<Compaction>,
    /// The output's file, once a checkpoint names it, and the segment over it.
    pub file: Option<(SegmentManifest, Arc<SealedSegment>)>,
}

impl Compacting {
    /// Its file, if a checkpoint names it.
    pub fn manifest(&self) -> Option<&SegmentManifest> {
        self.file.as_ref().map(|(manifest, _)| manifest)
    }

    /// Whether readers lose nothing by the change that could be had: the file is here, and no vector field that has an index in one of
    /// the inputs would be without, unless the index role gave it up: a segment so small gets none, or memory has no room for it.
    fn is_ready(&self) -> bool {
        let Some((_, output)) = &self.file else { return false };
        output.schema().vector_fields().all(|field| {
            let is_used = |part: &vecraft_segment::Part| part.segment().index(field.id).is_some();
            output.is_index_settled(field.id) || !self.compaction.parts().iter().any(is_used)
        })
    }
}

/// What an entry says of a compaction.
pub struct Decided {
    pub inputs: Vec<SegmentId>,
    pub output: SegmentId,
    pub partition: PartitionId,
    pub floor: LogPosition,
    pub rows: u32,
}

impl ShardReplica {
    /// Takes the inputs' rows over into the output, for writes; returns the files that the next checkpoint does not name.
    ///
    /// # Errors
    /// [`Error::Broken`]: the inputs are not here, or have another number of rows than the log says (I22).
    pub fn compact(&mut self, decided: Decided) -> Result<Vec<String>> {
        let mut files = Vec::new();
        let mut inputs = Vec::with_capacity(decided.inputs.len());
        for id in &decided.inputs {
            if let Some(held) = self.segments.remove(id) {
                inputs.push(Input::Segment(held.segment));
                files.extend(held.file);
            } else if let Some(unread) = self.compacting.remove(id) {
                inputs.push(Input::Compaction(unread.compaction));
                files.extend(unread.file.map(|(manifest, _)| manifest));
            } else {
                return Err(Error::Broken(format!("compaction of unknown segment {id}")));
            }
        }
        let Decided { output, partition, floor, rows, .. } = decided;
        // Which row of which input has which name: the live rows' keys are to say the new ones.
        let mut names = BTreeMap::new();
        let mut first = 0;
        for (id, input) in decided.inputs.iter().zip(&inputs) {
            let kept = input.kept(floor);
            let count = kept.len();
            names.insert(*id, (first, kept));
            first += count;
        }
        let compaction = Compaction::new(output, partition, self.schema.clone(), &inputs, floor);
        if compaction.rows() != rows {
            let what = format!("segment {output} has {} rows here, the log says {rows}", compaction.rows());
            return Err(Error::Broken(what));
        }
        self.keys.rename(&mut |row| {
            let (first, kept) = names.get(&row.segment)?;
            Some(RowRef { segment: output, row: first + kept.place(row.row)?, ..*row })
        });
        self.compacting.insert(output, Compacting { compaction: Arc::new(compaction), file: None });
        Ok(files.into_iter().flat_map(paths).collect())
    }

    /// Lets readers see the outputs that are ready; true when there was one.
    pub fn change_over(&mut self) -> bool {
        let ready: Vec<SegmentId> =
            self.compacting.iter().filter(|(_, one)| one.is_ready()).map(|(id, _)| *id).collect();
        for id in &ready {
            if let Some(Compacting { file: Some((manifest, sealed)), .. }) = self.compacting.remove(id) {
                self.segments.insert(*id, Held { segment: Segment::Sealed(sealed), file: Some(manifest) });
            }
        }
        !ready.is_empty()
    }
}

impl GroupReplica {
    pub(super) fn compacted(&mut self, shard: ShardId, decided: Decided) -> Result<()> {
        let files = self.shard(shard)?.compact(decided)?;
        self.vanished.extend(files);
        Ok(())
    }

    /// Lets readers see the outputs of compactions that are ready; true when something changed for them.
    pub(crate) fn change_over(&mut self) -> bool {
        let changed: Vec<ShardId> =
            self.shards.iter_mut().filter_map(|(id, shard)| shard.change_over().then_some(*id)).collect();
        changed.iter().for_each(|id| self.publish(*id, self.applied));
        !changed.is_empty()
    }

    /// The outputs that readers do not see yet, with their rows.
    pub(crate) fn under_way(&self) -> BTreeMap<(ShardId, SegmentId), u32> {
        let outputs = |(shard, held): (&ShardId, &ShardReplica)| {
            let shard = *shard;
            let rows = held.compacting.iter().map(|(output, one)| ((shard, *output), one.compaction.rows()));
            rows.collect::<Vec<_>>()
        };
        self.shards.iter().flat_map(outputs).collect()
    }

    /// Whether readers see a segment.
    pub(crate) fn reads(&self, (shard, segment): &(ShardId, SegmentId)) -> bool {
        self.shards.get(shard).is_some_and(|held| held.segments.contains_key(segment))
    }

    /// Whether outputs have their files and wait for indexes.
    pub(crate) fn is_changing_over(&self) -> bool {
        let mut all = self.shards.values().flat_map(|shard| shard.compacting.values());
        all.any(|one| one.file.is_some())
    }
}
