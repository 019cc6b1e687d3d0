use super::*;
use proptest::prelude::*;

fn bound(dim: usize, terms: f64) -> f64 {
    (dim as f64 + 4.0) * f64::from(f32::EPSILON) * terms + f64::from(f32::MIN_POSITIVE)
}

fn check(half: Half, query: &[f32], row: &[u16]) {
    let values: Vec<f64> = row.iter().map(|bits| f64::from(half.to_f32(*bits))).collect();
    let sum = |term: fn(f64, f64) -> f64| {
        query
            .iter()
            .zip(&values)
            .map(|(q, r)| term(f64::from(*q), *r))
            .fold((0.0, 0.0), |(s, t), v| (s + v, t + v.abs()))
    };
    let ((dot, dot_terms), (l2, l2_terms)) = (sum(|q, r| q * r), sum(|q, r| (q - r) * (q - r)));
    for set in Kernels::available() {
        let what = format!("{} {half:?} of {}", set.name(), query.len());
        let got = f64::from(set.dot_half(half, query, row));
        assert!((got - dot).abs() <= bound(query.len(), dot_terms), "{what}: {got}, {dot}");
        let got = f64::from(set.l2_squared_half(half, query, row));
        assert!((got - l2).abs() <= bound(query.len(), l2_terms), "{what}: {got}, {l2}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn every_instruction_set_is_within_the_stated_error(
        (query, row) in (1usize..200).prop_flat_map(|dim| {
            (prop::collection::vec(-100.0f32..100.0, dim), prop::collection::vec(any::<u16>(), dim))
        }),
    ) {
        // Finite: the exponent's lowest bit is cleared where all are set. Brain floats of moderate size.
        let ieee: Vec<u16> = row.iter().map(|x| if x & 0x7c00 == 0x7c00 { x & !0x0400 } else { *x }).collect();
        let brain: Vec<u16> = row.iter().map(|x| x & 0x807f | 0x3f00 | x & 0x0180).collect();
        check(Half::Ieee, &query, &ieee);
        check(Half::Brain, &query, &brain);
    }
}

/// Every bit pattern, against the definition and against what each instruction set makes of it.
#[test]
fn every_half_is_widened_exactly() {
    for bits in 0..=u16::MAX {
        let value = Half::Ieee.to_f32(bits);
        let (exponent, fraction) = (i32::from(bits >> 10 & 31), f64::from(bits & 0x3ff) / 1024.0);
        let magnitude = match exponent {
            0 => fraction * 2f64.powi(-14),
            31 if fraction == 0.0 => f64::INFINITY,
            31 => f64::NAN,
            _ => (1.0 + fraction) * 2f64.powi(exponent - 15),
        };
        let want = if bits >> 15 == 1 { -magnitude } else { magnitude };
        assert!(f64::from(value) == want || value.is_nan() && want.is_nan(), "{bits:04x}: {value}, {want}");
        assert_eq!(Half::Brain.to_f32(bits).to_bits(), u32::from(bits) << 16);
        if value.is_finite() {
            for set in Kernels::available() {
                assert_eq!(
                    set.dot_half(Half::Ieee, &[1.0; 16], &[bits; 16]),
                    value * 16.0,
                    "{bits:04x} {}",
                    set.name()
                );
            }
        }
    }
}

#[test]
#[should_panic(expected = "dimensions differ")]
fn different_lengths_are_refused() {
    Kernels::active().dot_half(Half::Brain, &[1.0], &[1, 2]);
}
