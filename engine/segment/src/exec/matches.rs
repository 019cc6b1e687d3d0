//! Which rows of a view count for a read: visible, in a wanted partition, accepted by the filter.

use super::{Cancel, filter};
use crate::{Block, Result, SegmentView, ShardView};
use vecraft_expr::Filter;
use vecraft_types::{Bitmap, PartitionId};

/// A block and its matching rows.
pub(super) struct Matches {
    pub(super) block: Block,
    /// `None` when all rows of the block match.
    pub(super) bits: Option<Bitmap>,
}

impl Matches {
    pub(super) fn count(&self) -> usize {
        self.bits.as_ref().map_or(self.block.rows(), Bitmap::count_ones)
    }

    /// The matching rows, numbered within the block, ascending.
    pub(super) fn rows(&self) -> impl Iterator<Item = usize> + '_ {
        let all = if self.bits.is_none() { self.block.rows() } else { 0 };
        (0..all).chain(self.bits.iter().flat_map(Bitmap::iter_ones))
    }
}

/// The segments of the wanted partitions; `None` means all.
pub(super) fn segments<'v>(
    view: &'v ShardView,
    partitions: Option<&'v [PartitionId]>,
) -> impl Iterator<Item = &'v SegmentView> {
    let is_wanted = move |id: PartitionId| partitions.is_none_or(|wanted| wanted.contains(&id));
    view.segments.iter().filter(move |shown| shown.rows > 0 && is_wanted(shown.segment.partition()))
}

/// The blocks of a segment that hold a match.
pub(super) fn matches(
    view: &ShardView,
    shown: &SegmentView,
    filter: Option<&Filter>,
    cancel: Cancel<'_>,
) -> Result<Vec<Matches>> {
    let mut found = Vec::new();
    for block in shown.segment.blocks(shown.rows) {
        cancel.check()?;
        let mut bits = shown.segment.deletes().live(block.first_row(), block.rows() as u32, view.position);
        if let Some(filter) = filter.filter(|filter| !filter.matches_all()) {
            bits = Some(filter::evaluate(filter, &view.schema, &block, bits.as_ref())?);
        }
        let matches = Matches { block, bits: bits.filter(|bits| !bits.all()) };
        if matches.count() > 0 {
            found.push(matches);
        }
    }
    Ok(found)
}
