//! Distances of an f32 query to rows of 16-bit floats, IEEE (`FLOAT16`) or brain (`BFLOAT16`).
//!
//! Widening is exact, so the error is that of the f32 loops: `dim * f32::EPSILON` times the sum of the absolute terms.
//! Rows are bit patterns: Rust has no stable 16-bit float.
//!
//! Processors with AVX-512 BF16 also multiply brain floats by brain floats ([`Kernels::dot_brains`]). Each product has 16
//! significant bits and is exact in f32, so the error is the same and, because that instruction makes zero of what is subnormal
//! (factors, products and sums below `f32::MIN_POSITIVE`), `f32::MIN_POSITIVE` times the sum of all absolute factors and of
//! `2 * dim`. NaN and infinities come out as from the other loops, but infinity times a subnormal is NaN.

#[cfg(target_arch = "x86_64")]
mod avx2;
#[cfg(target_arch = "x86_64")]
mod avx512;
#[cfg(target_arch = "x86_64")]
mod avx512_bf16;
#[cfg(target_arch = "aarch64")]
mod neon;
mod scalar;
#[cfg(test)]
mod tests;

use crate::Kernels;

type Mixed = unsafe fn(&[f32], &[u16]) -> f32;
type Brains = unsafe fn(&[u16], &[u16]) -> f32;

/// The loops of one instruction set.
#[derive(Debug)]
pub(crate) struct HalfLoops {
    dot: Mixed,
    l2: Mixed,
    brain_dot: Mixed,
    brain_l2: Mixed,
    /// Both sides brain floats: only where the processor multiplies them itself. Widening both would be slower than
    /// `brain_dot`.
    brain_pairs: Option<Brains>,
}

pub(crate) static SCALAR: HalfLoops = HalfLoops {
    dot: scalar::dot::<false>,
    l2: scalar::l2::<false>,
    brain_dot: scalar::dot::<true>,
    brain_l2: scalar::l2::<true>,
    brain_pairs: None,
};

#[cfg(target_arch = "x86_64")]
pub(crate) static AVX2: HalfLoops = HalfLoops {
    dot: avx2::dot::<false>,
    l2: avx2::l2::<false>,
    brain_dot: avx2::dot::<true>,
    brain_l2: avx2::l2::<true>,
    brain_pairs: None,
};

#[cfg(target_arch = "x86_64")]
pub(crate) static AVX512: HalfLoops = HalfLoops {
    dot: avx512::dot::<false>,
    l2: avx512::l2::<false>,
    brain_dot: avx512::dot::<true>,
    brain_l2: avx512::l2::<true>,
    brain_pairs: None,
};

/// [`AVX512`] with products of brain floats.
#[cfg(target_arch = "x86_64")]
pub(crate) static AVX512_BF16: HalfLoops = HalfLoops {
    dot: avx512::dot::<false>,
    l2: avx512::l2::<false>,
    brain_dot: avx512::dot::<true>,
    brain_l2: avx512::l2::<true>,
    brain_pairs: Some(avx512_bf16::dot),
};

#[cfg(target_arch = "aarch64")]
pub(crate) static NEON: HalfLoops = HalfLoops {
    dot: neon::dot::<false>,
    l2: neon::l2::<false>,
    brain_dot: neon::dot::<true>,
    brain_l2: neon::l2::<true>,
    brain_pairs: None,
};

/// Which 16-bit float.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Half {
    /// IEEE 754 binary16.
    Ieee,
    /// The upper half of an f32.
    Brain,
}

impl Half {
    /// The value of a bit pattern.
    pub fn to_f32(self, bits: u16) -> f32 {
        match self {
            Half::Ieee => widen::<false>(bits),
            Half::Brain => widen::<true>(bits),
        }
    }
}

#[inline(always)]
fn widen<const BRAIN: bool>(bits: u16) -> f32 {
    if BRAIN {
        return f32::from_bits(u32::from(bits) << 16);
    }
    let sign = u32::from(bits & 0x8000) << 16;
    let rest = u32::from(bits & 0x7fff);
    let magnitude = match rest >> 10 {
        // Subnormal: a multiple of 2^-24.
        0 => (rest as f32 * (1.0 / 16_777_216.0)).to_bits(),
        // Infinite or NaN; NaNs come out quiet, as the instruction gives them.
        31 if rest & 0x3ff != 0 => 0x7fc0_0000 | rest << 13,
        31 => 0x7f80_0000,
        _ => (rest << 13) + ((127 - 15) << 23),
    };
    f32::from_bits(sign | magnitude)
}

impl Kernels {
    /// Dot product of a query with a row of halves. Panics if the lengths differ.
    #[inline]
    pub fn dot_half(&self, half: Half, query: &[f32], row: &[u16]) -> f32 {
        assert_eq!(query.len(), row.len(), "dimensions differ");
        let loops = self.halves;
        // SAFETY (here and below): lengths are equal, and the table exists only if the CPU has the features.
        unsafe { if half == Half::Ieee { (loops.dot)(query, row) } else { (loops.brain_dot)(query, row) } }
    }

    /// Squared Euclidean distance of a query from a row of halves. Panics if the lengths differ.
    #[inline]
    pub fn l2_squared_half(&self, half: Half, query: &[f32], row: &[u16]) -> f32 {
        assert_eq!(query.len(), row.len(), "dimensions differ");
        let loops = self.halves;
        unsafe { if half == Half::Ieee { (loops.l2)(query, row) } else { (loops.brain_l2)(query, row) } }
    }

    /// Dot product of two rows of brain floats; None where the processor has no instruction for it
    /// ([`Kernels::has_dot_brains`]). Panics if the lengths differ.
    #[inline]
    pub(crate) fn dot_brains(&self, query: &[u16], row: &[u16]) -> Option<f32> {
        assert_eq!(query.len(), row.len(), "dimensions differ");
        self.halves.brain_pairs.map(|dot| unsafe { dot(query, row) })
    }

    /// Whether [`Kernels::dot_brains`] gives anything.
    pub(crate) fn has_dot_brains(&self) -> bool {
        self.halves.brain_pairs.is_some()
    }
}
