//! Portable loops over signed bytes.

/// Sum of products, or of squared differences when `L2`. Same lengths, at most [`super::BYTES_MAX`].
pub(crate) fn sum<const L2: bool>(a: &[i8], b: &[i8]) -> i32 {
    let term = |(x, y): (&i8, &i8)| {
        let (x, y) = (i32::from(*x), i32::from(*y));
        if L2 { (x - y) * (x - y) } else { x * y }
    };
    a.iter().zip(b).map(term).sum()
}
