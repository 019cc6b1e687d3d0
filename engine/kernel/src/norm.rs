//! Norms, safe for zero vectors and for values whose squares leave the range of f32.

use crate::Kernels;

/// Squares below this lose digits to underflow, so the norm is taken again in f64.
const SMALL: f32 = 1e-30;

/// One over the Euclidean norm; 0 for a zero vector (and for one so small that the inverse overflows), which
/// gives it cosine 0 with everything.
pub fn inverse_norm(v: &[f32]) -> f32 {
    inverse_norm_of(Kernels::active().dot(v, v), || v)
}

/// [`inverse_norm`] when the squared norm of a vector is already at hand; its values are asked for only where they matter.
#[inline]
pub(crate) fn inverse_norm_of<V: AsRef<[f32]>>(norm_squared: f32, values: impl FnOnce() -> V) -> f32 {
    if norm_squared.is_finite() && norm_squared >= SMALL {
        1.0 / norm_squared.sqrt()
    } else {
        careful(values().as_ref())
    }
}

#[cold]
fn careful(v: &[f32]) -> f32 {
    let norm_squared: f64 = v.iter().map(|x| f64::from(*x) * f64::from(*x)).sum();
    let inverse = (1.0 / norm_squared.sqrt()) as f32;
    if inverse.is_finite() { inverse } else { 0.0 }
}

/// Scales `v` to length 1 and returns the length it had; a zero vector stays zero and returns 0.
pub fn normalise(v: &mut [f32]) -> f32 {
    let inverse = inverse_norm(v);
    v.iter_mut().for_each(|x| *x *= inverse);
    if inverse == 0.0 { 0.0 } else { 1.0 / inverse }
}
