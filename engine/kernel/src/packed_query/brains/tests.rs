#![allow(clippy::unwrap_used)]
use crate::{Half, Kernels, PackedQuery, packed_inverse_norm, widened};
use proptest::prelude::*;
use vecraft_types::{Metric, Packed};

const KIND: Packed = Packed::BFloat16;
const BOTH: [Metric; 2] = [Metric::Ip, Metric::Cosine];

fn bytes(bits: &[u16]) -> Vec<u8> {
    bits.iter().flat_map(|bits| bits.to_le_bytes()).collect()
}

/// The bits of a value that is a brain float.
fn brain(value: f32) -> u16 {
    assert_eq!(value.to_bits() & 0xffff, 0, "{value}");
    (value.to_bits() >> 16) as u16
}

fn power(exponent: i32) -> f32 {
    2f32.powi(exponent)
}

/// What every instruction set of this machine says.
fn distances(metric: Metric, query: &[u16], row: &[u16]) -> Vec<f32> {
    let ready = |set| PackedQuery::with_kernels(metric, KIND, &bytes(query), set).unwrap();
    Kernels::available().into_iter().map(|set| ready(set).distance(&bytes(row))).collect()
}

/// Brain floats of one size (their exponents, from 1 to 254, differ by three at most), some of them zero.
fn row_of(dim: usize, exponents: std::ops::Range<u16>) -> impl Strategy<Value = Vec<u16>> {
    (prop::collection::vec(any::<u16>(), dim), exponents).prop_map(|(bits, exponent)| {
        let sized =
            |x: u16| if x.is_multiple_of(11) { 0 } else { x & 0x807f | (exponent + (x >> 7) % 4) << 7 };
        bits.into_iter().map(sized).collect()
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    /// From rows whose squares are below the range of f32 to rows whose squares are above it.
    #[test]
    fn cosine_is_right_for_rows_and_queries_of_any_size(
        (query, row) in (1usize..200).prop_flat_map(|dim| (row_of(dim, 1..240), row_of(dim, 1..240))),
    ) {
        let wide = |bits: &[u16]| -> Vec<f64> {
            bits.iter().map(|bits| f64::from(Half::Brain.to_f32(*bits))).collect()
        };
        let dot = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(x, y)| x * y).sum::<f64>();
        let (q, r) = (wide(&query), wide(&row));
        let norms = (dot(&q, &q) * dot(&r, &r)).sqrt();
        let want = if norms == 0.0 { 0.0 } else { -dot(&q, &r) / norms };
        for got in distances(Metric::Cosine, &query, &row) {
            prop_assert!((f64::from(got) - want).abs() <= 3e-5, "{} {}", got, want);
        }
    }

    #[test]
    fn the_same_query_as_bytes_or_numbers_and_rows_with_or_without_norms_agree_to_the_bit(
        (query, row) in (1usize..200).prop_flat_map(|dim| {
            (prop::collection::vec(any::<u16>(), dim), prop::collection::vec(any::<u16>(), dim))
        }),
        (sized_query, sized_row) in (1usize..200).prop_flat_map(|dim| (row_of(dim, 1..250), row_of(dim, 1..250))),
    ) {
        for (query, row) in [(query, row), (sized_query, sized_row)] {
            let (query, row) = (bytes(&query), bytes(&row));
            let norm = packed_inverse_norm(KIND, &row);
            for metric in BOTH {
                let of_bytes = PackedQuery::new(metric, KIND, &query).unwrap();
                let of_values = PackedQuery::of_values(metric, KIND, &widened(KIND, &query)).unwrap();
                let want = of_bytes.distance(&row).to_bits();
                prop_assert_eq!(of_bytes.distance_normed(&row, norm).to_bits(), want);
                prop_assert_eq!(of_values.distance(&row).to_bits(), want);
                prop_assert_eq!(of_values.distance_normed(&row, norm).to_bits(), want);
            }
        }
    }
}

#[test]
fn a_query_of_other_numbers_is_not_rounded() {
    let values = [0.1f32, 0.2, -0.3];
    let row = [1.0, 2.0, 4.0].map(brain);
    let query = PackedQuery::of_values(Metric::Ip, KIND, &values).unwrap();
    assert_eq!(query.distance(&bytes(&row)), -Kernels::active().dot_half(Half::Brain, &values, &row));
}

#[test]
fn subnormal_values_of_a_query_count() {
    let query = [brain(power(-130)), brain(0.0)];
    assert!(distances(Metric::Ip, &query, &[brain(power(127)); 2]).iter().all(|x| *x == -0.125));
    // One value is subnormal only once the query is scaled to length 1.
    let query = [brain(power(60)), brain(power(-70))];
    let row = [brain(0.0), brain(power(100))];
    for got in distances(Metric::Cosine, &query, &row) {
        assert!((got / -power(-130) - 1.0).abs() < 0.1, "{got}");
    }
}

#[test]
fn rows_of_subnormal_values_have_a_cosine() {
    for exponents in [(-127, 3), (3, -127), (-127, -127), (-127, 120)] {
        let of = |exponent: i32| [brain(power(exponent)); 8];
        for got in distances(Metric::Cosine, &of(exponents.0), &of(exponents.1)) {
            assert!((got + 1.0).abs() < 1e-5, "{exponents:?}: {got}");
        }
    }
}

#[test]
fn rows_of_nan_and_infinity_are_as_far_on_every_instruction_set() {
    let query: Vec<u16> = (0..40).map(|i| if i % 5 == 0 { 0 } else { brain(1.5) }).collect();
    for special in [0x7f80u16, 0xff80, 0x7fc0, 0xff81] {
        for at in [0, 1, 33, 39] {
            let mut row = vec![brain(-2.0); 40];
            row[at] = special;
            for metric in BOTH {
                let all = distances(metric, &query, &row);
                assert!(all.iter().all(|x| *x == all[0]), "{metric:?} {special:04x} at {at}: {all:?}");
            }
        }
    }
}

/// Graphs tell copies of a row from its neighbours by this.
#[test]
fn a_row_is_nearest_to_itself() {
    let mut state = 7u32;
    for dim in [3, 96, 384, 768, 1_536, 4_096] {
        for _ in 0..20 {
            let mut next = || {
                state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                brain(f32::from_bits(0x3f00_0000 | state >> 9 & 0x00ff_0000))
            };
            let row: Vec<u16> = (0..dim).map(|_| next()).collect();
            for got in distances(Metric::Cosine, &row, &row) {
                assert!(got <= -1.0 + 4.0 * f32::EPSILON, "{dim}: {got}");
            }
        }
    }
}
