//! Exact nearest rows of some blocks: every matching row is compared with every query.

use super::Cancel;
use super::matches::Matches;
use crate::{Error, Result, Values};
use vecraft_index::TopK;
use vecraft_kernel::Query;
use vecraft_types::FieldId;

/// Rows compared with all queries before the next rows are read: small enough to stay in cache meanwhile.
const RUN_ROWS: usize = 256;

/// Offers every matching row, under its number in the segment, to the query's `tops`.
pub(super) fn offer(
    found: &[Matches],
    field: FieldId,
    queries: &[Query<'_>],
    tops: &mut [TopK],
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
            for (number, (query, top)) in queries.iter().zip(tops.iter_mut()).enumerate() {
                if number % 64 == 63 {
                    cancel.check()?;
                }
                if last - first + 1 == ids.len() {
                    query.batch(&values[first * dim..(last + 1) * dim], out);
                } else {
                    query.batch_ids(values, ids, out);
                }
                for (id, distance) in ids.iter().zip(out.iter()) {
                    top.push(*distance, base + id);
                }
            }
            Ok(())
        })?;
    }
    Ok(())
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
