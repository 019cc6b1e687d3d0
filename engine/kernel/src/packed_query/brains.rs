//! A query kept as brain floats, for processors that multiply those themselves.
//!
//! Only where nothing is lost by it: every value is zero or a normal brain float, so each product is what the widened
//! query would give. COSINE multiplies the query by a power of two, which is exact, to a length between 0.5 and 1, so that
//! neither its squares nor its products leave the range; what is missing to 1 is applied to the result. L2 is not done
//! this way: the norms less twice the dot product would lose what is small beside the norms.

use crate::Kernels;

/// 2^64. COSINE takes rows shorter than its inverse the other way, since what the instruction makes zero (up to three times
/// `f32::MIN_POSITIVE` a dimension) would begin to count beside them. Here it is below `f32::EPSILON` up to 2^36 dimensions.
const INVERSE_NORM_MAX: f32 = 18_446_744_073_709_551_616.0;

/// The query's bit patterns.
#[derive(Clone, Debug)]
pub(super) struct Brains {
    bits: Vec<u16>,
    /// COSINE: one over the norm of `bits`, from 1 to 2.
    inverse_norm: f32,
}

impl Brains {
    /// The query as it is, for IP. None where the processor lacks the instruction or a value would not stay what it is.
    pub(super) fn for_dot(values: &[f32], kernels: &Kernels) -> Option<Brains> {
        Self::scaled(values, 1.0, 1.0, kernels)
    }

    /// The query for COSINE, with its [`crate::inverse_norm`]. None as [`Brains::for_dot`].
    pub(super) fn for_cosine(values: &[f32], inverse_norm: f32, kernels: &Kernels) -> Option<Brains> {
        if !inverse_norm.is_normal() {
            return None;
        }
        // The exponent alone: the largest power of two that is not above the inverse.
        let scale = f32::from_bits(inverse_norm.to_bits() & 0x7f80_0000);
        Self::scaled(values, scale, inverse_norm / scale, kernels)
    }

    fn scaled(values: &[f32], scale: f32, inverse_norm: f32, kernels: &Kernels) -> Option<Brains> {
        if !kernels.has_dot_brains() {
            return None;
        }
        let bits = values.iter().map(|value| brain(*value, scale)).collect::<Option<Vec<u16>>>()?;
        Some(Brains { bits, inverse_norm })
    }

    /// Dot product with a row.
    #[inline]
    pub(super) fn dot(&self, kernels: &Kernels, row: &[u16]) -> Option<f32> {
        kernels.dot_brains(&self.bits, row)
    }

    /// Cosine with a row whose inverse norm this is. None for rows too short to be compared so.
    #[inline]
    pub(super) fn cosine(&self, kernels: &Kernels, row: &[u16], inverse_norm: f32) -> Option<f32> {
        if inverse_norm > INVERSE_NORM_MAX {
            return None;
        }
        Some(kernels.dot_brains(&self.bits, row)? * (self.inverse_norm * inverse_norm))
    }
}

/// The brain float that `value` is after multiplication with a power of two; None if it is none, or a subnormal one.
fn brain(value: f32, scale: f32) -> Option<u16> {
    let scaled = value * scale;
    let is_kept = value == 0.0 || scaled.is_normal();
    let bits = scaled.to_bits();
    (is_kept && bits & 0xffff == 0).then_some((bits >> 16) as u16)
}

#[cfg(test)]
mod tests;
