//! Distances of vectors of 8-bit signed integers (`INT8`).
//!
//! Sums are integers, so every instruction set gives the same number: terms are at most 255 squared, and a vector of
//! [`BYTES_MAX`] of them still fits 31 bits.

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

/// Longest vector.
pub const BYTES_MAX: usize = 1 << 15;

type Sum = unsafe fn(&[i8], &[i8]) -> i32;

/// The loops of one instruction set.
#[derive(Debug)]
pub(crate) struct ByteLoops {
    dot: Sum,
    l2: Sum,
}

pub(crate) static SCALAR: ByteLoops = ByteLoops { dot: scalar::sum::<false>, l2: scalar::sum::<true> };

#[cfg(target_arch = "x86_64")]
pub(crate) static AVX2: ByteLoops = ByteLoops { dot: avx2::sum::<false>, l2: avx2::sum::<true> };

#[cfg(target_arch = "x86_64")]
pub(crate) static VNNI: ByteLoops = ByteLoops { dot: vnni::sum::<false>, l2: vnni::sum::<true> };

#[cfg(target_arch = "aarch64")]
pub(crate) static NEON: ByteLoops = ByteLoops { dot: neon::sum::<false>, l2: neon::sum::<true> };

impl Kernels {
    /// Dot product. Panics if the lengths differ or exceed [`BYTES_MAX`].
    #[inline]
    pub fn dot_bytes(&self, a: &[i8], b: &[i8]) -> i32 {
        assert!(a.len() == b.len() && a.len() <= BYTES_MAX, "dimensions differ");
        // SAFETY (here and below): lengths are equal, and the table exists only if the CPU has the features.
        unsafe { (self.bytes.dot)(a, b) }
    }

    /// Squared Euclidean distance. Panics if the lengths differ or exceed [`BYTES_MAX`].
    #[inline]
    pub fn l2_squared_bytes(&self, a: &[i8], b: &[i8]) -> i32 {
        assert!(a.len() == b.len() && a.len() <= BYTES_MAX, "dimensions differ");
        unsafe { (self.bytes.l2)(a, b) }
    }
}
