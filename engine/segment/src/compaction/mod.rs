//! One segment out of several: the rows that live, in their order, without those that are gone for every reader.
//!
//! ```text
//! inputs, in log order       segment 3: a b C d      segment 4: E f          (capitals: deleted at or before the floor)
//! rows that go on                       0 1   2                 3
//! output                     segment 7: a b d f
//! ```
//! Which rows go on depends on the delete lists up to the *floor* only, so every replica finds the same (I22) whenever it
//! looks. Rows that were deleted later go on with their deletes: readers of positions at or above the floor miss
//! nothing (I18). Rows stay in log order, because inputs follow each other in the log.
//!
//! A compaction that the log decided holds for writes at once (row numbers are those of the output), for readers when
//! the output's file is durable; until then they see the inputs (I13). So a delete goes to both sides.

mod rows;
mod write;

pub use rows::Kept;

use crate::{Deletes, Segment};
use std::sync::Arc;
use vecraft_types::{CollectionSchema, LogPosition, PartitionId, SegmentId};

/// What one output is made of.
#[derive(Debug)]
pub struct Compaction {
    id: SegmentId,
    partition: PartitionId,
    schema: Arc<CollectionSchema>,
    parts: Vec<Part>,
    rows: u32,
    deletes: Arc<Deletes>,
}

/// One input, and which of its rows go on.
#[derive(Clone, Debug)]
pub struct Part {
    segment: Segment,
    kept: Kept,
    /// The output's number of the first row that goes on.
    first: u32,
}

impl Part {
    /// The input.
    pub fn segment(&self) -> &Segment {
        &self.segment
    }
}

/// What a compaction takes in.
#[derive(Clone, Debug)]
pub enum Input {
    /// A segment as it is.
    Segment(Segment),
    /// The output of another compaction that is not durable here yet: its own inputs are taken.
    Compaction(Arc<Compaction>),
}

impl Input {
    /// Of the input's rows those that no entry up to `floor` deleted.
    pub fn kept(&self, floor: LogPosition) -> Kept {
        match self {
            Input::Segment(segment) => Kept::of(segment.deletes(), segment.rows(), floor),
            Input::Compaction(inner) => Kept::of(&inner.deletes, inner.rows, floor),
        }
    }
}

impl Compaction {
    /// Makes `id` of the rows of `inputs`, which follow each other in the log, without those that an entry up to
    /// `floor` deleted. Memory only: four bytes a row.
    pub fn new(
        id: SegmentId,
        partition: PartitionId,
        schema: Arc<CollectionSchema>,
        inputs: &[Input],
        floor: LogPosition,
    ) -> Compaction {
        let (mut parts, deletes, mut first) = (Vec::new(), Arc::new(Deletes::new()), 0);
        for input in inputs {
            let kept = input.kept(floor);
            let old = match input {
                Input::Segment(segment) => segment.deletes(),
                Input::Compaction(inner) => &inner.deletes,
            };
            for (number, row) in (first..).zip(kept.rows()) {
                if let Some(position) = old.deleted_at(*row) {
                    deletes.delete(number, position);
                }
            }
            match input {
                Input::Segment(segment) => {
                    parts.push(Part { segment: segment.clone(), kept: kept.clone(), first })
                }
                Input::Compaction(inner) => parts.extend(inner.parts_of(&kept, first)),
            }
            first += kept.len();
        }
        Compaction { id, partition, schema, parts, rows: first, deletes }
    }

    /// This one's parts, of which only `kept` rows of the output go on, numbered from `first`.
    fn parts_of(&self, kept: &Kept, mut first: u32) -> Vec<Part> {
        let mut parts = Vec::with_capacity(self.parts.len());
        for part in &self.parts {
            let left = part.kept.only(kept, part.first);
            let count = left.len();
            parts.push(Part { segment: part.segment.clone(), kept: left, first });
            first += count;
        }
        parts
    }

    /// The output's id.
    pub fn id(&self) -> SegmentId {
        self.id
    }

    /// The partition of all its rows.
    pub fn partition(&self) -> PartitionId {
        self.partition
    }

    /// Rows of the output, those deleted since the floor included.
    pub fn rows(&self) -> u32 {
        self.rows
    }

    /// Which rows of the output are deleted since when. The output's segment is opened with it.
    pub fn deletes(&self) -> &Arc<Deletes> {
        &self.deletes
    }

    /// The inputs, which readers see until the output is served.
    pub fn parts(&self) -> &[Part] {
        &self.parts
    }

    /// Marks a row of the output, and of the input that readers still see, as deleted by the entry at `position`.
    /// False when it already was, or does not exist.
    pub fn delete(&self, row: u32, position: LogPosition) -> bool {
        let at = self.parts.partition_point(|part| part.first + part.kept.len() <= row);
        let Some(part) = self.parts.get(at) else { return false };
        if let Some(row) = part.kept.rows().get((row - part.first) as usize) {
            part.segment.delete(*row, position);
        }
        self.deletes.delete(row, position)
    }

    /// The output's number of a row of an input; `None` when the row does not go on.
    pub fn place(&self, part: usize, row: u32) -> Option<u32> {
        let part = self.parts.get(part)?;
        part.kept.place(row).map(|at| part.first + at)
    }

    /// Bytes of memory beside the inputs.
    pub fn bytes(&self) -> u64 {
        self.deletes.bytes() + 4 * u64::from(self.rows)
    }
}

#[cfg(test)]
mod tests;
