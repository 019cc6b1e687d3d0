//! The values of chosen rows.

use super::RowAddress;
use crate::materialise::{self, materialise};
use crate::{Block, Error, Result, ShardView};
use std::collections::BTreeMap;
use vecraft_types::{FieldId, RowBatch, SegmentId};

/// The rows at these addresses, in this order, with these fields, in this order. Looks only at the rows asked for
/// (and verifies a file's column when it is first used). A row need not be visible, but must be in the view.
/// A field newer than a row reads as its default, else null.
///
/// Errors: [`Error::UnknownSegment`], [`Error::UnknownRow`], [`Error::Field`], damaged files.
pub fn fetch(view: &ShardView, rows: &[RowAddress], fields: &[FieldId]) -> Result<RowBatch> {
    let Located { blocks, picked } = locate(view, rows)?;
    materialise(&view.schema, &blocks, &picked, fields)
}

/// The bytes that [`fetch`] of the same would take, as [`RowBatch::bytes`] counts them. Reads no row but the lengths of
/// texts: for a caller that must know before it asks (I21).
///
/// Errors: as [`fetch`].
pub fn fetch_bytes(view: &ShardView, rows: &[RowAddress], fields: &[FieldId]) -> Result<u64> {
    let Located { blocks, picked } = locate(view, rows)?;
    materialise::bytes(&view.schema, &blocks, &picked, fields)
}

/// Where rows are.
struct Located {
    blocks: Vec<Block>,
    /// Number of a block, and the row in it.
    picked: Vec<(usize, usize)>,
}

/// Blocks of the view, and each row as a block of those and a row in it.
fn locate(view: &ShardView, rows: &[RowAddress]) -> Result<Located> {
    let mut blocks: Vec<Block> = Vec::new();
    // Where each segment's blocks begin in `blocks`, and how many there are.
    let mut places: BTreeMap<SegmentId, (usize, usize)> = BTreeMap::new();
    let mut picked = Vec::with_capacity(rows.len());
    for address in rows {
        let (start, count) = match places.get(&address.segment) {
            Some(place) => *place,
            None => {
                let shown = view.segment(address.segment)?;
                let place = (blocks.len(), shown.segment.blocks(shown.rows));
                let entry = (place.0, place.1.len());
                blocks.extend(place.1);
                places.insert(address.segment, entry);
                entry
            }
        };
        let own = &blocks[start..start + count];
        let after = own.partition_point(|block| block.first_row() <= address.row);
        let within = after.checked_sub(1).map(|at| (at, (address.row - own[at].first_row()) as usize));
        match within {
            Some((at, row)) if row < own[at].rows() => picked.push((start + at, row)),
            _ => {
                let shown = view.segment(address.segment)?.rows;
                return Err(Error::UnknownRow { segment: address.segment, row: address.row, rows: shown });
            }
        }
    }
    Ok(Located { blocks, picked })
}
