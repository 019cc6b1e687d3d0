//! The portable loops over byte codes. Integers: every instruction set gives the same number.

const LANES: usize = 16;

#[inline(always)]
fn one<const SHIFT: bool>(query: &[u8], row: &[u8]) -> i32 {
    let factor = |byte: u8| i32::from((if SHIFT { byte ^ 0x80 } else { byte }).cast_signed());
    let (query_blocks, query_tail) = query.as_chunks::<LANES>();
    let (row_blocks, row_tail) = row.as_chunks::<LANES>();
    let mut lanes = [0i32; LANES];
    for (q, r) in query_blocks.iter().zip(row_blocks) {
        for i in 0..LANES {
            lanes[i] += factor(q[i]) * i32::from(r[i]);
        }
    }
    let tail: i32 = query_tail.iter().zip(row_tail).map(|(q, r)| factor(*q) * i32::from(*r)).sum();
    lanes.iter().sum::<i32>() + tail
}

/// Codes of `row` times factors: the bytes of `query` as signed, or less 128 when `SHIFT`.
pub(crate) fn dot<const SHIFT: bool>(query: &[u8], row: &[u8]) -> i32 {
    one::<SHIFT>(query, row)
}

/// [`dot`] with four rows.
pub(crate) fn dot4<const SHIFT: bool>(query: &[u8], rows: [&[u8]; 4]) -> [i32; 4] {
    rows.map(|row| one::<SHIFT>(query, row))
}
