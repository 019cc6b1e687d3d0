//! The portable loops over 16-bit floats: widened, then as f32.

use super::widen;

const LANES: usize = 16;

#[inline(always)]
fn fold<const BRAIN: bool>(query: &[f32], row: &[u16], term: impl Fn(f32, f32) -> f32) -> f32 {
    let (query_blocks, query_tail) = query.as_chunks::<LANES>();
    let (row_blocks, row_tail) = row.as_chunks::<LANES>();
    let mut lanes = [0.0f32; LANES];
    for (q, r) in query_blocks.iter().zip(row_blocks) {
        for i in 0..LANES {
            lanes[i] += term(q[i], widen::<BRAIN>(r[i]));
        }
    }
    for (i, (q, r)) in query_tail.iter().zip(row_tail).enumerate() {
        lanes[i] += term(*q, widen::<BRAIN>(*r));
    }
    lanes.iter().sum()
}

/// Dot product of an f32 query with a row of halves.
pub(crate) fn dot<const BRAIN: bool>(query: &[f32], row: &[u16]) -> f32 {
    fold::<BRAIN>(query, row, |q, r| q * r)
}

/// Squared Euclidean distance of an f32 query from a row of halves.
pub(crate) fn l2<const BRAIN: bool>(query: &[f32], row: &[u16]) -> f32 {
    fold::<BRAIN>(query, row, |q, r| (q - r) * (q - r))
}
