use super::*;
use proptest::prelude::*;

fn check(a: &[i8], b: &[i8]) {
    let sum = |term: fn(i64, i64) -> i64| -> i64 {
        a.iter().zip(b).map(|(x, y)| term(i64::from(*x), i64::from(*y))).sum()
    };
    let (dot, l2) = (sum(|x, y| x * y), sum(|x, y| (x - y) * (x - y)));
    for set in Kernels::available() {
        assert_eq!(i64::from(set.dot_bytes(a, b)), dot, "{} of {}", set.name(), a.len());
        assert_eq!(i64::from(set.l2_squared_bytes(a, b)), l2, "{} of {}", set.name(), a.len());
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn every_instruction_set_sums_the_same(
        (a, b) in (0usize..300).prop_flat_map(|len| {
            (prop::collection::vec(any::<i8>(), len), prop::collection::vec(any::<i8>(), len))
        }),
    ) {
        check(&a, &b);
    }
}

#[test]
fn the_longest_vectors_of_the_largest_numbers_do_not_overflow() {
    for len in [1, 15, 16, 33, BYTES_MAX] {
        let (low, high) = (vec![i8::MIN; len], vec![i8::MAX; len]);
        for (a, b) in [(&low, &low), (&low, &high), (&high, &low), (&high, &high)] {
            check(a, b);
        }
    }
}

#[test]
#[should_panic(expected = "dimensions differ")]
fn different_lengths_are_refused() {
    Kernels::active().dot_bytes(&[1, 2], &[1]);
}
