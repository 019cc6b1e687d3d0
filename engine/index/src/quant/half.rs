//! FP16 and BF16: a vector as 16-bit floats, less the mean of the rows, where floats are finest.
//!
//! ```text
//! L2   |q - x|^2 = |p - y|^2        p = q - mean, y = x - mean
//! IP   -q.x      = -q.y - q.mean    the last is the same for all rows: left out
//! ```
//! COSINE is L2 of unit vectors.
//! Values beyond the range of FP16 become the largest there is.

use super::{Frame, Quantizer, Unasked};
use crate::container::{Reader, Writer};
use crate::{Result, SearchParams, VectorRows};
use vecraft_kernel::{Half, Kernels, inverse_norm};
use vecraft_types::Metric;

/// The largest FP16.
const LARGEST: f32 = 65_504.0;

/// See the module.
#[derive(Clone, Debug)]
pub(crate) struct HalfSq<const BRAIN: bool> {
    frame: Frame,
    kernels: &'static Kernels,
}

/// 16-bit floats of IEEE 754.
pub(crate) type Fp16 = HalfSq<false>;
/// The upper halves of f32.
pub(crate) type Bf16 = HalfSq<true>;

impl<const BRAIN: bool> HalfSq<BRAIN> {
    const HALF: Half = if BRAIN { Half::Brain } else { Half::Ieee };

    pub(crate) fn new(frame: Frame) -> Self {
        HalfSq { frame, kernels: Kernels::active() }
    }
}

/// The nearest 16-bit float, even of two; never infinite, never NaN.
fn narrow<const BRAIN: bool>(value: f32) -> u16 {
    let sign = (value.to_bits() >> 16 & 0x8000) as u16;
    if BRAIN {
        // The largest brain float: rounding up stops there.
        let bits = value.abs().min(f32::from_bits(0x7f7f_0000)).to_bits();
        return sign | ((bits + 0x7fff + (bits >> 16 & 1)) >> 16) as u16;
    }
    let magnitude = value.abs().min(LARGEST);
    if magnitude < 1.0 / 16_384.0 {
        // Subnormal: a multiple of 2^-24; rounded up to 1,024 of them it is the least normal, as its bits say.
        return sign | (magnitude * 16_777_216.0).round_ties_even() as u16;
    }
    let bits = magnitude.to_bits();
    sign | ((bits + 0x0fff + (bits >> 13 & 1) - ((127 - 15) << 23)) >> 13) as u16
}

impl<const BRAIN: bool> Quantizer for HalfSq<BRAIN> {
    /// What the rows are compared with: `p`, or `q`.
    type Query<'q> = Vec<f32>;

    const UNASKED: Unasked = Unasked { times: 2, least: 20 };

    const IS_CENTRED: bool = false;

    fn row_bytes(&self) -> usize {
        2 * self.frame.mean().len()
    }

    fn centre(&self, _mean: &[f32]) -> Vec<f32> {
        Vec::new()
    }

    fn encode(&self, values: &[f32], weight: f32, _centre: &[f32], out: &mut [u8]) {
        for ((slot, x), mean) in out.chunks_exact_mut(2).zip(values).zip(self.frame.mean()) {
            slot.copy_from_slice(&narrow::<BRAIN>(x * weight - mean).to_le_bytes());
        }
    }

    fn query<'q>(&self, values: &[f32], _params: &SearchParams) -> Self::Query<'q> {
        let weight = if self.frame.metric() == Metric::Cosine { inverse_norm(values) } else { 1.0 };
        match self.frame.is_l2() {
            true => values.iter().zip(self.frame.mean()).map(|(x, mean)| x * weight - mean).collect(),
            false => values.to_vec(),
        }
    }

    fn base(&self, _query: &Vec<f32>, _centre: &[f32]) -> f32 {
        0.0
    }

    /// Rows start at multiples of 4 bytes, so they can be read as they lie.
    #[inline]
    fn one(&self, query: &Vec<f32>, codes: &[u8]) -> f32 {
        let halves: &[u16] = bytemuck::cast_slice(codes);
        let distance = match self.frame.is_l2() {
            true => self.kernels.l2_squared_half(Self::HALF, query, halves),
            false => -self.kernels.dot_half(Self::HALF, query, halves),
        };
        distance.min(f32::INFINITY)
    }

    #[inline]
    fn four(&self, query: &Vec<f32>, rows: [&[u8]; 4]) -> [f32; 4] {
        rows.map(|row| self.one(query, row))
    }

    fn memory_bytes(&self) -> usize {
        self.frame.memory_bytes()
    }

    fn write(&self, writer: &mut Writer<'_>) -> Result<()> {
        self.frame.write(writer)
    }

    fn read(reader: &mut Reader<'_>, metric: Metric, rows: &VectorRows) -> Result<Self> {
        Ok(HalfSq::new(Frame::read(reader, metric, rows)?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn narrowed_values_are_the_nearest() {
        for bits in 0..=u16::MAX {
            for (half, again) in [
                (Half::Ieee, narrow::<false> as fn(f32) -> u16),
                (Half::Brain, narrow::<true> as fn(f32) -> u16),
            ] {
                let value = half.to_f32(bits);
                if value.is_finite() {
                    assert_eq!(again(value), bits, "{half:?} {bits:04x} comes back");
                    let next = half.to_f32(bits.wrapping_add(1));
                    if next.is_finite() && (next > 0.0) == (value > 0.0) {
                        assert_eq!(
                            again(value + (next - value) * 0.4),
                            bits,
                            "{half:?} {bits:04x} and a bit more"
                        );
                    }
                }
            }
        }
        for extreme in [f32::MAX, f32::INFINITY, 1e6] {
            assert_eq!(Half::Ieee.to_f32(narrow::<false>(extreme)), LARGEST);
            assert_eq!(Half::Ieee.to_f32(narrow::<false>(-extreme)), -LARGEST);
            assert!(Half::Brain.to_f32(narrow::<true>(extreme)).is_finite());
        }
        assert!(Half::Ieee.to_f32(narrow::<false>(f32::NAN)).is_finite());
    }
}
