#![allow(clippy::unwrap_used)]

use crate::*;
use proptest::prelude::*;
use vecraft_types::Metric;

const METRICS: [Metric; 3] = [Metric::L2, Metric::Ip, Metric::Cosine];

fn pair(dim_max: usize) -> impl Strategy<Value = (Vec<f32>, Vec<f32>)> {
    (1..dim_max).prop_flat_map(|dim| {
        let values = || prop::collection::vec(-100.0f32..100.0, dim);
        (values(), values())
    })
}

/// The exact sum in f64, and the sum of absolute terms that bounds the rounding.
fn exact(a: &[f32], b: &[f32], term: impl Fn(f64, f64) -> f64) -> (f64, f64) {
    a.iter()
        .zip(b)
        .map(|(x, y)| term(f64::from(*x), f64::from(*y)))
        .fold((0.0, 0.0), |(s, t), v| (s + v, t + v.abs()))
}

fn check_close(got: f32, (sum, terms): (f64, f64), dim: usize, what: &str) {
    // One rounding a term and a few for the final sums; the subtraction inside L2 adds two more per term.
    let bound = (dim as f64 + 4.0) * f64::from(f32::EPSILON) * terms + f64::from(f32::MIN_POSITIVE);
    assert!((f64::from(got) - sum).abs() <= bound, "{what}: {got} against {sum}, bound {bound}, dim {dim}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn every_instruction_set_is_within_the_stated_error((a, b) in pair(300)) {
        for set in Kernels::available() {
            check_close(set.dot(&a, &b), exact(&a, &b, |x, y| x * y), a.len(), set.name());
            check_close(set.l2_squared(&a, &b), exact(&a, &b, |x, y| (x - y) * (x - y)), a.len(), set.name());
            let (dot, norm) = set.dot_and_norm(&a, &b);
            prop_assert_eq!(dot, set.dot(&a, &b));
            check_close(norm, exact(&b, &b, |x, y| x * y), a.len(), set.name());
        }
    }

    #[test]
    fn four_rows_and_batches_equal_single_calls_bit_for_bit(
        (q, rows) in (1usize..90).prop_flat_map(|dim| {
            (prop::collection::vec(-9.0f32..9.0, dim), (0usize..11).prop_flat_map(move |n| {
                prop::collection::vec(-9.0f32..9.0, dim * n)
            }))
        }),
    ) {
        let dim = q.len();
        let n = rows.len() / dim;
        let ids: Vec<u32> = (0..n as u32).rev().collect();
        for set in Kernels::available() {
            for metric in METRICS {
                let query = Query::with_kernels(metric, &q, set);
                let single: Vec<f32> = rows.chunks_exact(dim).map(|row| query.distance(row)).collect();
                let mut out = vec![0.0; n];
                query.batch(&rows, &mut out);
                prop_assert_eq!(&out, &single);
                query.batch_ids(&rows, &ids, &mut out);
                out.reverse();
                prop_assert_eq!(&out, &single);
                for (row, want) in rows.chunks_exact(dim).zip(&single) {
                    let (_, norm_squared) = set.dot_and_norm(row, row);
                    let inverse = norm::inverse_norm_of(norm_squared, || row);
                    prop_assert_eq!(query.distance_normed(row, inverse), *want);
                    prop_assert_eq!(query.distance_normed4([row; 4], [inverse; 4]), [*want; 4]);
                }
            }
        }
    }
}

#[test]
fn a_row_as_the_query_gives_the_same_but_for_rounding() {
    let row: Vec<f32> = (0..50).map(|i| (i as f32 * 0.7).sin() * 3.0).collect();
    let other: Vec<f32> = (0..50).map(|i| (i as f32 * 0.3).cos() * 2.0).collect();
    for metric in METRICS {
        let (got, want) = (
            Query::of_row(metric, &row, inverse_norm(&row)).distance_normed(&other, inverse_norm(&other)),
            distance(metric, &row, &other),
        );
        assert!((got - want).abs() <= 1e-5 * want.abs().max(1.0), "{metric:?}: {got}, {want}");
    }
}

#[test]
fn long_vectors_agree() {
    let a: Vec<f32> = (0..32_768).map(|i| (i as f32 * 0.37).sin()).collect();
    let b: Vec<f32> = (0..32_768).map(|i| (i as f32 * 0.11).cos()).collect();
    for set in Kernels::available() {
        check_close(set.dot(&a, &b), exact(&a, &b, |x, y| x * y), a.len(), set.name());
    }
}

#[test]
fn scores_are_what_milvus_reports() {
    let check = |metric, a: &[f32], b: &[f32], want: f32| {
        let distance = distance(metric, a, b);
        let reported = reported_score(metric, distance);
        assert!((reported - want).abs() < 1e-6, "{metric:?} {a:?} {b:?}: {reported}, wanted {want}");
        assert_eq!(internal_distance(metric, reported), distance);
        assert!(!(reported == 0.0 && reported.is_sign_negative()));
    };
    check(Metric::L2, &[1.0, 2.0], &[4.0, 6.0], 25.0);
    check(Metric::Ip, &[1.0, 2.0], &[4.0, 6.0], 16.0);
    check(Metric::Cosine, &[3.0, 4.0], &[6.0, 8.0], 1.0);
    check(Metric::Cosine, &[3.0, 4.0], &[-4.0, 3.0], 0.0);
    check(Metric::Cosine, &[1.0, 0.0], &[-2.0, 0.0], -1.0);
}

#[test]
fn a_zero_vector_has_cosine_zero() {
    for (a, b) in [([0.0, 0.0], [1.0, 2.0]), ([1.0, 2.0], [0.0, 0.0]), ([0.0, 0.0], [0.0, 0.0])] {
        assert_eq!(distance(Metric::Cosine, &a, &b).to_bits(), 0.0f32.to_bits());
    }
    let mut zero = [0.0, 0.0];
    assert_eq!(normalise(&mut zero), 0.0);
    assert_eq!(zero, [0.0, 0.0]);
}

#[test]
fn extreme_values_never_give_nan_and_keep_their_cosine() {
    let huge = [3e38f32, 3e38, -3e38, 1e38];
    let tiny = [1e-25f32, 1e-25, -1e-25, 1e-25];
    for metric in METRICS {
        for a in [huge, tiny] {
            for b in [huge, tiny, huge.map(|x| -x)] {
                assert!(!distance(metric, &a, &b).is_nan(), "{metric:?} {a:?} {b:?}");
            }
        }
    }
    assert!((distance(Metric::Cosine, &tiny, &tiny) + 1.0).abs() < 1e-6);
    let mut v = tiny;
    assert!((f64::from(normalise(&mut v)) / 2e-25 - 1.0).abs() < 1e-6);
}

#[test]
fn selection_is_fixed_once_made() {
    let active = Kernels::active();
    assert!(Kernels::select(active.name()));
    assert!(!Kernels::select("no such set"));
    assert_eq!(Kernels::available().last().unwrap().name(), "scalar");
    if cfg!(target_arch = "aarch64") {
        assert_eq!(Kernels::available()[0].name(), "neon", "every 64-bit ARM processor has it");
    }
    assert!(std::ptr::eq(active, Kernels::available()[0]) || Kernels::available().len() > 1);
}

#[test]
#[should_panic(expected = "dimensions differ")]
fn different_lengths_are_refused() {
    dot(&[1.0], &[1.0, 2.0]);
}
