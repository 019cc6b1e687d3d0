//! Exact nearest rows of some blocks: every matching row is compared with every query.

use super::Cancel;
use super::matches::Matches;
use super::queries::Ready;
use crate::{Error, Result, Values};
use std::ops::Range;
use vecraft_index::{Range as Bounds, TopK};
use vecraft_kernel::{DiskWatch, PackedQuery, Query, fetch_pages, prefetch_codes, prefetch_row};
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

/// Some rows of a block.
#[derive(Clone)]
pub(super) struct Part<'m> {
    matches: &'m Matches,
    rows: Range<usize>,
}

impl<'m> Part<'m> {
    /// The blocks cut into parts of at most `rows` rows, which is a multiple of 64.
    pub(super) fn cut(found: &'m [Matches], rows: usize) -> Vec<Part<'m>> {
        let parts = |matches: &'m Matches| {
            let all = matches.block.rows();
            (0..all).step_by(rows).map(move |first| Part { matches, rows: first..all.min(first + rows) })
        };
        found.iter().flat_map(parts).collect()
    }
}

/// Offers every matching row within the range, under its number in the segment, to the query's sink.
pub(super) fn offer<S: Sink>(
    found: &[Matches],
    field: FieldId,
    queries: &Ready<'_>,
    range: Option<Bounds>,
    sinks: &mut [S],
    cancel: Cancel<'_>,
) -> Result<()> {
    found.iter().try_for_each(|matches| {
        let part = Part { matches, rows: 0..matches.block.rows() };
        offer_part(&part, field, queries, range, sinks, cancel)
    })
}

/// [`offer`] of the rows of a part.
pub(super) fn offer_part<S: Sink>(
    part: &Part<'_>,
    field: FieldId,
    queries: &Ready<'_>,
    range: Option<Bounds>,
    sinks: &mut [S],
    cancel: Cancel<'_>,
) -> Result<()> {
    let column = part.matches.block.column(field)?;
    match (queries, column.map(|column| column.values)) {
        (Ready::Float(queries), Some(Values::FloatVector { dim, values })) => {
            let all = |query: &Query<'_>, ids: &[u32], out: &mut [f32], is_cold: bool| {
                let (first, last) = (ids[0] as usize, ids[ids.len() - 1] as usize);
                if last - first + 1 == ids.len() {
                    query.batch(&values[first * dim..(last + 1) * dim], out);
                } else {
                    compare(query, values, dim, ids, out, is_cold);
                }
            };
            let rows =
                |first: usize, last: usize| bytemuck::cast_slice(&values[first * dim..(last + 1) * dim]);
            offer_rows(part, queries, all, rows, range, sinks, cancel)
        }
        (Ready::Packed(queries), Some(Values::PackedVector { kind, dim, bytes })) => {
            let width = kind.row_bytes(dim);
            let all = |query: &PackedQuery, ids: &[u32], out: &mut [f32], is_cold: bool| {
                compare_packed(query, bytes, width, ids, out, is_cold);
            };
            let rows = |first: usize, last: usize| &bytes[first * width..(last + 1) * width];
            offer_rows(part, queries, all, rows, range, sinks, cancel)
        }
        _ => Err(Error::Field { field, what: "has no such vectors in these rows".to_owned() }),
    }
}

/// `compare` gives a query's distances of some rows; it is told whether they are looked at for the first time. `rows` gives the
/// bytes from one row to another.
fn offer_rows<'r, Q, S: Sink>(
    part: &Part<'_>,
    queries: &[Q],
    compare: impl Fn(&Q, &[u32], &mut [f32], bool),
    rows: impl Fn(usize, usize) -> &'r [u8],
    range: Option<Bounds>,
    sinks: &mut [S],
    cancel: Cancel<'_>,
) -> Result<()> {
    let mut distances = [0.0f32; RUN_ROWS];
    let base = part.matches.block.first_row();
    // Of rows in memory, and of few, nobody asks where they come from.
    let is_long = part.rows.len() > 2 * RUN_ROWS;
    let mut disk = (is_long && part.matches.block.is_mapped()).then(|| DiskWatch::new(false));
    let mut runs = 0;
    for_each_run(part, |ids| {
        cancel.check()?;
        runs += 1;
        let is_read = disk.as_mut().is_some_and(DiskWatch::is_read);
        // Tests have everything in memory: every other run goes the other way.
        if is_read || cfg!(test) && runs % 2 == 0 {
            let (first, last) = (ids[0] as usize, ids[ids.len() - 1] as usize);
            match last - first + 1 == ids.len() {
                true => fetch_pages([rows(first, last)]),
                false => fetch_pages(ids.iter().map(|id| rows(*id as usize, *id as usize))),
            }
        }
        let out = &mut distances[..ids.len()];
        for (number, (query, sink)) in queries.iter().zip(sinks.iter_mut()).enumerate() {
            if number % 64 == 63 {
                cancel.check()?;
            }
            compare(query, ids, out, number == 0);
            let hits = ids.iter().zip(out.iter());
            match range {
                None => hits.for_each(|(id, distance)| sink.push(*distance, base + id)),
                Some(range) => hits
                    .filter(|(_, distance)| range.contains(**distance))
                    .for_each(|(id, distance)| sink.push(*distance, base + id)),
            }
        }
        Ok(())
    })
}

/// Distances of chosen rows of packed vectors.
fn compare_packed(
    query: &PackedQuery,
    bytes: &[u8],
    width: usize,
    ids: &[u32],
    out: &mut [f32],
    is_cold: bool,
) {
    let row = |id: u32| &bytes[id as usize * width..(id as usize + 1) * width];
    for (at, (id, slot)) in ids.iter().zip(out).enumerate() {
        if is_cold && let Some(next) = ids.get(at + AHEAD) {
            prefetch_codes(row(*next));
        }
        *slot = query.distance(row(*id));
    }
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

/// Calls `visit` with runs of ascending matching rows of the part, none of them empty.
fn for_each_run(part: &Part<'_>, mut visit: impl FnMut(&[u32]) -> Result<()>) -> Result<()> {
    let mut ids = [0u32; RUN_ROWS];
    let mut count = 0;
    for row in part.matches.rows_within(part.rows.clone()) {
        ids[count] = row as u32;
        count += 1;
        if count == RUN_ROWS {
            visit(&ids)?;
            count = 0;
        }
    }
    if count > 0 { visit(&ids[..count]) } else { Ok(()) }
}
