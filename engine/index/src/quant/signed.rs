//! A query as signed bytes.
//!
//! Loops over lanes, so that the compiler makes vectors of them: with one running maximum, each value waits for the one before,
//! and a query of 784 values took 9 % of a search's time.

/// Values that are coded together.
const LANES: usize = 16;

/// `p ~ step * factor`, with what the factors come to in sum.
pub(crate) struct Signed {
    pub(crate) factors: Vec<i8>,
    pub(crate) step: f32,
    pub(crate) sum: i32,
}

impl Signed {
    /// Factors of -127 to 127, the largest value at one of the ends.
    pub(crate) fn of(values: &[f32]) -> Signed {
        let step = largest(values) / 127.0;
        let inverse = if step > 0.0 { 1.0 / step } else { 0.0 };
        let factors: Vec<i8> = values.iter().map(|value| nearest(value * inverse)).collect();
        let sum = factors.iter().map(|factor| i32::from(*factor)).sum();
        Signed { factors, step, sum }
    }
}

/// The nearest whole number, halves away from zero.
#[inline(always)]
fn nearest(value: f32) -> i8 {
    // `round` is a call for each value where the compiler may assume no more than SSE2.
    (value + 0.5f32.copysign(value)) as i8
}

fn largest(values: &[f32]) -> f32 {
    let (groups, rest) = values.as_chunks::<LANES>();
    let mut most = [0.0f32; LANES];
    for group in groups {
        for (most, value) in most.iter_mut().zip(group) {
            *most = most.max(value.abs());
        }
    }
    rest.iter().map(|value| value.abs()).chain(most).fold(0.0, f32::max)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_become_the_nearest_of_255_steps() {
        let values: Vec<f32> = (0..100).map(|i| (i as f32 - 40.0) * 0.37).collect();
        let signed = Signed::of(&values);
        assert!((signed.step - values[99] / 127.0).abs() < 1e-6);
        for (value, factor) in values.iter().zip(&signed.factors) {
            assert!(
                (value - signed.step * f32::from(*factor)).abs() <= signed.step * 0.501,
                "{value} as {factor}"
            );
            assert_eq!(i32::from(*factor), (value / signed.step).round() as i32);
        }
        assert_eq!(signed.sum, signed.factors.iter().map(|factor| i32::from(*factor)).sum::<i32>());
        assert_eq!(signed.factors[99], 127);
    }

    #[test]
    fn nothing_but_zeros_and_nothing_at_all_have_no_step() {
        for values in [vec![0.0; 37], vec![]] {
            let signed = Signed::of(&values);
            assert_eq!((signed.step, signed.sum), (0.0, 0));
            assert!(signed.factors.iter().all(|factor| *factor == 0));
        }
    }
}
