//! Everything a reader can see of a shard, read through the product's own executors.

use crate::rows;
use crate::trace::Hash;
use crate::twin::TwinRow;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use vecraft_segment::exec::{self, Cancel, RowAddress, ScanPlan};
use vecraft_segment::{SegmentView, ShardView};
use vecraft_types::{FieldId, SegmentId};

/// The visible rows of a view, in order, with where they are and who wrote them.
///
/// # Errors
/// A reader's error, a torn row, or counts and keys that disagree with the rows.
pub fn of(view: &ShardView) -> Result<Vec<TwinRow>, String> {
    let cancel = Cancel::never();
    let found = exec::keys(view, None, None, cancel).map_err(|error| error.to_string())?;
    let named: BTreeMap<(SegmentId, u32), _> =
        found.iter().map(|(key, place)| ((place.segment, place.row), (key, place))).collect();
    let scanned = exec::scan(view, &ScanPlan::default(), cancel).map_err(|error| error.to_string())?;
    let addresses: Vec<RowAddress> = scanned.iter().map(|row| row.address).collect();
    let fields: Vec<FieldId> = view.schema.fields.iter().map(|field| field.id).collect();
    let batch = exec::fetch(view, &addresses, &fields).map_err(|error| error.to_string())?;
    let rows = rows::decode(&batch)?;
    let mut seen = Vec::with_capacity(rows.len());
    for (row, address) in rows.into_iter().zip(&addresses) {
        let shown = view.segment(address.segment).map_err(|error| error.to_string())?;
        let name = shown.name(address.row).ok_or_else(|| format!("{address:?} is shown and has no name"))?;
        let (key, place) =
            named.get(&name).ok_or_else(|| format!("{name:?} is scanned and not among the keys"))?;
        if row.key != **key {
            return Err(format!("the key column says {key}, the row says {}", row.key));
        }
        seen.push(TwinRow { row, partition: shown.segment.partition(), place: **place });
    }
    let count = exec::count(view, None, None, cancel).map_err(|error| error.to_string())?;
    if count != seen.len() as u64 || found.len() != seen.len() || named.len() != seen.len() {
        return Err(format!("count is {count}, {} keys, {} rows", found.len(), seen.len()));
    }
    seen.sort();
    Ok(seen)
}

/// The segments of a view by the names that the log knows: of a compaction whose output is not here yet, the inputs are
/// shown, and the output is named.
pub fn segments(view: &ShardView) -> BTreeSet<SegmentId> {
    let name = |shown: &SegmentView| match &shown.renamed {
        Some(renamed) => renamed.compaction.id(),
        None => shown.segment.id(),
    };
    view.segments.iter().map(name).collect()
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
