//! Loops over packed bits: distances of binary vectors (Hamming, Jaccard), and what one-bit codes select of a query.
//!
//! Counts are whole numbers, so every instruction set gives the same. [`Kernels::masked_sum`] adds f32: its error is
//! that of [`Kernels::dot`].

#[cfg(target_arch = "x86_64")]
mod avx2;
#[cfg(target_arch = "aarch64")]
mod neon;
mod scalar;
#[cfg(test)]
mod tests;
#[cfg(target_arch = "x86_64")]
mod vpopcnt;

use crate::Kernels;

/// Longest vector in bytes: its count fits 32 bits.
pub const BITS_BYTES_MAX: usize = 1 << 28;

type Count = unsafe fn(&[u8], &[u8]) -> u32;
type Select = unsafe fn(&[f32], &[u8]) -> f32;
type Weigh = unsafe fn(&[u8], &[u8]) -> (u32, u32);

/// The loops of one instruction set.
#[derive(Debug)]
pub(crate) struct BitLoops {
    differ: Count,
    both: Count,
    select: Select,
    weigh: Weigh,
}

pub(crate) static SCALAR: BitLoops = BitLoops {
    differ: scalar::differ,
    both: scalar::both,
    select: scalar::select,
    weigh: |planes, bits| weigh(planes, bits, scalar::both),
};

#[cfg(target_arch = "x86_64")]
pub(crate) static AVX2: BitLoops = BitLoops {
    differ: avx2::differ,
    both: avx2::both,
    select: avx2::select,
    // SAFETY: the table exists only if the CPU has the features.
    weigh: |planes, bits| weigh(planes, bits, |a, b| unsafe { avx2::both(a, b) }),
};

#[cfg(target_arch = "x86_64")]
pub(crate) static VPOPCNT: BitLoops =
    BitLoops { differ: vpopcnt::differ, both: vpopcnt::both, select: vpopcnt::select, weigh: vpopcnt::weigh };

#[cfg(target_arch = "aarch64")]
pub(crate) static NEON: BitLoops = BitLoops {
    differ: neon::differ,
    both: neon::both,
    select: neon::select,
    // SAFETY: the table exists only if the CPU has the features.
    weigh: |planes, bits| weigh(planes, bits, |a, b| unsafe { neon::both(a, b) }),
};

/// Planes a query may have.
const PLANES_MAX: usize = 8;

/// What [`Kernels::weighted_bits`] tells, plane by plane.
#[inline(always)]
fn weigh(planes: &[u8], bits: &[u8], both: impl Fn(&[u8], &[u8]) -> u32) -> (u32, u32) {
    let planes = planes.chunks_exact(bits.len().max(1)).enumerate();
    (planes.map(|(i, plane)| both(plane, bits) << i).sum(), both(bits, bits))
}

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

    /// Sum of the values whose bit is set; bit `i % 8` of byte `i / 8` belongs to value `i`. Panics unless there is a
    /// value for every bit.
    #[inline]
    pub fn masked_sum(&self, values: &[f32], bits: &[u8]) -> f32 {
        assert_eq!(values.len(), bits.len() * 8, "dimensions differ");
        unsafe { (self.bits.select)(values, bits) }
    }

    /// Of whole numbers in planes (plane `b`, as long as `bits`, has bit `b` of all), the sum of those whose bit is set;
    /// and how many bits are set. Panics unless there are at most 8 planes, each as long as `bits`, which are at most
    /// 2^20 bytes.
    #[inline]
    pub fn weighted_bits(&self, planes: &[u8], bits: &[u8]) -> (u32, u32) {
        let whole = planes.len().is_multiple_of(bits.len().max(1));
        let is_right = whole && planes.len() <= PLANES_MAX * bits.len() && bits.len() <= 1 << 20;
        assert!(is_right, "dimensions differ");
        unsafe { (self.bits.weigh)(planes, bits) }
    }
}
