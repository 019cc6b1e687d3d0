//! One query against many rows of packed vectors: bits, 16-bit floats, int8.
//!
//! The twin of [`crate::Query`], for rows that are bytes. Both give internal distances: smaller is nearer.

mod bit_values;
mod brains;

pub use bit_values::bits_of;

use self::brains::Brains;
use crate::norm::inverse_norm_of;
use crate::score::{from_cosine, from_dot, from_l2};
use crate::{Half, Kernels, inverse_norm};
use std::borrow::Cow;
use vecraft_types::{Metric, Packed};

/// A query made ready. The same vector as bytes and as f32 values gives the same distances.
#[derive(Clone, Debug)]
pub struct PackedQuery {
    metric: Metric,
    form: Form,
    row_bytes: usize,
    kernels: &'static Kernels,
}

#[derive(Clone, Debug)]
enum Form {
    Bits(Vec<u8>),
    Halves(Halves),
    Bytes { values: Vec<i8>, inverse_norm: f32 },
}

#[derive(Clone, Debug)]
struct Halves {
    half: Half,
    /// Widened; for COSINE normalised.
    values: Vec<f32>,
    /// For COSINE: the distance from it is a row's norm.
    zeros: Vec<f32>,
    /// For IP and COSINE, where the processor multiplies brain floats and the query consists of them: used instead of
    /// `values`, but for rows it is not good for.
    brains: Option<Brains>,
}

impl PackedQuery {
    /// Prepares a query of these bytes for the process's kernels. None if the metric does not compare such vectors, or
    /// the bytes are too many or no whole elements.
    pub fn new(metric: Metric, kind: Packed, bytes: &[u8]) -> Option<PackedQuery> {
        Self::with_kernels(metric, kind, bytes, Kernels::active())
    }

    /// Prepares a query for a given instruction set (tests compare them).
    pub fn with_kernels(
        metric: Metric,
        kind: Packed,
        bytes: &[u8],
        kernels: &'static Kernels,
    ) -> Option<PackedQuery> {
        let is_of_bits = matches!(metric, Metric::Hamming | Metric::Jaccard);
        if is_of_bits != (kind == Packed::Bit) {
            return None;
        }
        let form = match kind {
            Packed::Bit if bytes.len() > crate::BITS_BYTES_MAX => return None,
            Packed::Bit => Form::Bits(bytes.to_vec()),
            Packed::Float16 | Packed::BFloat16 if !bytes.len().is_multiple_of(2) => return None,
            Packed::Float16 => halves(metric, Half::Ieee, widened(kind, bytes), kernels),
            Packed::BFloat16 => halves(metric, Half::Brain, widened(kind, bytes), kernels),
            Packed::Int8 if bytes.len() > crate::BYTES_MAX => return None,
            Packed::Int8 => of_bytes(signed(bytes).to_vec(), kernels),
        };
        Some(PackedQuery { metric, form, row_bytes: bytes.len(), kernels })
    }

    /// Prepares a query of numbers for rows of this kind. For int8 they are rounded to whole ones in its range, for bits
    /// those above a half are set; what came from such rows ([`widened`]) stays as it is. None where
    /// [`PackedQuery::new`] has none.
    pub fn of_values(metric: Metric, kind: Packed, values: &[f32]) -> Option<PackedQuery> {
        if kind == Packed::Bit {
            return PackedQuery::new(metric, kind, &bits_of(values));
        }
        if matches!(metric, Metric::Hamming | Metric::Jaccard) {
            return None;
        }
        let kernels = Kernels::active();
        let (form, width) = match kind {
            Packed::Bit => return None,
            Packed::Float16 => (halves(metric, Half::Ieee, values.to_vec(), kernels), 2),
            Packed::BFloat16 => (halves(metric, Half::Brain, values.to_vec(), kernels), 2),
            Packed::Int8 if values.len() > crate::BYTES_MAX => return None,
            // A cast of a float saturates.
            Packed::Int8 => (of_bytes(values.iter().map(|value| value.round() as i8).collect(), kernels), 1),
        };
        Some(PackedQuery { metric, form, row_bytes: values.len() * width, kernels })
    }

    /// The metric asked for.
    pub fn metric(&self) -> Metric {
        self.metric
    }

    /// Bytes of the query, and of every row it is compared with.
    pub fn row_bytes(&self) -> usize {
        self.row_bytes
    }

    /// Distance to one row. Panics if it is not as long as the query.
    #[inline]
    pub fn distance(&self, row: &[u8]) -> f32 {
        assert_eq!(row.len(), self.row_bytes, "dimensions differ");
        match &self.form {
            Form::Bits(bits) if self.metric == Metric::Jaccard => self.kernels.jaccard(bits, row),
            Form::Bits(bits) => self.kernels.hamming(bits, row) as f32,
            Form::Halves(query) => {
                let row = &elements(row);
                let norm = || half_inverse_norm(self.kernels, query.half, &query.zeros, row);
                self.half(query, row, norm)
            }
            Form::Bytes { values, inverse_norm } => {
                let row = signed(row);
                self.bytes(values, *inverse_norm, row, || inverse_root(self.kernels.dot_bytes(row, row)))
            }
        }
    }

    /// Distance to one row whose [`packed_inverse_norm`] is known (used by COSINE only); equals
    /// [`PackedQuery::distance`] bit for bit. Panics if it is not as long as the query.
    #[inline]
    pub fn distance_normed(&self, row: &[u8], inverse_norm: f32) -> f32 {
        assert_eq!(row.len(), self.row_bytes, "dimensions differ");
        match &self.form {
            Form::Bits(_) => self.distance(row),
            Form::Halves(query) => self.half(query, &elements(row), || inverse_norm),
            Form::Bytes { values, inverse_norm: own } => {
                self.bytes(values, *own, signed(row), || inverse_norm)
            }
        }
    }

