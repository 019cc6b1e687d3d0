//! Sums over byte codes: the distance loops of quantised vectors.
//!
//! A code row is unsigned bytes. What it is multiplied with is one signed byte a dimension: a query's factors, or
//! another code row less 128, so that rows compare with rows without being decoded. Sums are integers, so every
//! instruction set gives the same number. What codes mean (offsets, scales) is the quantizer's business
//! (`engine/index`).

#[cfg(target_arch = "x86_64")]
mod avx2;
#[cfg(target_arch = "aarch64")]
mod neon;
mod scalar;
#[cfg(test)]
mod tests;
#[cfg(target_arch = "x86_64")]
mod vnni;

use crate::Kernels;

/// Longest row: its sum, of terms up to 255 * 128, still fits 31 bits.
pub const CODES_MAX: usize = 1 << 16;

type One = unsafe fn(&[u8], &[u8]) -> i32;
type Four = unsafe fn(&[u8], [&[u8]; 4]) -> [i32; 4];

/// The loops of one instruction set.
#[derive(Debug)]
pub(crate) struct CodeLoops {
    signed: One,
    signed4: Four,
    shifted: One,
    shifted4: Four,
}

pub(crate) static SCALAR: CodeLoops = CodeLoops {
    signed: scalar::dot::<false>,
    signed4: scalar::dot4::<false>,
    shifted: scalar::dot::<true>,
    shifted4: scalar::dot4::<true>,
};

#[cfg(target_arch = "x86_64")]
pub(crate) static AVX2: CodeLoops = CodeLoops {
    signed: avx2::dot::<false>,
    signed4: avx2::dot4::<false>,
    shifted: avx2::dot::<true>,
    shifted4: avx2::dot4::<true>,
};

#[cfg(target_arch = "x86_64")]
pub(crate) static VNNI: CodeLoops = CodeLoops {
    signed: vnni::dot::<false>,
    signed4: vnni::dot4::<false>,
    shifted: vnni::dot::<true>,
    shifted4: vnni::dot4::<true>,
};

#[cfg(target_arch = "aarch64")]
pub(crate) static NEON: CodeLoops = CodeLoops {
    signed: neon::dot::<false>,
    signed4: neon::dot4::<false>,
    shifted: neon::dot::<true>,
    shifted4: neon::dot4::<true>,
};

/// What rows are multiplied with.
#[derive(Clone, Copy, Debug)]
pub enum Factors<'q> {
    /// A query's signed factors.
    Signed(&'q [i8]),
    /// Another code row, each code less 128.
    Shifted(&'q [u8]),
}

impl Factors<'_> {
    /// Number of dimensions.
    pub fn len(&self) -> usize {
        match self {
            Factors::Signed(factors) => factors.len(),
            Factors::Shifted(codes) => codes.len(),
        }
    }

    /// True when there is no dimension.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// Signed bytes as the loops take them.
#[inline(always)]
fn unsigned(factors: &[i8]) -> &[u8] {
    // SAFETY: the same length, and every byte is a valid u8.
    unsafe { std::slice::from_raw_parts(factors.as_ptr().cast(), factors.len()) }
}

impl Kernels {
    /// Sum of codes times factors. Panics if the lengths differ or exceed [`CODES_MAX`].
    #[inline]
    pub fn dot_codes(&self, factors: Factors<'_>, row: &[u8]) -> i32 {
        assert!(row.len() == factors.len() && row.len() <= CODES_MAX, "dimensions differ");
        // SAFETY: lengths are equal, and the table exists only if the CPU has the features.
        unsafe {
            match factors {
                Factors::Signed(factors) => (self.codes.signed)(unsigned(factors), row),
                Factors::Shifted(codes) => (self.codes.shifted)(codes, row),
            }
        }
    }

    /// [`Kernels::dot_codes`] with four rows. Panics if lengths differ or exceed [`CODES_MAX`].
    #[inline]
    pub fn dot_codes4(&self, factors: Factors<'_>, rows: [&[u8]; 4]) -> [i32; 4] {
        let len = factors.len();
        assert!(rows.iter().all(|row| row.len() == len) && len <= CODES_MAX, "dimensions differ");
        // SAFETY: as above.
        unsafe {
            match factors {
                Factors::Signed(factors) => (self.codes.signed4)(unsigned(factors), rows),
                Factors::Shifted(codes) => (self.codes.shifted4)(codes, rows),
            }
        }
    }
}
