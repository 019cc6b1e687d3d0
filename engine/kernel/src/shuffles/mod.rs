//! Sums of small tables for 32 rows at once: the scan loop of product codes of four bits.
//!
//! A table of 16 bytes fits a register, and one shuffle looks up as many codes as a register has bytes. So the codes of
//! 32 rows stand together, part by part:
//! ```text
//! block    parts * 16 bytes: byte i of a part holds the code of row i low, of row 16 + i high
//! tables   parts * 16 bytes: what each code of a part counts
//! ```
//! Sums are integers, so every instruction set gives the same number.

#[cfg(target_arch = "x86_64")]
mod avx2;
#[cfg(target_arch = "x86_64")]
mod avx512;
#[cfg(target_arch = "aarch64")]
mod neon;
mod scalar;
#[cfg(test)]
mod tests;

use crate::Kernels;

/// Rows of a block.
pub const SHUFFLE_ROWS: usize = 32;
/// Parts are padded to a multiple of this; a table of zeros counts nothing.
pub const SHUFFLE_PARTS: usize = 4;

type Scan = unsafe fn(&[u8], &[u8], &mut [u32; SHUFFLE_ROWS]);

/// The loop of one instruction set.
#[derive(Debug)]
pub(crate) struct ShuffleLoops {
    scan: Scan,
}

pub(crate) static SCALAR: ShuffleLoops = ShuffleLoops { scan: scalar::scan };

#[cfg(target_arch = "x86_64")]
pub(crate) static AVX2: ShuffleLoops = ShuffleLoops { scan: avx2::scan };

#[cfg(target_arch = "x86_64")]
pub(crate) static AVX512: ShuffleLoops = ShuffleLoops { scan: avx512::scan };

#[cfg(target_arch = "aarch64")]
pub(crate) static NEON: ShuffleLoops = ShuffleLoops { scan: neon::scan };

impl Kernels {
    /// Sums of what the codes of a block count, for each of its rows. Panics unless tables and block are of the same whole
    /// number of [`SHUFFLE_PARTS`] parts, at most 2^16 parts.
    #[inline]
    pub fn shuffle_sums(&self, tables: &[u8], block: &[u8], out: &mut [u32; SHUFFLE_ROWS]) {
        let is_whole = tables.len().is_multiple_of(16 * SHUFFLE_PARTS) && tables.len() <= 16 << 16;
        assert!(is_whole && tables.len() == block.len(), "dimensions differ");
        // SAFETY: lengths are right, and the table exists only if the CPU has the features.
        unsafe { (self.shuffles.scan)(tables, block, out) }
    }
}
