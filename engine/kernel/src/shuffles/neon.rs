//! NEON over blocks of codes of four bits: a look-up in a register of sixteen bytes is one instruction.

use super::SHUFFLE_ROWS;
use std::arch::aarch64::{
    uint16x8_t, vaddw_high_u8, vaddw_u8, vandq_u8, vdupq_n_u8, vdupq_n_u16, vget_low_u8, vld1q_u8,
    vqtbl1q_u8, vshrq_n_u8, vst1q_u16,
};

/// Additions of a byte to a u16 that cannot overflow.
const STEPS: usize = 256;
const PART: usize = 16;

/// Adds the sums of eight rows to the totals.
#[inline]
#[target_feature(enable = "neon")]
fn flush(sums: uint16x8_t, out: &mut [u32]) {
    let mut lanes = [0u16; 8];
    // SAFETY: eight lanes of room.
    unsafe { vst1q_u16(lanes.as_mut_ptr(), sums) };
    out.iter_mut().zip(lanes).for_each(|(out, sum)| *out += u32::from(sum));
}

/// Sums of what the codes of a block count.
#[target_feature(enable = "neon")]
pub(crate) fn scan(tables: &[u8], block: &[u8], out: &mut [u32; SHUFFLE_ROWS]) {
    out.fill(0);
    let nibble = vdupq_n_u8(0x0f);
    for (tables, block) in tables.chunks(PART * STEPS).zip(block.chunks(PART * STEPS)) {
        // Rows 0 to 7, 8 to 15, 16 to 23, 24 to 31.
        let mut sums = [vdupq_n_u16(0); 4];
        for at in (0..tables.len()).step_by(PART) {
            // SAFETY (both loads): whole parts, as many in tables as in the block (checked by `Kernels`).
            let (table, codes) =
                unsafe { (vld1q_u8(tables.as_ptr().add(at)), vld1q_u8(block.as_ptr().add(at))) };
            let halves =
                [vqtbl1q_u8(table, vandq_u8(codes, nibble)), vqtbl1q_u8(table, vshrq_n_u8::<4>(codes))];
            for (half, counts) in halves.into_iter().enumerate() {
                sums[2 * half] = vaddw_u8(sums[2 * half], vget_low_u8(counts));
                sums[2 * half + 1] = vaddw_high_u8(sums[2 * half + 1], counts);
            }
        }
        for (sums, out) in sums.into_iter().zip(out.chunks_exact_mut(8)) {
            flush(sums, out);
        }
    }
}
