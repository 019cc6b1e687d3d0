//! Rows of a view by filter, in key order, or their number.

use super::{parse_filter, partitions};
use crate::wanted::Watch;
use vecraft_rpc::services::{ShardQuery, ShardRows};
use vecraft_segment::ShardView;
use vecraft_segment::exec::{self, Cancel, RowAddress, ScanPlan};
use vecraft_types::{Result, RowBatch};

pub(crate) fn run(
    view: &ShardView,
    asked: &ShardQuery,
    watch: &Watch,
) -> vecraft_segment::Result<Result<ShardRows>> {
    let filter = match parse_filter(&asked.filter, &view.schema) {
        Ok(filter) => filter,
        Err(error) => return Ok(Err(error)),
    };
    let is_over = || watch.is_over();
    let cancel = Cancel::when(&is_over);
    let partitions = partitions(&asked.partitions);
    let count = || exec::count(view, partitions, filter.as_ref(), cancel);
    if asked.output.is_empty() {
        return Ok(Ok(ShardRows { count: count()?, rows: RowBatch::default(), timestamp: view.timestamp }));
    }
    let plan = ScanPlan { partitions, filter: filter.as_ref(), limit: asked.limit, offset: 0 };
    let found = exec::scan(view, &plan, cancel)?;
    // A second pass only where the limit hides how many there are.
    let is_cut = asked.limit.is_some_and(|limit| found.len() >= limit);
    let count = if is_cut { count()? } else { found.len() as u64 };
    let addresses: Vec<RowAddress> = found.into_iter().map(|row| row.address).collect();
    let rows = exec::fetch(view, &addresses, &asked.output)?;
    Ok(Ok(ShardRows { count, rows, timestamp: view.timestamp }))
}
