//! Exact distances to many rows: the inner loop of flat search, of brute force under a filter and of reranking.

use crate::{Rows, TopK};
use vecraft_kernel::{DiskWatch, Query};
use vecraft_types::Bitmap;

/// Rows whose memory is asked for ahead of the row being computed.
pub(crate) const AHEAD: usize = 4;
/// Rows per block: one bitmap word.
const BLOCK: usize = 64;

/// The part of a filter that concerns the first `rows` rows. Rows past the filter's end do not match.
pub(crate) fn matches_within(filter: &Bitmap, rows: usize) -> usize {
    if filter.len() <= rows {
        return filter.count_ones();
    }
    let words = filter.words();
    let whole: usize = words[..rows / 64].iter().map(|word| word.count_ones() as usize).sum();
    let rest = if rows.is_multiple_of(64) { 0 } else { words[rows / 64] & ((1u64 << (rows % 64)) - 1) };
    whole + rest.count_ones() as usize
}

/// Calls `visit` with blocks of at most 64 ascending matching row numbers.
pub(crate) fn for_each_block(rows: usize, filter: Option<&Bitmap>, mut visit: impl FnMut(&[u32])) {
    let mut ids = [0u32; BLOCK];
    for base in (0..rows).step_by(BLOCK) {
        let in_block = (rows - base).min(BLOCK);
        let mut word = match filter {
            Some(filter) => filter.words().get(base / BLOCK).copied().unwrap_or(0),
            None => !0,
        };
        if in_block < BLOCK {
            word &= (1 << in_block) - 1;
        }
        let mut count = 0;
        while word != 0 {
            ids[count] = base as u32 + word.trailing_zeros();
            count += 1;
            word &= word - 1;
        }
        if count > 0 {
            visit(&ids[..count]);
        }
    }
}

/// Distances of a few rows into `out` (same length as `ids`).
pub(crate) fn distances<R: Rows + ?Sized>(query: &Query<'_>, rows: &R, ids: &[u32], out: &mut [f32]) {
    for &id in ids.iter().take(AHEAD) {
        rows.prefetch(id);
    }
    let mut at = 0;
    while at + 4 <= ids.len() {
        for &id in ids.iter().skip(at + AHEAD).take(4) {
            rows.prefetch(id);
        }
        let four = [ids[at], ids[at + 1], ids[at + 2], ids[at + 3]];
        out[at..at + 4].copy_from_slice(&rows.distance4(query, four));
        at += 4;
    }
    for i in at..ids.len() {
        out[i] = rows.distance(query, ids[i]);
    }
}

/// Offers every matching row to `top`; `is_cold`: the rows are probably not in memory,
/// and are asked for block by block as long as some are not. Returns the number of distances computed.
pub(crate) fn scan<R: Rows + ?Sized>(
    query: &Query<'_>,
    rows: &R,
    filter: Option<&Bitmap>,
    is_cold: bool,
    top: &mut TopK,
) -> usize {
    let mut out = [0.0f32; BLOCK];
    let mut computed = 0;
    let mut disk = is_cold.then(|| DiskWatch::new(true));
    for_each_block(rows.len(), filter, |ids| {
        if disk.as_mut().is_some_and(DiskWatch::is_read) {
            rows.fetch(ids);
        }
        distances(query, rows, ids, &mut out[..ids.len()]);
        for (&id, &distance) in ids.iter().zip(&out) {
            top.push(distance, id);
        }
        computed += ids.len();
    });
    computed
}
