//! Which keys an entry wrote: what a retried insert is told when the server made them (I10).

use super::scan::{key_column_of, no_key};
use crate::{Result, ShardView};
use vecraft_types::{LogPosition, PrimaryKey};

/// Keys of the rows that the entry at `position` added, in the order of its batch, deleted ones included. Empty when
/// they are not in the view: it is older than the entry, or their partition was dropped. Looks at no other rows.
///
/// Errors: [`crate::Error::Field`], damaged files.
pub fn written_by(view: &ShardView, position: LogPosition) -> Result<Vec<PrimaryKey>> {
    let mut keys = Vec::new();
    for shown in &view.segments {
        for block in shown.segment.blocks(shown.rows) {
            // Rows are in log order, so positions ascend.
            let positions = block.positions()?;
            let from = positions.partition_point(|at| *at < position.0);
            let to = positions.partition_point(|at| *at <= position.0);
            if from == to {
                continue;
            }
            let column = key_column_of(view, &block)?;
            for row in from..to {
                keys.push(column.values.key(row).ok_or_else(|| no_key(view))?);
            }
        }
    }
    Ok(keys)
}
