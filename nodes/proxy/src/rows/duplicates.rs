//! The same key twice in one batch.

use super::Purpose;
use std::collections::HashMap;
use vecraft_types::{Error, PkConflict, PrimaryKey, Result};

/// The rows to write, ascending. Where a key replaces, the last row of a key wins, as if the rows had come one by
/// one; where it is refused, so is the batch; where it is allowed, all rows stay.
pub(crate) fn rows_to_write(keys: &[PrimaryKey], rule: PkConflict, purpose: Purpose) -> Result<Vec<usize>> {
    if rule == PkConflict::Allow && purpose == Purpose::Insert {
        return Ok((0..keys.len()).collect());
    }
    let mut last: HashMap<&PrimaryKey, usize> = HashMap::with_capacity(keys.len());
    for (row, key) in keys.iter().enumerate() {
        let before = last.insert(key, row);
        if let Some(before) = before
            && rule == PkConflict::Reject
            && purpose == Purpose::Insert
        {
            let text = format!(
                "key {key} is in rows {before} and {row} of the request, and {} is reject",
                PkConflict::PROPERTY
            );
            return Err(Error::invalid(text));
        }
    }
    let mut rows: Vec<usize> = last.into_values().collect();
    rows.sort_unstable();
    Ok(rows)
}