    #[inline]
    fn half(&self, query: &Halves, row: &[u16], inverse_norm: impl FnOnce() -> f32) -> f32 {
        let Halves { half, values, brains, .. } = query;
        let dot = || self.kernels.dot_half(*half, values, row);
        match self.metric {
            Metric::L2 => from_l2(self.kernels.l2_squared_half(*half, values, row)),
            Metric::Cosine => {
                let inverse_norm = inverse_norm();
                let quick = brains.as_ref().and_then(|query| query.cosine(self.kernels, row, inverse_norm));
                from_cosine(quick.unwrap_or_else(|| dot() * inverse_norm))
            }
            _ => {
                let quick = brains.as_ref().and_then(|query| query.dot(self.kernels, row));
                from_dot(quick.unwrap_or_else(dot))
            }
        }
    }

    #[inline]
    fn bytes(&self, values: &[i8], own: f32, row: &[i8], inverse_norm: impl FnOnce() -> f32) -> f32 {
        match self.metric {
            Metric::L2 => self.kernels.l2_squared_bytes(values, row) as f32,
            Metric::Cosine => {
                let dot = self.kernels.dot_bytes(values, row) as f32;
                from_cosine(dot * (own * inverse_norm()))
            }
            _ => from_dot(self.kernels.dot_bytes(values, row) as f32),
        }
    }
}

/// The f32 values of a packed vector; of bits they are 0 and 1. A byte too many at the end of halves is left out.
pub fn widened(kind: Packed, bytes: &[u8]) -> Vec<f32> {
    match kind {
        Packed::Bit => bit_values::numbers_of(bytes),
        Packed::Float16 => elements(bytes).iter().map(|bits| Half::Ieee.to_f32(*bits)).collect(),
        Packed::BFloat16 => elements(bytes).iter().map(|bits| Half::Brain.to_f32(*bits)).collect(),
        Packed::Int8 => signed(bytes).iter().map(|value| f32::from(*value)).collect(),
    }
}

/// One over the Euclidean norm of a row of numbers, as [`crate::inverse_norm`]; 0 for bits.
pub fn packed_inverse_norm(kind: Packed, bytes: &[u8]) -> f32 {
    let kernels = Kernels::active();
    let of_halves = |half: Half| {
        let row = &elements(bytes);
        half_inverse_norm(kernels, half, &vec![0.0; row.len()], row)
    };
    match kind {
        Packed::Bit => 0.0,
        Packed::Float16 => of_halves(Half::Ieee),
        Packed::BFloat16 => of_halves(Half::Brain),
        Packed::Int8 => inverse_root(kernels.dot_bytes(signed(bytes), signed(bytes))),
    }
}

/// `zeros`: as many as the row has elements; the distance from them is the norm.
#[inline]
fn half_inverse_norm(kernels: &Kernels, half: Half, zeros: &[f32], row: &[u16]) -> f32 {
    let norm_squared = kernels.l2_squared_half(half, zeros, row);
    let wide = || row.iter().map(|bits| half.to_f32(*bits)).collect::<Vec<f32>>();
    inverse_norm_of(norm_squared, wide)
}

fn of_bytes(values: Vec<i8>, kernels: &Kernels) -> Form {
    let inverse_norm = inverse_root(kernels.dot_bytes(&values, &values));
    Form::Bytes { values, inverse_norm }
}

fn halves(metric: Metric, half: Half, mut values: Vec<f32>, kernels: &Kernels) -> Form {
    let is_brain = half == Half::Brain;
    let (mut zeros, mut brains) = (Vec::new(), None);
    if metric == Metric::Cosine {
        let inverse = inverse_norm(&values);
        if is_brain {
            brains = Brains::for_cosine(&values, inverse, kernels);
        }
        values.iter_mut().for_each(|value| *value *= inverse);
        zeros = vec![0.0; values.len()];
    } else if metric == Metric::Ip && is_brain {
        brains = Brains::for_dot(&values, kernels);
    }
    Form::Halves(Halves { half, values, zeros, brains })
}

/// 16-bit elements in place where they are aligned, as rows in buffers and files are; else copied.
#[inline(always)]
fn elements(bytes: &[u8]) -> Cow<'_, [u16]> {
    // SAFETY: every bit pattern is a u16; `align_to` gives the aligned part only.
    let (before, middle, after) = unsafe { bytes.align_to::<u16>() };
    if before.is_empty() && after.is_empty() && cfg!(target_endian = "little") {
        return Cow::Borrowed(middle);
    }
    let (pairs, _) = bytes.as_chunks::<2>();
    Cow::Owned(pairs.iter().map(|pair| u16::from_le_bytes(*pair)).collect())
}

#[inline(always)]
fn signed(bytes: &[u8]) -> &[i8] {
    // SAFETY: the same length, and every byte is a valid i8.
    unsafe { std::slice::from_raw_parts(bytes.as_ptr().cast(), bytes.len()) }
}

/// One over the root of a squared norm; 0 for a zero vector.
#[inline(always)]
fn inverse_root(norm_squared: i32) -> f32 {
    if norm_squared == 0 { 0.0 } else { 1.0 / (norm_squared as f32).sqrt() }
}

#[cfg(test)]
mod tests;
