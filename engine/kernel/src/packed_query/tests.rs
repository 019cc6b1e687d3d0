#![allow(clippy::unwrap_used)]
use super::*;
use proptest::prelude::*;

const DENSE: [Metric; 3] = [Metric::L2, Metric::Ip, Metric::Cosine];

/// The internal distance by its definition, in f64.
fn naive(metric: Metric, a: &[f64], b: &[f64]) -> f64 {
    let sum = |term: fn(f64, f64) -> f64| -> f64 { a.iter().zip(b).map(|(x, y)| term(*x, *y)).sum() };
    let norm = |v: &[f64]| v.iter().map(|x| x * x).sum::<f64>().sqrt();
    match metric {
        Metric::L2 => sum(|x, y| (x - y) * (x - y)),
        Metric::Cosine if norm(a) == 0.0 || norm(b) == 0.0 => 0.0,
        Metric::Cosine => -sum(|x, y| x * y) / (norm(a) * norm(b)),
        _ => -sum(|x, y| x * y),
    }
}

fn wide(kind: Packed, bytes: &[u8]) -> Vec<f64> {
    widened(kind, bytes).into_iter().map(f64::from).collect()
}

fn check(kind: Packed, query: &[u8], row: &[u8]) {
    let (a, b) = (wide(kind, query), wide(kind, row));
    let norm = packed_inverse_norm(kind, row);
    let terms: f64 = a.iter().zip(&b).map(|(x, y)| x * x + y * y).sum();
    for metric in DENSE {
        let want = naive(metric, &a, &b);
        let bound = 1e-5 * if metric == Metric::Cosine { 1.0 } else { terms } + f64::from(f32::MIN_POSITIVE);
        for set in Kernels::available() {
            let query = PackedQuery::with_kernels(metric, kind, query, set).unwrap();
            let got = f64::from(query.distance(row));
            let what = format!("{} {kind:?} {metric:?} of {}", set.name(), a.len());
            assert!((got - want).abs() <= bound, "{what}: {got}, {want}");
        }
        let of_bytes = PackedQuery::new(metric, kind, query).unwrap();
        let of_values = PackedQuery::of_values(metric, kind, &widened(kind, query)).unwrap();
        assert_eq!(of_values.distance(row), of_bytes.distance(row), "{kind:?} {metric:?}");
        assert_eq!(of_bytes.distance_normed(row, norm), of_bytes.distance(row), "{kind:?} {metric:?}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn every_type_metric_and_instruction_set_is_as_defined(
        (query, row) in (1usize..70).prop_flat_map(|dim| {
            (prop::collection::vec(any::<u8>(), 2 * dim), prop::collection::vec(any::<u8>(), 2 * dim))
        }),
    ) {
        // Halves of moderate size: high bytes whose exponents are neither the largest nor far apart.
        let moderate = |bytes: &[u8], high: fn(u8) -> u8| -> Vec<u8> {
            bytes.iter().enumerate().map(|(at, b)| if at % 2 == 1 { high(*b) } else { *b }).collect()
        };
        let ieee = |bytes: &[u8]| moderate(bytes, |b| b & 0x87 | 0x38);
        let brain = |bytes: &[u8]| moderate(bytes, |b| b & 0x80 | 0x3f);
        check(Packed::Float16, &ieee(&query), &ieee(&row));
        check(Packed::BFloat16, &brain(&query), &brain(&row));
        check(Packed::Int8, &query, &row);
        for set in Kernels::available() {
            let query_of = |metric| PackedQuery::with_kernels(metric, Packed::Bit, &query, set).unwrap();
            let (hamming, jaccard) = (query_of(Metric::Hamming), query_of(Metric::Jaccard));
            prop_assert_eq!(hamming.distance(&row), set.hamming(&query, &row) as f32);
            prop_assert_eq!(jaccard.distance(&row), set.jaccard(&query, &row));
        }
    }
}

#[test]
fn rows_that_are_not_aligned_are_compared_all_the_same() {
    let bytes: Vec<u8> = (0..33).map(|i| if i % 2 == 0 { 0x3c } else { i }).collect();
    let query = PackedQuery::new(Metric::L2, Packed::Float16, &bytes[..16]).unwrap();
    let copies = [bytes[1..17].to_vec(), bytes[2..18].to_vec()];
    for (start, copy) in [1, 2].into_iter().zip(&copies) {
        assert_eq!(query.distance(&bytes[start..start + 16]), query.distance(copy));
    }
}

#[test]
fn zero_vectors_have_cosine_zero_with_everything() {
    for kind in [Packed::Float16, Packed::BFloat16, Packed::Int8] {
        let (none, some) = ([0u8; 8], [1u8; 8]);
        for (a, b) in [(&none, &some), (&some, &none), (&none, &none)] {
            let query = PackedQuery::new(Metric::Cosine, kind, a).unwrap();
            assert_eq!(query.distance(b), 0.0, "{kind:?}");
        }
        let itself = PackedQuery::new(Metric::Cosine, kind, &some).unwrap().distance(&some);
        assert!((itself + 1.0).abs() < 1e-6, "{kind:?}: {itself}");
    }
}

#[test]
fn numbers_outside_int8_are_those_at_its_ends() {
    let query = PackedQuery::of_values(Metric::Ip, Packed::Int8, &[300.0, -300.0, 1.4, f32::NAN]).unwrap();
    let row = [1u8, 2, 3, 4];
    assert_eq!(query.distance(&row), -(127.0 - 256.0 + 3.0));
    assert!(PackedQuery::of_values(Metric::Hamming, Packed::Int8, &[1.0]).is_none());
    assert!(PackedQuery::of_values(Metric::Ip, Packed::Bit, &[1.0]).is_none());
}

#[test]
fn bits_are_numbers_too() {
    let bytes = [0b1000_0001u8, 0b0100_0000];
    let numbers = widened(Packed::Bit, &bytes);
    let set: Vec<usize> = (0..16).filter(|dim| numbers[*dim] == 1.0).collect();
    assert_eq!((numbers.len(), set), (16, vec![0, 7, 9]));
    assert_eq!(bits_of(&numbers), bytes);
    assert_eq!(bits_of(&[0.6, 0.5, f32::NAN, -3.0, 9.0]), [0b1000_1000]);
    for metric in [Metric::Hamming, Metric::Jaccard] {
        let (of_values, of_bytes) = (
            PackedQuery::of_values(metric, Packed::Bit, &numbers).unwrap(),
            PackedQuery::new(metric, Packed::Bit, &bytes).unwrap(),
        );
        for row in [[0u8, 0], [255, 255], [129, 64], [1, 2]] {
            assert_eq!(of_values.distance(&row), of_bytes.distance(&row));
        }
        let query = crate::Query::over_packed(metric, Packed::Bit, numbers.as_slice().into());
        assert_eq!(query.distance_packed(Packed::Bit, &[1, 64]), of_bytes.distance(&[1, 64]));
    }
}

#[test]
fn metrics_of_other_types_and_broken_rows_make_no_query() {
    for metric in Metric::ALL {
        let is_of_bits = matches!(metric, Metric::Hamming | Metric::Jaccard);
        assert_eq!(PackedQuery::new(metric, Packed::Bit, &[1, 2]).is_some(), is_of_bits);
        for kind in [Packed::Float16, Packed::BFloat16, Packed::Int8] {
            assert_eq!(PackedQuery::new(metric, kind, &[1, 2]).is_some(), !is_of_bits);
        }
    }
    assert!(PackedQuery::new(Metric::L2, Packed::Float16, &[1, 2, 3]).is_none());
    assert!(PackedQuery::new(Metric::L2, Packed::Int8, &vec![0; crate::BYTES_MAX + 1]).is_none());
}

#[test]
#[should_panic(expected = "dimensions differ")]
fn rows_of_another_length_are_refused() {
    PackedQuery::new(Metric::Hamming, Packed::Bit, &[1, 2]).unwrap().distance(&[1]);
}
