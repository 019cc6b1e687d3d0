//! Sums over codes of four and six bits: the distance loops of the smaller scalar quantizers.
//!
//! Dimensions go in blocks of 64, so that one block fills the widest register once unpacked:
//! ```text
//! four   32 bytes: byte i holds dimension i low, 32 + i high
//! six    the same for the lower four bits, then 16 bytes: of byte i the bits 2j.. are the upper two of 16 j + i
//! ```
//! What they are multiplied with is one signed byte a dimension. Sums are integers, so every instruction set gives the
//! same number. What codes mean (offsets, scales) is the quantizer's business (`engine/index`).

#[cfg(target_arch = "x86_64")]
mod avx2;
#[cfg(target_arch = "aarch64")]
mod neon;
mod scalar;
#[cfg(test)]
mod tests;
#[cfg(target_arch = "x86_64")]
mod vnni;

use crate::{CODES_MAX, Kernels};

/// Dimensions of a block.
pub const SMALL_CODES_BLOCK: usize = 64;

type One = unsafe fn(&[i8], &[u8]) -> i32;
type Four = unsafe fn(&[i8], [&[u8]; 4]) -> [i32; 4];

/// The loops of one instruction set.
#[derive(Debug)]
pub(crate) struct SmallCodeLoops {
    four: One,
    four4: Four,
    six: One,
    six4: Four,
}

pub(crate) static SCALAR: SmallCodeLoops = SmallCodeLoops {
    four: scalar::dot::<false>,
    four4: scalar::dot4::<false>,
    six: scalar::dot::<true>,
    six4: scalar::dot4::<true>,
};

#[cfg(target_arch = "x86_64")]
pub(crate) static AVX2: SmallCodeLoops = SmallCodeLoops {
    four: avx2::dot::<false>,
    four4: avx2::dot4::<false>,
    six: avx2::dot::<true>,
    six4: avx2::dot4::<true>,
};

#[cfg(target_arch = "x86_64")]
pub(crate) static VNNI: SmallCodeLoops = SmallCodeLoops {
    four: vnni::dot::<false>,
    four4: vnni::dot4::<false>,
    six: vnni::dot::<true>,
    six4: vnni::dot4::<true>,
};

#[cfg(target_arch = "aarch64")]
pub(crate) static NEON: SmallCodeLoops = SmallCodeLoops {
    four: neon::dot::<false>,
    four4: neon::dot4::<false>,
    six: neon::dot::<true>,
    six4: neon::dot4::<true>,
};

/// Bits of a packed code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SmallCodes {
    /// 0 to 15.
    Four,
    /// 0 to 63.
    Six,
}

impl SmallCodes {
    /// The largest code.
    pub fn largest(self) -> u8 {
        match self {
            SmallCodes::Four => 15,
            SmallCodes::Six => 63,
        }
    }

    /// Bytes of the codes of so many dimensions, which are padded to whole blocks.
    pub fn row_bytes(self, dim: usize) -> usize {
        dim.div_ceil(SMALL_CODES_BLOCK) * self.block_bytes()
    }

    const fn block_bytes(self) -> usize {
        match self {
            SmallCodes::Four => 32,
            SmallCodes::Six => 48,
        }
    }

    /// Packs one code a byte; what pads the last block is 0. Panics unless `out` has [`SmallCodes::row_bytes`].
    pub fn pack(self, codes: &[u8], out: &mut [u8]) {
        assert_eq!(out.len(), self.row_bytes(codes.len()), "dimensions differ");
        out.fill(0);
        for (block, out) in codes.chunks(SMALL_CODES_BLOCK).zip(out.chunks_exact_mut(self.block_bytes())) {
            for (i, code) in block.iter().enumerate() {
                out[i % 32] |= (code & 15) << (i / 32 * 4);
                if self == SmallCodes::Six {
                    out[32 + i % 16] |= (code >> 4 & 3) << (i / 16 * 2);
                }
            }
        }
    }
}

impl Kernels {
    /// Sum of codes times factors. Panics unless the factors fill whole blocks, are at most [`CODES_MAX`], and the row is
    /// as long as they are.
    #[inline]
    pub fn dot_small_codes(&self, kind: SmallCodes, factors: &[i8], row: &[u8]) -> i32 {
        check(kind, factors, &[row]);
        // SAFETY (here and below): lengths are right, and the table exists only if the CPU has the features.
        unsafe {
            match kind {
                SmallCodes::Four => (self.small_codes.four)(factors, row),
                SmallCodes::Six => (self.small_codes.six)(factors, row),
            }
        }
    }

    /// [`Kernels::dot_small_codes`] with four rows.
    #[inline]
    pub fn dot_small_codes4(&self, kind: SmallCodes, factors: &[i8], rows: [&[u8]; 4]) -> [i32; 4] {
        check(kind, factors, &rows);
        unsafe {
            match kind {
                SmallCodes::Four => (self.small_codes.four4)(factors, rows),
                SmallCodes::Six => (self.small_codes.six4)(factors, rows),
            }
        }
    }
}

#[inline]
fn check(kind: SmallCodes, factors: &[i8], rows: &[&[u8]]) {
    let wanted = factors.len() / SMALL_CODES_BLOCK * kind.block_bytes();
    let is_right = factors.len().is_multiple_of(SMALL_CODES_BLOCK) && factors.len() <= CODES_MAX;
    assert!(is_right && rows.iter().all(|row| row.len() == wanted), "dimensions differ");
}
