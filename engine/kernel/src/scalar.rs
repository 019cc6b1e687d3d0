//! The portable loops: sixteen independent sums, which the compiler vectorises for the baseline of any target.

const LANES: usize = 16;

#[inline(always)]
fn sum(lanes: [f32; LANES]) -> f32 {
    let mut width = LANES / 2;
    let mut lanes = lanes;
    while width > 0 {
        for i in 0..width {
            lanes[i] += lanes[i + width];
        }
        width /= 2;
    }
    lanes[0]
}

#[inline(always)]
fn fold(a: &[f32], b: &[f32], term: impl Fn(f32, f32) -> f32) -> f32 {
    let (a_blocks, a_tail) = a.as_chunks::<LANES>();
    let (b_blocks, b_tail) = b.as_chunks::<LANES>();
    let mut lanes = [0.0f32; LANES];
    for (x, y) in a_blocks.iter().zip(b_blocks) {
        for i in 0..LANES {
            lanes[i] += term(x[i], y[i]);
        }
    }
    for (i, (x, y)) in a_tail.iter().zip(b_tail).enumerate() {
        lanes[i] += term(*x, *y);
    }
    sum(lanes)
}

/// Dot product.
pub(crate) fn dot(a: &[f32], b: &[f32]) -> f32 {
    fold(a, b, |x, y| x * y)
}

/// Squared Euclidean distance.
pub(crate) fn l2(a: &[f32], b: &[f32]) -> f32 {
    fold(a, b, |x, y| (x - y) * (x - y))
}

/// Dot product with `b`, and the squared norm of `b`.
pub(crate) fn dot_norm(a: &[f32], b: &[f32]) -> (f32, f32) {
    (dot(a, b), dot(b, b))
}

/// Four dot products against one query.
pub(crate) fn dot4(q: &[f32], rows: [&[f32]; 4]) -> [f32; 4] {
    rows.map(|row| dot(q, row))
}

/// Four squared distances from one query.
pub(crate) fn l2_4(q: &[f32], rows: [&[f32]; 4]) -> [f32; 4] {
    rows.map(|row| l2(q, row))
}
