//! Matching rows in primary-key order, their number, and their keys.

use super::matches::{Matches, matches, segments};
use super::{Cancel, RowAddress};
use crate::{Block, ColumnValues, Error, Result, ShardView, Values};
use std::collections::BinaryHeap;
use std::sync::Arc;
use vecraft_expr::Filter;
use vecraft_types::{LogPosition, PartitionId, PrimaryKey, RowRef, SegmentId};

/// Which rows are wanted.
#[derive(Clone, Copy, Default)]
pub struct ScanPlan<'a> {
    /// Only these partitions; `None` means all.
    pub partitions: Option<&'a [PartitionId]>,
    /// Only rows for which it is true.
    pub filter: Option<&'a Filter>,
    /// Most rows returned; `None` means all.
    pub limit: Option<usize>,
    /// Matches left out, in primary-key order. Over several shards leave it 0, ask each for offset + limit rows
    /// and leave out after merging.
    pub offset: usize,
}

/// A row and its key.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct KeyedRow {
    /// The primary key.
    pub key: PrimaryKey,
    /// Where the row is.
    pub address: RowAddress,
}

/// The matching rows in order of (key, segment, row). With a limit, memory is for `offset + limit` keys only.
pub fn scan(view: &ShardView, plan: &ScanPlan<'_>, cancel: Cancel<'_>) -> Result<Vec<KeyedRow>> {
    let mut found: Vec<(SegmentId, Vec<Matches>)> = Vec::new();
    for shown in segments(view, plan.partitions) {
        found.push((shown.segment.id(), matches(view, shown, plan.filter, cancel)?));
    }
    let wanted = plan.limit.map(|limit| limit.saturating_add(plan.offset));
    let (mut ints, mut texts) = (Smallest::new(wanted), Smallest::new(wanted));
    for (segment, all) in &found {
        for matches in all {
            cancel.check()?;
            let address =
                |row: usize| RowAddress { segment: *segment, row: matches.block.first_row() + row as u32 };
            match key_column(view, matches)?.values {
                Values::Int64(keys) => matches.rows().for_each(|row| ints.push((keys[row], address(row)))),
                Values::VarChar(keys) => {
                    matches.rows().for_each(|row| texts.push((keys.get(row), address(row))))
                }
                _ => return Err(no_key(view)),
            }
        }
    }
    let ints = ints.into_sorted().into_iter().map(|(key, address)| (PrimaryKey::Int64(key), address));
    let texts =
        texts.into_sorted().into_iter().map(|(key, address)| (PrimaryKey::VarChar(Arc::from(key)), address));
    Ok(ints.chain(texts).skip(plan.offset).map(|(key, address)| KeyedRow { key, address }).collect())
}

/// The exact number of matching rows (P5).
pub fn count(
    view: &ShardView,
    partitions: Option<&[PartitionId]>,
    filter: Option<&Filter>,
    cancel: Cancel<'_>,
) -> Result<u64> {
    let mut total = 0;
    for shown in segments(view, partitions) {
        total +=
            matches(view, shown, filter, cancel)?.iter().map(|matches| matches.count() as u64).sum::<u64>();
    }
    Ok(total)
}

/// Calls `visit` with key, place and version of every matching row, in order of (segment, row): for deletes by
/// filter, which propose what they saw (I12), and for rebuilding the key index (I5). Places are those that the log
/// knows: of a row that a compaction took along, the output's.
pub fn visit_keys(
    view: &ShardView,
    partitions: Option<&[PartitionId]>,
    filter: Option<&Filter>,
    cancel: Cancel<'_>,
    visit: &mut dyn FnMut(PrimaryKey, RowRef),
) -> Result<()> {
    for shown in segments(view, partitions) {
        for matches in matches(view, shown, filter, cancel)? {
            cancel.check()?;
            let keys = key_column(view, &matches)?;
            let positions = matches.block.positions()?;
            for row in matches.rows() {
                // A row without a name was gone before the view's position, and does not match.
                let Some((segment, number)) = shown.name(matches.block.first_row() + row as u32) else {
                    continue;
                };
                let place = RowRef { segment, row: number, position: LogPosition(positions[row]) };
                visit(keys.values.key(row).ok_or_else(|| no_key(view))?, place);
            }
        }
    }
    Ok(())
}

/// [`visit_keys`] into a list.
pub fn keys(
    view: &ShardView,
    partitions: Option<&[PartitionId]>,
    filter: Option<&Filter>,
    cancel: Cancel<'_>,
) -> Result<Vec<(PrimaryKey, RowRef)>> {
    let mut found = Vec::new();
    visit_keys(view, partitions, filter, cancel, &mut |key, row| found.push((key, row)))?;
    Ok(found)
}

fn key_column<'m>(view: &ShardView, matches: &'m Matches) -> Result<ColumnValues<'m>> {
    key_column_of(view, &matches.block)
}

/// The primary keys of a block's rows.
pub(super) fn key_column_of<'b>(view: &ShardView, block: &'b Block) -> Result<ColumnValues<'b>> {
    let field = view.schema.primary_field().ok_or_else(|| no_key(view))?;
    block.column(field.id)?.ok_or_else(|| no_key(view))
}

pub(super) fn no_key(view: &ShardView) -> Error {
    let field = view.schema.primary_field().map_or(vecraft_types::FieldId(0), |field| field.id);
    Error::Field { field, what: "is no primary key column".to_owned() }
}

/// The smallest of what is pushed: all, or at most `wanted`.
struct Smallest<T> {
    wanted: Option<usize>,
    heap: BinaryHeap<T>,
}

impl<T: Ord> Smallest<T> {
    fn new(wanted: Option<usize>) -> Smallest<T> {
        Smallest { wanted, heap: BinaryHeap::new() }
    }

    fn push(&mut self, value: T) {
        if self.wanted.is_none_or(|wanted| self.heap.len() < wanted) {
            self.heap.push(value);
        } else if let Some(mut largest) = self.heap.peek_mut()
            && value < *largest
        {
            *largest = value;
        }
    }

    fn into_sorted(self) -> Vec<T> {
        self.heap.into_sorted_vec()
    }
}
