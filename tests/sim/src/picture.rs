//! Everything a reader can see of a shard, read through the product's own executors.

use crate::rows;
use crate::trace::Hash;
use crate::twin::TwinRow;
use std::fmt::Write;
use vecraft_segment::ShardView;
use vecraft_segment::exec::{self, Cancel, RowAddress};
use vecraft_types::FieldId;

/// The visible rows of a view, in order, with where they are and who wrote them.
///
/// # Errors
/// A reader's error, a torn row, or counts and keys that disagree with the rows.
pub fn of(view: &ShardView) -> Result<Vec<TwinRow>, String> {
    let cancel = Cancel::never();
    let found = exec::keys(view, None, None, cancel).map_err(|error| error.to_string())?;
    let addresses: Vec<RowAddress> =
        found.iter().map(|(_, row)| RowAddress { segment: row.segment, row: row.row }).collect();
    let fields: Vec<FieldId> = view.schema.fields.iter().map(|field| field.id).collect();
    let batch = exec::fetch(view, &addresses, &fields).map_err(|error| error.to_string())?;
    let rows = rows::decode(&batch)?;
    let mut seen = Vec::with_capacity(rows.len());
    for (row, (key, place)) in rows.into_iter().zip(&found) {
        if row.key != *key {
            return Err(format!("the key column says {key}, the row says {}", row.key));
        }
        let shown = view.segment(place.segment).map_err(|error| error.to_string())?;
        seen.push(TwinRow { row, partition: shown.segment.partition(), place: *place });
    }
    let count = exec::count(view, None, None, cancel).map_err(|error| error.to_string())?;
    if count != seen.len() as u64 || found.len() != seen.len() {
        return Err(format!("count is {count}, {} keys, {} rows", found.len(), seen.len()));
    }
    seen.sort();
    Ok(seen)
}

/// A number that stands for rows.
pub fn hash(rows: &[TwinRow]) -> Hash {
    let mut hash = Hash::default();
    for row in rows {
        // Writing to a hash cannot fail.
        let _ = writeln!(hash, "{row:?}");
    }
    hash
}

/// What differs between two lists of rows, in a few words.
pub fn difference(seen: &[TwinRow], expected: &[TwinRow]) -> String {
    let missing: Vec<_> = expected.iter().filter(|row| !seen.contains(row)).take(3).collect();
    let extra: Vec<_> = seen.iter().filter(|row| !expected.contains(row)).take(3).collect();
    format!("{} rows instead of {}; missing {missing:?}, not expected {extra:?}", seen.len(), expected.len())
}
