//! Rows of a view by filter, in key order, or their number.

use super::{parse_filter, partitions};
use crate::room::AnswerRoom;
use crate::wanted::Watch;
use vecraft_rpc::services::{ShardQuery, ShardRows};
use vecraft_segment::ShardView;
use vecraft_segment::exec::{self, Cancel, RowAddress, ScanPlan};
use vecraft_types::{Result, RowBatch};

/// What one row takes while rows are put in order, in bytes: its address and its key, long texts aside.
const ROW_BYTES: u64 = 56;
/// Rows of a view below which the number of matches is not asked for before they are gathered.
const FEW_ROWS: usize = 100_000;

pub(crate) fn run(
    view: &ShardView,
    asked: &ShardQuery,
    watch: &Watch,
    room: &mut AnswerRoom,
) -> vecraft_segment::Result<Result<ShardRows>> {
    let read = parse_filter(&asked.filter, &view.schema)
        .and_then(|filter| Ok((filter, partitions(view, &asked.partitions)?)));
    let (filter, partitions) = match read {
        Ok(read) => read,
        Err(error) => return Ok(Err(error)),
    };
    let is_over = || watch.is_over();
    let cancel = Cancel::when(&is_over);
    let count = || exec::count(view, partitions, filter.as_ref(), cancel);
    if asked.output.is_empty() {
        return Ok(Ok(ShardRows { count: count()?, rows: RowBatch::default(), timestamp: view.timestamp }));
    }
    // Gathering is bounded by the limit, by the view, or by how many there are, whichever is known cheaply.
    let shown: usize = view.segments.iter().map(|shown| shown.rows as usize).sum();
    let most = match asked.limit {
        Some(limit) => limit.min(shown) as u64,
        None if shown <= FEW_ROWS => shown as u64,
        None => count()?,
    };
    if let Err(error) = room.for_hits(most * ROW_BYTES) {
        return Ok(Err(error));
    }
    let plan = ScanPlan { partitions, filter: filter.as_ref(), limit: asked.limit, offset: 0 };
    let found = exec::scan(view, &plan, cancel)?;
    // A second pass only where the limit hides how many there are.
    let is_cut = asked.limit.is_some_and(|limit| found.len() >= limit);
    let count = if is_cut { count()? } else { found.len() as u64 };
    let addresses: Vec<RowAddress> = found.into_iter().map(|row| row.address).collect();
    if let Err(error) = room.for_rows(exec::fetch_bytes(view, &addresses, &asked.output)?) {
        return Ok(Err(error));
    }
    let rows = exec::fetch(view, &addresses, &asked.output)?;
    Ok(Ok(ShardRows { count, rows, timestamp: view.timestamp }))
}
