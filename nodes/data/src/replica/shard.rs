//! One shard as a replica holds it: its keys, its segments and the files behind them.

use super::Compacting;
use crate::error::{Error, Result};
use crate::key_index::MemoryKeyIndex;
use std::collections::BTreeMap;
use std::sync::Arc;
use vecraft_segment::{GrowingOptions, GrowingSegment, SealedSegment, Segment, SegmentManifest, ShardView};
use vecraft_types::{
    CollectionSchema, LogPosition, PartitionId, RowBatch, RowRef, SegmentId, ShardId, Timestamp,
};

/// One shard's rows on this node.
pub struct ShardReplica {
    pub schema: Arc<CollectionSchema>,
    pub keys: MemoryKeyIndex,
    pub segments: BTreeMap<SegmentId, Held>,
    /// Outputs of compactions that readers do not see yet, instead of whose inputs.
    pub compacting: BTreeMap<SegmentId, Compacting>,
    /// Position of the shard's newest checkpoint (I3).
    pub checkpointed: LogPosition,
}

/// A segment and the file that holds it, if one does.
pub struct Held {
    pub segment: Segment,
    /// File named by the newest checkpoint: column file of a sealed segment or tail of a growing one.
    pub file: Option<SegmentManifest>,
}

impl ShardReplica {
    pub fn new(schema: CollectionSchema) -> ShardReplica {
        ShardReplica {
            schema: Arc::new(schema),
            keys: MemoryKeyIndex::default(),
            segments: BTreeMap::new(),
            compacting: BTreeMap::new(),
            checkpointed: LogPosition(0),
        }
    }

    pub fn growing(
        &mut self,
        id: SegmentId,
        partition: PartitionId,
        options: GrowingOptions,
    ) -> Result<Arc<GrowingSegment>> {
        let schema = &self.schema;
        let held = self.segments.entry(id).or_insert_with(|| {
            let segment = GrowingSegment::with_options(id, partition, schema.clone(), options);
            Held { segment: Segment::Growing(Arc::new(segment)), file: None }
        });
        match &held.segment {
            Segment::Growing(growing) => Ok(growing.clone()),
            Segment::Sealed(_) => Err(Error::Broken(format!("rows for segment {id}, which is sealed"))),
        }
    }

    pub fn delete(&mut self, rows: &[RowRef], position: LogPosition) -> Result<()> {
        for row in rows {
            match (self.segments.get(&row.segment), self.compacting.get(&row.segment)) {
                (Some(held), _) => held.segment.delete(row.row, position),
                (None, Some(output)) => output.compaction.delete(row.row, position),
                (None, None) => return Err(Error::Broken(format!("delete in unknown {}", row.segment))),
            };
        }
        Ok(())
    }

    /// The shard's rows as of `position`.
    pub fn view(&self, id: ShardId, position: LogPosition, timestamp: Timestamp) -> ShardView {
        let segments = self.segments.values().map(|held| held.segment.clone());
        let view = ShardView::of(id, position, timestamp, self.schema.clone(), segments);
        self.compacting.values().fold(view, |view, output| {
            view.with(&output.compaction, output.file.as_ref().map(|(_, sealed)| sealed.clone()))
        })
    }

    /// Puts a durable file in the place of a sealed segment's memory. Deletes are shared by both.
    pub fn swap_in(&mut self, id: SegmentId, sealed: Arc<SealedSegment>) {
        if let Some(held) = self.segments.get_mut(&id) {
            held.segment = Segment::Sealed(sealed);
        }
    }
}

/// Appends a batch where the log says it goes.
pub fn append(
    growing: &GrowingSegment,
    first_row: u32,
    batch: &RowBatch,
    position: LogPosition,
    timestamp: Timestamp,
) -> Result<()> {
    let got = growing.append(batch, position, timestamp)?;
    if got != first_row {
        let what = format!("segment {} appended at row {got}, the log says {first_row}", growing.id());
        return Err(Error::Broken(what));
    }
    Ok(())
}
