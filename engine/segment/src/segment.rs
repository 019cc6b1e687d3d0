//! A segment in either phase of its life, with one face for readers.

use crate::{Block, Deletes, GrowingSegment, InterimGraphs, ScalarIndexes, SealedSegment};
use std::sync::Arc;
use vecraft_index::VectorIndex;
use vecraft_types::{Bitmap, FieldId, LogPosition, PartitionId, SegmentId};

/// `Growing -> Sealed`; both show the same rows under the same numbers. Clones share the rows.
#[derive(Clone, Debug)]
pub enum Segment {
    /// In memory, takes rows.
    Growing(Arc<GrowingSegment>),
    /// In files, takes deletes only.
    Sealed(Arc<SealedSegment>),
}

impl Segment {
    /// The segment's id.
    pub fn id(&self) -> SegmentId {
        match self {
            Segment::Growing(segment) => segment.id(),
            Segment::Sealed(segment) => segment.id(),
        }
    }

    /// The partition all its rows belong to.
    pub fn partition(&self) -> PartitionId {
        match self {
            Segment::Growing(segment) => segment.partition(),
            Segment::Sealed(segment) => segment.partition(),
        }
    }

    /// Rows right now, deleted ones included. A view has its own number.
    pub fn rows(&self) -> u32 {
        match self {
            Segment::Growing(segment) => segment.rows(),
            Segment::Sealed(segment) => segment.rows(),
        }
    }

    /// True when files hold its rows.
    pub fn is_sealed(&self) -> bool {
        matches!(self, Segment::Sealed(_))
    }

    /// Which rows are deleted since when.
    pub fn deletes(&self) -> &Arc<Deletes> {
        match self {
            Segment::Growing(segment) => segment.deletes(),
            Segment::Sealed(segment) => segment.deletes(),
        }
    }

    /// Marks a row as deleted by the entry at `position`; false when it already was ([`Deletes::delete`]).
    pub fn delete(&self, row: u32, position: LogPosition) -> bool {
        self.deletes().delete(row, position)
    }

    /// The first `rows` rows in row order, to be read in place.
    pub fn blocks(&self, rows: u32) -> Vec<Block> {
        match self {
            Segment::Growing(segment) => segment.blocks(rows),
            Segment::Sealed(segment) => segment.blocks(rows),
        }
    }

    /// Of the first `rows` rows those that are not deleted at `position`. The caller's `rows` are those inserted
    /// up to that position ([`SegmentView::rows`](crate::SegmentView)).
    pub fn visible_bitmap(&self, rows: u32, position: LogPosition) -> Bitmap {
        self.deletes().live(0, rows, position).unwrap_or_else(|| Bitmap::new(rows as usize, true))
    }

    /// The index in use on a field.
    pub fn index(&self, field: FieldId) -> Option<Arc<dyn VectorIndex>> {
        match self {
            Segment::Growing(_) => None,
            Segment::Sealed(segment) => segment.index(field),
        }
    }

    /// The graphs that serve meanwhile.
    pub fn interim(&self) -> &Arc<InterimGraphs> {
        match self {
            Segment::Growing(segment) => segment.interim(),
            Segment::Sealed(segment) => segment.interim(),
        }
    }

    /// The indexes over scalar fields; a growing segment has none.
    pub fn scalars(&self) -> Option<Arc<ScalarIndexes>> {
        match self {
            Segment::Growing(_) => None,
            Segment::Sealed(segment) => Some(segment.scalars()),
        }
    }

    /// Bytes of memory, for the memory governor: rows of growing segments, deletes, indexes; not mapped files.
    pub fn bytes(&self) -> u64 {
        match self {
            Segment::Growing(segment) => segment.bytes(),
            Segment::Sealed(segment) => segment.bytes(),
        }
    }
}
