//! Which rows of a view count for a read: visible, in a wanted partition, accepted by the filter.

use super::{Cancel, filter};
use crate::deletes::Live;
use crate::{Block, Result, SegmentView, ShardView};
use std::ops::Range;
use vecraft_expr::Filter;
use vecraft_types::{Bitmap, PartitionId};

/// A block and its matching rows.
pub(super) struct Matches {
    pub(super) block: Block,
    /// `None` when all rows of the block match.
    some: Option<Live>,
}

impl Matches {
    /// Some rows of a block; `None`: all of them.
    pub(super) fn new(block: Block, bits: Option<Bitmap>) -> Matches {
        Matches::among(block, bits.map(Live::new))
    }

    fn among(block: Block, some: Option<Live>) -> Matches {
        let some = some.filter(|some| some.count < block.rows());
        Matches { block, some }
    }

    pub(super) fn count(&self) -> usize {
        self.some.as_ref().map_or(self.block.rows(), |some| some.count)
    }

    /// The matching rows, numbered within the block; `None` when all of them match.
    pub(super) fn bits(&self) -> Option<&Bitmap> {
        self.some.as_ref().map(|some| &*some.bits)
    }

    /// The matching rows, numbered within the block, ascending.
    pub(super) fn rows(&self) -> impl Iterator<Item = usize> + '_ {
        self.rows_within(0..self.block.rows())
    }

    /// Those of some rows of the block; these begin at a multiple of 64.
    pub(super) fn rows_within(&self, range: Range<usize>) -> impl Iterator<Item = usize> + '_ {
        let all = if self.some.is_none() { range.clone() } else { 0..0 };
        let words = self.bits().map_or(&[][..], |bits| {
            let words = bits.words();
            &words[(range.start / 64).min(words.len())..range.end.div_ceil(64).min(words.len())]
        });
        let ones = words.iter().enumerate().flat_map(move |(at, word)| ones(range.start + at * 64, *word));
        all.chain(ones.take_while(move |row| *row < range.end))
    }
}

/// The set bits of a word, the first of which is row `first`.
fn ones(first: usize, mut word: u64) -> impl Iterator<Item = usize> {
    std::iter::from_fn(move || {
        let at = (word != 0).then(|| first + word.trailing_zeros() as usize)?;
        word &= word - 1;
        Some(at)
    })
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
    let scalars = shown.segment.scalars();
    for block in shown.segment.blocks(shown.rows) {
        cancel.check()?;
        let (deletes, rows) = (shown.segment.deletes(), block.rows() as u32);
        // The one block of a sealed segment stays what it is; those of a growing one get more rows.
        let mut some = match shown.segment.is_sealed() {
            true => deletes.live_rows(rows, view.position),
            false => deletes.live(block.first_row(), rows, view.position).map(Live::new),
        };
        if let Some(filter) = filter.filter(|filter| !filter.matches_all()) {
            let live = some.as_ref().map(|live| &*live.bits);
            some = Some(Live::new(filter::evaluate(filter, &view.schema, &block, scalars.as_deref(), live)?));
        }
        let matches = Matches::among(block, some);
        if matches.count() > 0 {
            found.push(matches);
        }
    }
    Ok(found)
}
