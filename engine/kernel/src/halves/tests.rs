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

/// Sets with an instruction for it against f64 and the bound of the module's page; the values may be subnormal and far apart.
fn check_pairs(query: &[u16], row: &[u16]) {
    let wide =
        |bits: &[u16]| -> Vec<f64> { bits.iter().map(|x| f64::from(Half::Brain.to_f32(*x))).collect() };
    let (q, r) = (wide(query), wide(row));
    let products = || q.iter().zip(&r).map(|(q, r)| q * r);
    let (dot, terms) = (products().sum::<f64>(), products().map(f64::abs).sum::<f64>());
    if terms > f64::from(f32::MAX) {
        return;
    }
    let factors: f64 = q.iter().chain(&r).map(|x| x.abs()).sum();
    let zeroed = f64::from(f32::MIN_POSITIVE) * (factors + 2.0 * q.len() as f64);
    for set in Kernels::available() {
        if let Some(got) = set.dot_brains(query, row).map(f64::from) {
            let bound = bound(q.len(), terms) + zeroed;
            assert!((got - dot).abs() <= bound, "{} of {}: {got}, {dot}", set.name(), q.len());
        }
    }
}

/// Finite: the exponent's lowest bit is cleared where all are set.
fn finite(bits: &[u16]) -> Vec<u16> {
    bits.iter().map(|x| if x & 0x7f80 == 0x7f80 { x & !0x0080 } else { *x }).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn pairs_of_brain_floats_are_within_the_stated_error(
        (query, row) in (1usize..300).prop_flat_map(|dim| {
            (prop::collection::vec(any::<u16>(), dim), prop::collection::vec(any::<u16>(), dim))
        }),
        (query_mask, row_mask) in (0u16..256, 0u16..256),
    ) {
        // The exponent's upper bits from all to none, so that many cases are of one size, small, or large times small.
        let masked = |bits: &[u16], mask: u16| -> Vec<u16> {
            finite(bits).iter().map(|x| x & (0x807f | mask << 7)).collect()
        };
        check_pairs(&finite(&query), &finite(&row));
        check_pairs(&masked(&query, query_mask), &masked(&row, row_mask));
        let moderate = |bits: &[u16]| -> Vec<u16> { bits.iter().map(|x| x & 0x81ff | 0x3e00).collect() };
        check_pairs(&moderate(&query), &moderate(&row));
    }
}

/// Subnormal factors times large ones, sums that end subnormal: what the bound speaks of.
#[test]
fn subnormal_brain_floats_are_within_the_stated_error() {
    let (smallest, subnormal, normal, one, large) = (0x0001, 0x007f, 0x0080, 0x3f80, 0x7f00);
    for a in [smallest, subnormal, normal, one, large] {
        for b in [smallest, subnormal, normal, one] {
            for dim in [1, 2, 31, 32, 33, 128, 129] {
                check_pairs(&vec![a; dim], &vec![b; dim]);
                check_pairs(&vec![b; dim], &vec![a | 0x8000; dim]);
            }
        }
    }
}

#[test]
fn pairs_pass_on_nan_and_infinity_as_the_other_loops_do() {
    let (zero, one, minus, infinite, nan) = (0u16, 0x3f80u16, 0xbf80u16, 0x7f80u16, 0x7fc1u16);
    for at in [0, 1, 30, 31, 32, 40] {
        for special in [infinite, infinite | 0x8000, nan, 0xff81] {
            for factor in [zero, one, minus, infinite, nan] {
                let (mut query, mut row) = (vec![one; 41], vec![minus; 41]);
                (query[at], row[at]) = (factor, special);
                let wide: Vec<f32> = query.iter().map(|x| Half::Brain.to_f32(*x)).collect();
                for set in Kernels::available() {
                    let want = set.dot_half(Half::Brain, &wide, &row);
                    for got in
                        [set.dot_brains(&query, &row), set.dot_brains(&row, &query)].into_iter().flatten()
                    {
                        assert!(got == want || got.is_nan() && want.is_nan(), "{factor:04x}: {got}, {want}");
                    }
                }
            }
        }
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
