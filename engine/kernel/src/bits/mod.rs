//! Distances of binary vectors: Hamming and Jaccard over packed bits.
//!
//! Counts are whole numbers, so every instruction set gives the same.

#[cfg(target_arch = "x86_64")]
mod avx2;
mod scalar;
#[cfg(test)]
mod tests;
#[cfg(target_arch = "x86_64")]
mod vpopcnt;

use crate::Kernels;

/// Longest vector in bytes: its count fits 32 bits.
pub const BITS_BYTES_MAX: usize = 1 << 28;

type Count = unsafe fn(&[u8], &[u8]) -> u32;

/// The loops of one instruction set.
#[derive(Debug)]
pub(crate) struct BitLoops {
    differ: Count,
    both: Count,
}

pub(crate) static SCALAR: BitLoops = BitLoops { differ: scalar::differ, both: scalar::both };

#[cfg(target_arch = "x86_64")]
pub(crate) static AVX2: BitLoops = BitLoops { differ: avx2::differ, both: avx2::both };

#[cfg(target_arch = "x86_64")]
pub(crate) static VPOPCNT: BitLoops = BitLoops { differ: vpopcnt::differ, both: vpopcnt::both };

impl Kernels {
    /// Number of bits that differ. Panics if the lengths differ or exceed [`BITS_BYTES_MAX`].
    #[inline]
    pub fn hamming(&self, a: &[u8], b: &[u8]) -> u32 {
        assert!(a.len() == b.len() && a.len() <= BITS_BYTES_MAX, "dimensions differ");
        // SAFETY (here and below): lengths are equal, and the table exists only if the CPU has the features.
        unsafe { (self.bits.differ)(a, b) }
    }

    /// One less the share of bits set in both among bits set in either; 0 when none is set in either, since the two
    /// are equal. Panics if the lengths differ or exceed [`BITS_BYTES_MAX`].
    #[inline]
    pub fn jaccard(&self, a: &[u8], b: &[u8]) -> f32 {
        assert!(a.len() == b.len() && a.len() <= BITS_BYTES_MAX, "dimensions differ");
        let (differ, both) = unsafe { ((self.bits.differ)(a, b), (self.bits.both)(a, b)) };
        let either = differ + both;
        if either == 0 { 0.0 } else { (f64::from(differ) / f64::from(either)) as f32 }
    }
}
