//! The portable loops over packed codes: a block is unpacked, then summed. Integers: every instruction set gives the
//! same number.

const BLOCK: usize = super::SMALL_CODES_BLOCK;

#[inline(always)]
fn unpack<const SIX: bool>(block: &[u8]) -> [u8; BLOCK] {
    let mut codes = [0u8; BLOCK];
    for i in 0..BLOCK / 2 {
        codes[i] = block[i] & 15;
        codes[32 + i] = block[i] >> 4;
    }
    if SIX {
        for i in 0..16 {
            for j in 0..4 {
                codes[16 * j + i] |= (block[32 + i] >> (2 * j) & 3) << 4;
            }
        }
    }
    codes
}

/// SmallCodes codes of `row` times factors; whole blocks.
pub(crate) fn dot<const SIX: bool>(factors: &[i8], row: &[u8]) -> i32 {
    let bytes = if SIX { 48 } else { 32 };
    let (blocks, _) = factors.as_chunks::<BLOCK>();
    let mut lanes = [0i32; 16];
    for (factors, block) in blocks.iter().zip(row.chunks_exact(bytes)) {
        let codes = unpack::<SIX>(block);
        for i in 0..BLOCK {
            lanes[i % 16] += i32::from(factors[i]) * i32::from(codes[i]);
        }
    }
    lanes.iter().sum()
}

/// [`dot`] with four rows.
pub(crate) fn dot4<const SIX: bool>(factors: &[i8], rows: [&[u8]; 4]) -> [i32; 4] {
    rows.map(|row| dot::<SIX>(factors, row))
}
