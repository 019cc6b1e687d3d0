//! Exact nearest rows of some blocks: every matching row is compared with every query.

use super::Cancel;
use super::matches::Matches;
use crate::{Error, Result, Values};
use vecraft_index::{Range, TopK};
use vecraft_kernel::{Query, prefetch_row};
use vecraft_types::FieldId;

/// Rows compared with all queries before the next rows are read: small enough to stay in cache meanwhile.
const RUN_ROWS: usize = 256;
/// Rows between the one compared and the one asked for.
const AHEAD: usize = 8;

/// What every row of a scan is offered to.
pub(super) trait Sink {
    /// A row, by its number in the segment, and how far it is from the query.
    fn push(&mut self, distance: f32, row: u32);
}

impl Sink for TopK {
    #[inline]
    fn push(&mut self, distance: f32, row: u32) {
        TopK::push(self, distance, row);
    }
}

/// Offers every matching row within the range, under its number in the segment, to the query's sink.
pub(super) fn offer<S: Sink>(
    found: &[Matches],
    field: FieldId,
    queries: &[Query<'_>],
    range: Option<Range>,
    sinks: &mut [S],
    cancel: Cancel<'_>,
) -> Result<()> {
    let mut distances = [0.0f32; RUN_ROWS];
    for matches in found {
        let column = matches.block.column(field)?;
        let Some(Values::FloatVector { dim, values }) = column.map(|column| column.values) else {
            return Err(Error::Field { field, what: "has no vectors in these rows".to_owned() });
        };
        let base = matches.block.first_row();
        for_each_run(matches, |ids| {
            cancel.check()?;
            let out = &mut distances[..ids.len()];
            let (first, last) = (ids[0] as usize, ids[ids.len() - 1] as usize);
            for (number, (query, sink)) in queries.iter().zip(sinks.iter_mut()).enumerate() {
                if number % 64 == 63 {
                    cancel.check()?;
                }
                if last - first + 1 == ids.len() {
                    query.batch(&values[first * dim..(last + 1) * dim], out);
                } else {
                    compare(query, values, dim, ids, out, number == 0);
                }
                let hits = ids.iter().zip(out.iter());
                match range {
                    None => hits.for_each(|(id, distance)| sink.push(*distance, base + id)),
                    Some(range) => hits
                        .filter(|(_, distance)| range.contains(**distance))
                        .for_each(|(id, distance)| sink.push(*distance, base + id)),
                }
            }
            Ok(())
        })?;
    }
    Ok(())
}

/// Distances of chosen rows (deletes and filters leave gaps), four at a time; of rows that are not in cache yet,
/// the next ones are asked for meanwhile.
fn compare(query: &Query<'_>, values: &[f32], dim: usize, ids: &[u32], out: &mut [f32], is_cold: bool) {
    let row = |id: u32| &values[id as usize * dim..(id as usize + 1) * dim];
    let mut fours = ids.chunks_exact(4);
    let mut slots = out.chunks_exact_mut(4);
    for (at, (four, slots)) in fours.by_ref().zip(slots.by_ref()).enumerate() {
        if is_cold {
            ids.iter().skip(at * 4 + AHEAD).take(4).for_each(|id| prefetch_row(row(*id)));
        }
        slots.copy_from_slice(&query.distance4([row(four[0]), row(four[1]), row(four[2]), row(four[3])]));
    }
    for (id, slot) in fours.remainder().iter().zip(slots.into_remainder()) {
        *slot = query.distance(row(*id));
    }
}

/// Calls `visit` with runs of ascending matching rows of the block, none of them empty.
fn for_each_run(matches: &Matches, mut visit: impl FnMut(&[u32]) -> Result<()>) -> Result<()> {
    let mut ids = [0u32; RUN_ROWS];
    let mut count = 0;
    for row in matches.rows() {
        ids[count] = row as u32;
        count += 1;
        if count == RUN_ROWS {
            visit(&ids)?;
            count = 0;
        }
    }
    if count > 0 { visit(&ids[..count]) } else { Ok(()) }
}
